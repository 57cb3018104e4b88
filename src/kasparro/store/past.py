"""What sources told of the past afterwards: into `quotes` where these are kept, into `candles_daily` before."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from kasparro.records import Point
from kasparro.store import candles, queries

_SQL = queries.load("past")


async def write_quotes(conn: asyncpg.Connection, listing_id: int, points: Sequence[Point], *, fetched_at: datetime, now: datetime) -> int:
    """Write points as quotes, each time at most once, and the candles that they are in; how many were new.

    See `quotes.make_partitions` for their days.
    """
    rows = await conn.fetch(_SQL["insert_past_quotes"], listing_id, *_columns(points), fetched_at, now)
    await candles.roll_up(conn, [listing_id] * len(rows), [row["observed_at"] for row in rows])
    return len(rows)


async def write_days(conn: asyncpg.Connection, listing_id: int, points: Sequence[Point]) -> int:
    """Make daily candles of points; how many were written. All points of a day, UTC, must come in one call."""
    return len(await conn.fetch(_SQL["insert_past_days"], listing_id, *_columns(points)))


def _columns(points: Sequence[Point]) -> tuple[list[datetime], list[float], list[float | None], list[float | None]]:
    return [p.observed_at for p in points], [p.price for p in points], [p.market_cap for p in points], [p.volume_24h for p in points]
