"""Series of quotes and candles, read through several listings at once. Amounts are US dollars, times aware UTC."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg
import msgspec

from kasparro.store import queries

_SQL = queries.load("history")

CANDLES = {"1h": "select_hourly_candles", "1d": "select_daily_candles"}  # the intervals that are rolled up


class StoredPoint(msgspec.Struct, frozen=True, gc=False):
    """A price at a time: of a quote, or the last one of a span."""

    at: datetime  # when it was observed, or when the span opens
    listing_id: int
    price: float
    market_cap: float | None
    volume_24h: float | None
    samples: int


class StoredCandle(msgspec.Struct, frozen=True, gc=False):
    """What a listing's price did in an hour or a day."""

    opens_at: datetime
    listing_id: int
    open: float
    high: float
    low: float
    close: float
    samples: int
    market_cap: float | None  # of the last sample
    volume_24h: float | None  # of the last sample


class StoredRate(msgspec.Struct, frozen=True, gc=False):
    """What one US dollar cost in another currency."""

    source: str
    observed_at: datetime
    per_usd: float


async def quotes(conn: asyncpg.Connection, listing_ids: Sequence[int], low: datetime, high: datetime, most: int) -> list[StoredPoint]:
    """Every quote from one time on and before another, oldest first, at most so many."""
    return [StoredPoint(*row) for row in await conn.fetch(_SQL["select_quotes"], listing_ids, low, high, most)]


async def spans(
    conn: asyncpg.Connection, listing_ids: Sequence[int], low: datetime, high: datetime, most: int, span: timedelta
) -> list[StoredPoint]:
    """The last quote of each span in which there is one. Spans are counted from midnight UTC."""
    return [StoredPoint(*row) for row in await conn.fetch(_SQL["select_spans"], listing_ids, low, high, most, span.total_seconds())]


async def candles(
    conn: asyncpg.Connection, interval: str, listing_ids: Sequence[int], low: datetime, high: datetime, most: int
) -> list[StoredCandle]:
    """The candles of one of CANDLES that open from one time on and before another, oldest first, at most so many."""
    return [StoredCandle(*row) for row in await conn.fetch(_SQL[CANDLES[interval]], listing_ids, low, high, most)]


async def recent_closes(
    conn: asyncpg.Connection, listings: Sequence[tuple[int, int]], low: datetime
) -> dict[int, tuple[list[datetime], list[float]]]:
    """What coins cost at the end of each hour that opens from a time on, by coin key: when the hours open, oldest first, and the closes.

    `listings` are pairs of a listing and the coin that it is. A coin without any candle is not there.
    """
    listing_ids, coin_keys = [listing for listing, _ in listings], [coin for _, coin in listings]
    rows = await conn.fetch(_SQL["select_recent_closes"], listing_ids, coin_keys, low)
    return {row["coin_key"]: (row["opens_at"], row["closes"]) for row in rows}


async def has_rates(conn: asyncpg.Connection, currency: str) -> bool:
    """Whether a rate of a currency was ever stored."""
    return bool(await conn.fetchval(_SQL["has_rates"], currency))


async def rates(conn: asyncpg.Connection, currency: str, before: Sequence[datetime], sources: Sequence[str]) -> list[StoredRate | None]:
    """For each time the last rate of a currency from before it; None where there is none."""
    rows = await conn.fetch(_SQL["select_rates"], currency, before, sources)
    return [None if row["per_usd"] is None else StoredRate(*row) for row in rows]
