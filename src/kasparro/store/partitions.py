"""Partitions by day, in UTC: of `quotes`, `candles_hourly` and `prices`."""

from collections.abc import Iterable, Sequence
from datetime import date

import asyncpg

from kasparro.store import queries

_SQL = queries.load("partitions")


async def make(conn: asyncpg.Connection, tables: Sequence[str], days: Iterable[date]) -> None:
    """Make tables' partitions for days, where they are missing. No reader waits."""
    if wanted := sorted(set(days)):
        await conn.execute(_SQL["make_partitions"], tables, wanted)


async def days(conn: asyncpg.Connection, table: str) -> list[date]:
    """The days for which a table has a partition, oldest first."""
    return [row["day"] for row in await conn.fetch(_SQL["select_days"], table)]


async def drop(conn: asyncpg.Connection, table: str, day: date, *, lock_wait_seconds: float) -> bool:
    """Drop a table's partition of a day; whether there was one.

    Raises asyncpg.LockNotAvailableError where a transaction at work on the table did not end in time: others wait behind this one, so
    that it must not wait long.
    """
    await conn.execute(_SQL["bound_lock_wait"], f"{lock_wait_seconds * 1000:.0f}ms")
    return bool(await conn.fetchval(_SQL["drop_partition"], table, day))
