"""What both sources tell of a made-up listing's past, in their own shapes. Pure."""

import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

_HOURLY_DAYS_MAX = 90  # CoinGecko's points are hourly up to here, and daily beyond


def market_chart(price: float, market_cap: float | None, volume: float | None, days: int, now: datetime) -> dict[str, Any]:
    """CoinGecko's answer: lists of [milliseconds, number]."""
    step = timedelta(hours=1) if days <= _HOURLY_DAYS_MAX else timedelta(days=1)
    points = [(int(at.timestamp() * 1000), factor) for at, factor in _walk(now - timedelta(days=days), now, step)]
    return {
        "prices": [[at, price * factor] for at, factor in points],
        "market_caps": [[at, None if market_cap is None else market_cap * factor] for at, factor in points],
        "total_volumes": [[at, volume or 0.0] for at, _ in points],
    }


def historical(price: float, market_cap: float | None, volume: float | None, start: datetime, now: datetime) -> list[dict[str, Any]]:
    """CoinPaprika's answer: a point a day from a time on."""
    return [
        {
            "timestamp": f"{at:%Y-%m-%dT%H:%M:%SZ}",
            "price": price * factor,
            "volume_24h": int(volume or 0),
            "market_cap": int((market_cap or 0) * factor),
        }
        for at, factor in _walk(start, now, timedelta(days=1))
    ]


def _walk(start: datetime, now: datetime, step: timedelta) -> Iterator[tuple[datetime, float]]:
    """Each whole step from a time to now, with how far the price was from today's."""
    size, present = int(step.total_seconds()), now.timestamp()
    for second in range(math.ceil(start.timestamp() / size) * size, int(present) + 1, size):
        yield datetime.fromtimestamp(second, now.tzinfo), math.exp(0.1 * math.sin(second / 2e6) - 0.1 * math.sin(present / 2e6))
