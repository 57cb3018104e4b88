"""Whole histories, read listing by listing through a cursor: what is in memory at a time is a few thousand rows."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Literal, TypeAlias

import asyncpg

from kasparro.records import Record
from kasparro.store import queries

_SQL = queries.load("exports")
_ROWS_PER_FETCH = 5_000
_QUERIES = {"raw": "select_listing_quotes", "1h": "select_listing_hours", "1d": "select_listing_days"}

Interval: TypeAlias = Literal["raw", "1h", "1d"]


class CoinListing(Record, frozen=True, kw_only=True):
    """A listing that is judged to be a coin."""

    coin_id: str
    listing_id: int
    source: str
    source_id: str


async def coins_named(conn: asyncpg.Connection, names: Sequence[str]) -> dict[str, int]:
    """The keys of the coins that ids or aliases mean. What no coin is called is missing."""
    return {row["name"]: row["coin_key"] for row in await conn.fetch(_SQL["select_named_coins"], names)}


async def listings_of(conn: asyncpg.Connection, coin_keys: Sequence[int] | None) -> list[CoinListing]:
    """The listings of coins, or with None of all, by coin id."""
    return [CoinListing(**dict(row)) for row in await conn.fetch(_SQL["select_coin_listings"], coin_keys)]


async def history(
    conn: asyncpg.Connection, listing: CoinListing, interval: Interval, since: datetime, until: datetime
) -> AsyncIterator[list[asyncpg.Record]]:
    """A listing's quotes or candles from a time to before another, oldest first, some thousand at a time."""
    cursor = await conn.cursor(_SQL[_QUERIES[interval]], listing.listing_id, since, until)
    while rows := await cursor.fetch(_ROWS_PER_FETCH):
        yield rows
        if len(rows) < _ROWS_PER_FETCH:
            return
