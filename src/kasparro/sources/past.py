"""What sources tell of a listing's past: how it is asked for, and what the answers mean. Pure.

CoinGecko's /coins/{id}/market_chart has three lists of [milliseconds since 1970, number]: hourly up to 90 days, daily beyond.
CoinPaprika's /tickers/{id}/historical has a list of objects; daily points are in every plan, so that these are asked for.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import msgspec

from kasparro.errors import SkipError
from kasparro.records import Point, Record, Request
from kasparro.sources import coingecko, coinpaprika, fields
from kasparro.sources.answers import described
from kasparro.sources.rows import Reason, RowError

DAYS_MAX = 365  # of the plans that cost nothing
_ROWS_MAX = 5_000  # of one answer of CoinPaprika's
_MILLISECONDS_MOST = 1e14


class Points(Record, frozen=True, kw_only=True):
    """What an answer tells."""

    points: tuple[Point, ...]  # oldest first, one per time
    rejected: Mapping[str, int]  # reason -> rows


class PastSource(Record, frozen=True, kw_only=True):
    """How one source tells of the past."""

    stream: str  # under which it is remembered which listings were asked for; no run asks for it
    request: Callable[[str, int, datetime], Request]  # of a listing's id there, for so many days before a time
    rows: Callable[[bytes], list[tuple[object, object, object, object]]]  # (time, price, market cap, volume), none checked


def parse(source: PastSource, body: bytes, fetched_at: datetime) -> Points:
    """Read an answer. A bad row costs that row. Raises SkipError where the body is of another shape."""
    try:
        found = source.rows(body)
    except (ValueError, RecursionError, LookupError, TypeError):
        message = f"{source.stream}: expected the payload of a history, got {described(body)}"
        raise SkipError(message, code="wrong_shape") from None
    points: dict[datetime, Point] = {}
    rejected: Counter[str] = Counter()
    for at, price, market_cap, volume in found:
        try:
            observed_at, value = _moment(at, fetched_at), fields.price(price)
        except RowError as error:
            rejected[error.reason] += 1
            continue
        if observed_at is not None and value is not None:
            points[observed_at] = Point(
                observed_at=observed_at,
                price=value,
                market_cap=fields.amount(market_cap, zero_is_unknown=True),
                volume_24h=fields.amount(volume),
            )
    return Points(points=tuple(points[at] for at in sorted(points)), rejected=rejected)


def _moment(value: object, fetched_at: datetime) -> datetime | None:
    """A time as ISO 8601 or as milliseconds since 1970, by the same bounds as that of any quote."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not 0 < value < _MILLISECONDS_MOST:
            raise RowError(Reason.TIME_UNREADABLE)
        value = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=value)).isoformat()
    return fields.observed_at(value, fetched_at)


def _gecko_request(source_id: str, days: int, _now: datetime) -> Request:
    path = f"/coins/{quote(source_id, safe='')}/market_chart"
    return Request(source=coingecko.NAME, stream=_GECKO, part=source_id, path=path, query=(("vs_currency", "usd"), ("days", str(days))))


class _Chart(msgspec.Struct):
    prices: list[tuple[Any, Any]]
    market_caps: list[tuple[Any, Any]] = []
    total_volumes: list[tuple[Any, Any]] = []


def _gecko_rows(body: bytes) -> list[tuple[object, object, object, object]]:
    chart = msgspec.json.decode(body, type=_Chart)
    caps, volumes = dict(chart.market_caps), dict(chart.total_volumes)
    return [(at, price, caps.get(at), volumes.get(at)) for at, price in chart.prices]


def _paprika_request(source_id: str, days: int, now: datetime) -> Request:
    query = (("start", f"{now - timedelta(days=days):%Y-%m-%d}"), ("interval", "1d"), ("limit", str(_ROWS_MAX)))
    path = f"/tickers/{quote(source_id, safe='')}/historical"
    return Request(source=coinpaprika.NAME, stream=_PAPRIKA, part=source_id, path=path, query=query)


def _paprika_rows(body: bytes) -> list[tuple[object, object, object, object]]:
    found = msgspec.json.decode(body, type=list[dict[str, Any]])
    return [(row.get("timestamp"), row.get("price"), row.get("market_cap"), row.get("volume_24h")) for row in found]


_GECKO, _PAPRIKA = "coingecko.market_chart", "coinpaprika.historical"
PAST: Mapping[str, PastSource] = {
    coingecko.NAME: PastSource(stream=_GECKO, request=_gecko_request, rows=_gecko_rows),
    coinpaprika.NAME: PastSource(stream=_PAPRIKA, request=_paprika_request, rows=_paprika_rows),
}
