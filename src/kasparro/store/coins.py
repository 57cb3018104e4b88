"""The `coins`, `coin_aliases`, `judgements` and `catalog_version` tables: the interpretation."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

import asyncpg
import msgspec

from kasparro.records import Coin, Judgement
from kasparro.store import queries

_SQL = queries.load("coins")
_ROWS = 2_000  # read at a time


async def next_version(conn: asyncpg.Connection, now: datetime) -> int:
    """Take the next catalog version in the caller's transaction. Its readers see it when that commits."""
    version: int = await conn.fetchval(_SQL["next_version"], now)
    return version


async def mark_published(conn: asyncpg.Connection, run_id: int) -> None:
    """Note that the quotes of every run up to this one are in the prices."""
    await conn.execute(_SQL["mark_published"], run_id)


async def published_run(conn: asyncpg.Connection) -> int:
    """The last run whose quotes are all in the prices; 0 before the first."""
    row = await conn.fetchrow(_SQL["select_version"])
    run_id: int = row["published_run_id"]
    return run_id


async def coins(conn: asyncpg.Connection) -> AsyncIterator[list[Coin]]:
    """Every coin in the order in which they were made, some thousand at a time."""
    after = 0
    while rows := await conn.fetch(_SQL["select_coins"], after, _ROWS):
        after = rows[-1]["coin_key"]
        yield [Coin(**row) for row in rows]


async def live_judgements(conn: asyncpg.Connection) -> AsyncIterator[list[Judgement]]:
    """Every judgement that stands, some thousand at a time."""
    after = 0
    while rows := await conn.fetch(_SQL["select_live_judgements"], after, _ROWS):
        after = rows[-1]["judgement_id"]
        yield [Judgement(**row) for row in rows]


async def mint(conn: asyncpg.Connection, new: Sequence[Coin], now: datetime, version: int) -> None:
    """Mint the coins that are not there yet."""
    ids = [c.coin_id for c in new]
    columns = [c.symbol for c in new], [c.name for c in new], [c.founder for c in new]
    await conn.execute(_SQL["insert_missing_coins"], ids, *columns, now, version)
    await conn.execute(_SQL["delete_aliases_that_became_coins"], ids)


async def update(conn: asyncpg.Connection, changed: Sequence[Coin], version: int) -> None:
    """Take over symbols, names, merges and what coins wrap. Coins that they point at must have been minted."""
    columns = [c.symbol for c in changed], [c.name for c in changed], [c.merged_into for c in changed], [c.wraps for c in changed]
    await conn.execute(_SQL["update_changed_coins"], [c.coin_id for c in changed], *columns, version)


async def supersede(conn: asyncpg.Connection, judgement_ids: Sequence[int], now: datetime, version: int) -> set[int]:
    """Let judgements no longer stand; the keys of the coins that they were about."""
    return {row["coin_key"] for row in await conn.fetch(_SQL["supersede_judgements"], judgement_ids, now, version)}


async def write_judgements(conn: asyncpg.Connection, judgements: Sequence[Judgement], now: datetime, version: int) -> set[int]:
    """Write new judgements and the aliases that follow from them; the keys of the coins that they are about."""
    rows = await conn.fetch(
        _SQL["insert_judgements"],
        [j.listing_id for j in judgements],
        [j.coin_id for j in judgements],
        [j.verdict for j in judgements],
        [j.rule for j in judgements],
        [j.confidence for j in judgements],
        [msgspec.json.encode(j.evidence).decode() for j in judgements],
        [j.decided_by for j in judgements],
        now,
        version,
    )
    await conn.execute(_SQL["upsert_aliases"], [j.listing_id for j in judgements if j.verdict == "same"], version)
    return {row["coin_key"] for row in rows}


async def analyze(conn: asyncpg.Connection) -> None:
    """Tell the planner of a bulk of new rows, in the transaction that wrote them."""
    await conn.execute(_SQL["analyze_identity"])
