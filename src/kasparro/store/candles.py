"""The `candles_hourly` and `candles_daily` tables: open, high, low and close of a listing's quotes, in hours and days of UTC."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import asyncpg

from kasparro.store import queries
from kasparro.store.columns import scalars

_SQL = queries.load("candles")
_LISTINGS = 100  # rolled up by one statement where all hours of a day are: 2,400 candles


async def roll_up(conn: asyncpg.Connection, listing_ids: Sequence[int], observed_at: Sequence[datetime]) -> None:
    """Make the candles of the hours and days in which quotes were written right, from the raw rows that there are now.

    The quotes are given by their listings and times, in the same transaction. Their days must have a partition of hourly candles.
    """
    if listing_ids:
        low, high = min(observed_at), max(observed_at)
        columns = scalars(listing_ids), scalars(observed_at)
        for query, span in (("roll_up_hours", timedelta(hours=1)), ("roll_up_days", timedelta(days=1))):
            await conn.execute(_SQL[query], *columns, _opening(low, span), _opening(high, span) + span)


def _opening(at: datetime, span: timedelta) -> datetime:
    """When the hour or day that holds a time began."""
    return at - (at - datetime.min.replace(tzinfo=UTC)) % span


async def roll_up_day(conn: asyncpg.Connection, day: date) -> bool:
    """Count all candles of a day from its raw rows, unless there is one. Whether that was needed."""
    low = datetime.combine(day, datetime.min.time(), UTC)
    high = low + timedelta(days=1)
    if not await conn.fetchval(_SQL["lacks_candles"], low, high):
        return False
    after = 0
    while rows := await conn.fetch(_SQL["select_hours_quoted"], low, high, after, _LISTINGS):
        after = rows[-1]["listing_id"]
        await roll_up(conn, [row["listing_id"] for row in rows], [row["opens_at"] for row in rows])
    return True
