"""What both sources tell of a made-up listing's past, in their own shapes. Pure."""

import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

_HOURLY_DAYS_MAX = 90  # CoinGecko's points are hourly up to here, and daily beyond
# (height, length in seconds by the radian, how much it differs from coin to coin)
_WAVES = ((0.1, 2e6, 0.0), (0.06, 3.1e5, 1.0), (0.03, 7.3e4, 2.0), (0.012, 1.9e4, 3.0), (0.006, 5.3e3, 5.0))


def market_chart(price: float, market_cap: float | None, volume: float | None, days: int, began: datetime, now: datetime) -> dict[str, Any]:
    """CoinGecko's answer: lists of [milliseconds, number]. `price` is what it cost when the market began."""
    step = timedelta(hours=1) if days <= _HOURLY_DAYS_MAX else timedelta(days=1)
    points = [(int(at.timestamp() * 1000), factor) for at, factor in _walk(now - timedelta(days=days), now, step, began, math.log(price))]
    return {
        "prices": [[at, price * factor] for at, factor in points],
        "market_caps": [[at, None if market_cap is None else market_cap * factor] for at, factor in points],
        "total_volumes": [[at, volume or 0.0] for at, _ in points],
    }


def historical(
    price: float, market_cap: float | None, volume: float | None, start: datetime, began: datetime, now: datetime
) -> list[dict[str, Any]]:
    """CoinPaprika's answer: a point a day from a time on. `price` is what it cost when the market began."""
    return [
        {
            "timestamp": f"{at:%Y-%m-%dT%H:%M:%SZ}",
            "price": price * factor,
            "volume_24h": int(volume or 0),
            "market_cap": int((market_cap or 0) * factor),
        }
        for at, factor in _walk(start, now, timedelta(days=1), began, math.log(price))
    ]


def _walk(start: datetime, now: datetime, step: timedelta, began: datetime, phase: float) -> Iterator[tuple[datetime, float]]:
    """Each whole step from a time to now, with how far the price was from that of the market's beginning, by coin."""
    size, at_first = int(step.total_seconds()), _course(began.timestamp(), phase)
    for second in range(math.ceil(start.timestamp() / size) * size, int(now.timestamp()) + 1, size):
        yield datetime.fromtimestamp(second, now.tzinfo), math.exp(_course(second, phase) - at_first)


def _course(second: float, phase: float) -> float:
    """The logarithm of a price over time: waves of a season, a month, days and hours."""
    return sum(height * math.sin(second / length + turn * phase) for height, length, turn in _WAVES)
