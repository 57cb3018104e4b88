"""The `coins`, `coin_aliases`, `judgements` and `catalog_version` tables: the interpretation."""

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import datetime

import asyncpg

from kasparro.records import Coin, Judgement, Record
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


async def touch(conn: asyncpg.Connection, listing_ids: Collection[int], version: int) -> None:
    """Let the coins that listings are be read anew with a version: something that is shown of them is another."""
    await conn.execute(_SQL["touch_coins"], list(listing_ids), version)


class State(Record, frozen=True, kw_only=True):
    """How far the interpretation is."""

    version: int  # of the catalog
    published_run_id: int  # the last run whose quotes are all in the prices; 0 before the first
    rules: bytes | None  # digest of the rules by which everything was judged with all lists complete; None: not yet


async def state(conn: asyncpg.Connection) -> State:
    """How far the interpretation is."""
    return State(**await conn.fetchrow(_SQL["select_state"]))


async def set_rules(conn: asyncpg.Connection, digest: bytes) -> None:
    """Note by which rules everything was judged, with all lists complete."""
    await conn.execute(_SQL["set_rules"], digest)


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
        yield [_judgement(row) for row in rows]


def _judgement(row: asyncpg.Record) -> Judgement:
    return Judgement(**dict(row, evidence=row["evidence"].encode()))


async def around(conn: asyncpg.Connection, listing_ids: Sequence[int], ids: Sequence[str]) -> tuple[list[Coin], list[Judgement]]:
    """The coins that matter where listings are judged, with those of the given ids, and what stands on them and on the listings."""
    found = [Coin(**row) for row in await conn.fetch(_SQL["select_coins_around"], listing_ids, ids)]
    rows = await conn.fetch(_SQL["select_judgements_around"], listing_ids, [c.coin_id for c in found])
    return found, [_judgement(row) for row in rows]


async def open_questions(conn: asyncpg.Connection, since: datetime) -> list[int]:
    """The listings on both sides of every `unsure` judgement where both have a quote since a time."""
    return [row["listing_id"] for row in await conn.fetch(_SQL["select_open_questions"], since)]


async def find(conn: asyncpg.Connection, name: str) -> str | None:
    """The id of the living coin that an id or an alias means; None where there is none."""
    found: str | None = await conn.fetchval(_SQL["select_living_coin"], name)
    return found


async def members(conn: asyncpg.Connection, coin_id: str) -> list[int]:
    """The listings that are judged to be a coin."""
    return [row["listing_id"] for row in await conn.fetch(_SQL["select_members"], coin_id)]


async def of_listing(conn: asyncpg.Connection, listing_id: int) -> str | None:
    """The id of the coin that a listing is judged to be; None where it is not judged."""
    found: str | None = await conn.fetchval(_SQL["select_coin_of_listing"], listing_id)
    return found


async def contradiction(conn: asyncpg.Connection, listing_id: int, others: Sequence[int], coin_id: str) -> int | None:
    """A judgement by a person that keeps a listing from being one coin with others, what was said of the coin itself left out."""
    found: int | None = await conn.fetchval(_SQL["select_contradiction"], listing_id, others, coin_id)
    return found


async def judgement(conn: asyncpg.Connection, judgement_id: int) -> asyncpg.Record | None:
    """One judgement: listing_id, coin_id, verdict, decided_by, note, superseded_at."""
    return await conn.fetchrow(_SQL["select_judgement"], judgement_id)


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


async def supersede_pair(
    conn: asyncpg.Connection, listing_id: int, coin_id: str, now: datetime, version: int, *, same_too: bool
) -> set[int]:
    """Let what was said of a listing and a coin no longer stand, and with `same_too` where the listing was; the coins' keys."""
    return {row["coin_key"] for row in await conn.fetch(_SQL["supersede_pair"], listing_id, coin_id, now, version, same_too)}


class Written(Record, frozen=True, kw_only=True):
    """What writing judgements did."""

    judgement_ids: list[int]  # in their order
    coin_keys: set[int]  # of the coins that they are about


async def write_judgements(conn: asyncpg.Connection, judgements: Sequence[Judgement], now: datetime, version: int) -> Written:
    """Write new judgements and the aliases that follow from them."""
    rows = await conn.fetch(
        _SQL["insert_judgements"],
        [j.listing_id for j in judgements],
        [j.coin_id for j in judgements],
        [j.verdict for j in judgements],
        [j.rule for j in judgements],
        [j.confidence for j in judgements],
        [j.evidence.decode() for j in judgements],
        [j.decided_by for j in judgements],
        [j.note for j in judgements],
        now,
        version,
    )
    await conn.execute(_SQL["upsert_aliases"], [j.listing_id for j in judgements if j.verdict == "same"], version)
    return Written(judgement_ids=[row["judgement_id"] for row in rows], coin_keys={row["coin_key"] for row in rows})


async def analyze(conn: asyncpg.Connection) -> None:
    """Tell the planner of a bulk of new rows, in the transaction that wrote them."""
    await conn.execute(_SQL["analyze_identity"])
