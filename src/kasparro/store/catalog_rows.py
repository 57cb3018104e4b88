"""What a catalog is made of, read from the tables that the ingestion writes."""

from collections.abc import Container
from datetime import datetime

import asyncpg

from kasparro.records import Record
from kasparro.store import queries

_SQL = queries.load("catalog_rows")
_KEYS_AT_ONCE = 5_000  # about 3 ms of the event loop


class Pulse(Record, frozen=True, kw_only=True):
    """What every process polls once a second."""

    version: int
    published_at: datetime | None
    published_run_id: int  # 0: nothing was published yet
    newest_run_id: int | None
    open_run_id: int | None


class CoinRows(Record, frozen=True, kw_only=True):
    """The rows of some coins, of one snapshot."""

    coins: list[asyncpg.Record]
    listings: list[asyncpg.Record]  # one per live judgement
    contracts: list[asyncpg.Record]
    aliases: list[asyncpg.Record]


class PriceRows(Record, frozen=True, kw_only=True):
    """The prices and quotes of some coins, of one snapshot; columns as in their queries."""

    prices: list[asyncpg.Record]
    quotes: list[asyncpg.Record]


async def read_pulse(conn: asyncpg.Connection) -> Pulse:
    """The published version, and the newest and the open run."""
    row = await conn.fetchrow(_SQL["select_pulse"])
    return Pulse(**dict(row))


async def read_published(conn: asyncpg.Connection) -> tuple[int, datetime | None]:
    """(version, when it was published) of the snapshot that the connection is in."""
    row = await conn.fetchrow(_SQL["select_published"])
    return row["version"], row["published_at"]


async def read_priced(conn: asyncpg.Connection) -> list[asyncpg.Record]:
    """What lists show of all coins with a price, a row for each of their listings that has a quote."""
    rows: list[asyncpg.Record] = await conn.fetch(_SQL["select_priced"])
    return rows


async def read_other_coin_keys(conn: asyncpg.Connection, known: Container[int]) -> list[int]:
    """All coins but those that are known, merged ones included. In a transaction."""
    others = list[int]()
    cursor = await conn.cursor(_SQL["select_coin_keys"])
    while rows := await cursor.fetch(_KEYS_AT_ONCE):
        others += [key for row in rows if (key := row["coin_key"]) not in known]
    return others


async def read_changed_coin_keys(conn: asyncpg.Connection, after_version: int) -> tuple[list[int], list[int]]:
    """The coins that changed after a version: those of which no more than the price did, and the others. In a transaction."""
    only_price, others = list[int](), list[int]()
    cursor = await conn.cursor(_SQL["select_changed_coin_keys"], after_version)
    while rows := await cursor.fetch(_KEYS_AT_ONCE):
        for row in rows:
            (only_price if row["only_price"] else others).append(row["coin_key"])
    return only_price, others


async def read_coins(conn: asyncpg.Connection, coin_keys: list[int]) -> CoinRows:
    """All rows of some coins. Ask for at most a few thousand at once: each answer is held in memory whole."""
    return CoinRows(
        coins=await conn.fetch(_SQL["select_coins"], coin_keys),
        listings=await conn.fetch(_SQL["select_coin_listings"], coin_keys),
        contracts=await conn.fetch(_SQL["select_coin_contracts"], coin_keys),
        aliases=await conn.fetch(_SQL["select_coin_aliases"], coin_keys),
    )


async def read_prices(conn: asyncpg.Connection, coin_keys: list[int]) -> PriceRows:
    """What prices rest on and how they stand, of coins that are known otherwise. The same few thousand at once."""
    return PriceRows(prices=await conn.fetch(_SQL["select_prices"], coin_keys), quotes=await conn.fetch(_SQL["select_quotes"], coin_keys))
