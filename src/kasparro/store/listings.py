"""The `listings` and `listing_contracts` tables: who each source says there is."""

from collections.abc import AsyncIterator, Container, Sequence
from datetime import datetime

import asyncpg

from kasparro.records import Courses, EvidenceRow, Listing, ListingContract, NamedRow, Traded
from kasparro.store import queries
from kasparro.store.columns import scalars, texts

_SQL = queries.load("listings")
_EVIDENCE_ROWS = 500  # read at a time: about 3 ms of the event loop
_TRADED_ROWS = 5_000  # the same
_NAMED_ROWS = 2_000  # the same


class _Any:
    """Holds every source."""

    def __contains__(self, source: object) -> bool:
        return True


_ANY = _Any()


async def write(
    conn: asyncpg.Connection, source: str, listings: Sequence[Listing], now: datetime, *, run_id: int, authoritative: bool
) -> list[int]:
    """Write listings that are new, and those that changed if this stream is the one to say; the ids of those that were written.

    Only a source's list says what a listing is called: where two streams disagree, they would otherwise rename it in turns.
    """
    found = await conn.fetch(
        _SQL["write_listings"],
        source,
        texts([x.source_id for x in listings]),
        texts([x.symbol for x in listings]),
        texts([x.name for x in listings]),
        scalars([x.active for x in listings]),
        now,
        run_id,
        authoritative,
    )
    return [row["listing_id"] for row in found]


async def deactivate_vanished(conn: asyncpg.Connection, source: str, source_ids: Sequence[str], *, run_id: int) -> list[int]:
    """Mark the listings that a source's complete list no longer names as inactive; their ids."""
    return [row["listing_id"] for row in await conn.fetch(_SQL["deactivate_vanished_listings"], source, texts(source_ids), run_id)]


async def contracts(conn: asyncpg.Connection, source: str, platform: str | None) -> set[tuple[str, str, str]]:
    """A source's contracts as (source_id, platform, address), of one platform or of all."""
    return {tuple(row) for row in await conn.fetch(_SQL["select_contracts"], source, platform)}


async def write_contracts(conn: asyncpg.Connection, source: str, rows: Sequence[ListingContract], *, run_id: int) -> list[int]:
    """Insert contracts that are not there yet; the ids of the listings that they are of."""
    await conn.execute(_SQL["insert_contracts"], source, *_contract_columns(rows))
    return await _note_evidence(conn, source, rows, run_id)


async def delete_contracts(conn: asyncpg.Connection, source: str, rows: Sequence[ListingContract], *, run_id: int) -> list[int]:
    """Delete contracts that the source no longer gives; the ids of the listings that they were of."""
    await conn.execute(_SQL["delete_contracts"], source, *_contract_columns(rows))
    return await _note_evidence(conn, source, rows, run_id)


async def _note_evidence(conn: asyncpg.Connection, source: str, rows: Sequence[ListingContract], run_id: int) -> list[int]:
    noted = await conn.fetch(_SQL["note_evidence"], source, texts(list({x.source_id for x in rows})), run_id)
    return [row["listing_id"] for row in noted]


def _contract_columns(rows: Sequence[ListingContract]) -> tuple[str, str, str]:
    return texts([x.source_id for x in rows]), texts([x.platform for x in rows]), texts([x.address for x in rows])


async def news(conn: asyncpg.Connection, from_run: int, before_run: int) -> set[int]:
    """The listings of which runs changed what they are judged by, from one run to before another, and those that are not judged."""
    return {row["listing_id"] for row in await conn.fetch(_SQL["select_news"], from_run, before_run)}


async def parted(
    conn: asyncpg.Connection, listing_ids: Sequence[int], *, apart: float, drift_per_root_hour: float, hours_max: int
) -> set[int]:
    """All listings of the coins that the given ones are, where prices have parted.

    That is: their logarithms differ by more than `apart` and the drift between the observations, which are at most `hours_max` apart.
    """
    rows = await conn.fetch(_SQL["select_parted"], listing_ids, apart, drift_per_root_hour, hours_max)
    return {row["listing_id"] for row in rows}


async def find(conn: asyncpg.Connection, source: str, source_id: str) -> int | None:
    """The id of a source's listing; None where there is none."""
    found: int | None = await conn.fetchval(_SQL["select_listing"], source, source_id)
    return found


async def evidence_of(conn: asyncpg.Connection, listing_ids: Sequence[int], courses: Courses) -> list[EvidenceRow]:
    """What some listings are judged by; each counts as settled."""
    rows = await conn.fetch(_SQL["select_evidence_of"], listing_ids)
    return [_evidence_row(row, _ANY, _ANY, courses.get(row["listing_id"], ())) for row in rows]


async def traded(conn: asyncpg.Connection, source: str) -> AsyncIterator[list[Traded]]:
    """A source's active listings by traded volume, falling, some thousand at a time. In a transaction."""
    cursor = await conn.cursor(_SQL["select_traded"], source)
    while rows := await cursor.fetch(_TRADED_ROWS):
        yield [Traded(source_id=row["source_id"], volume=row["volume"], quoted=row["quoted"]) for row in rows]


async def newcomers(conn: asyncpg.Connection, source: str, stream: str) -> list[str]:
    """The source ids of a source's active listings that are in no batch of a stream."""
    return [row["source_id"] for row in await conn.fetch(_SQL["select_newcomers"], source, stream)]


async def names(conn: asyncpg.Connection) -> AsyncIterator[list[NamedRow]]:
    """What every listing is called, some thousand at a time, in no order. In a transaction."""
    cursor = await conn.cursor(_SQL["select_names"])
    while rows := await cursor.fetch(_NAMED_ROWS):
        yield [NamedRow(listing_id=row[0], source=row[1], source_id=row[2], symbol=row[3], name=row[4]) for row in rows]


async def addresses(conn: asyncpg.Connection, source: str) -> list[tuple[int, str]]:
    """The address of every contract of a source, with the id of its listing. In a transaction."""
    found: list[tuple[int, str]] = []
    cursor = await conn.cursor(_SQL["select_addresses"], source)
    while rows := await cursor.fetch(_NAMED_ROWS):
        found += [(row[0], row[1]) for row in rows]
    return found


async def evidence(
    conn: asyncpg.Connection, settled_sources: frozenset[str], quoted_sources: frozenset[str]
) -> AsyncIterator[list[EvidenceRow]]:
    """What every listing is judged by, some thousand at a time.

    A listing is settled once its source's lists are complete (`settled_sources`) and its quote is known or, with every
    quote of the source read once (`quoted_sources`), known to be absent.
    """
    after = 0
    while rows := await conn.fetch(_SQL["select_evidence"], after, _EVIDENCE_ROWS):
        after = rows[-1]["listing_id"]
        yield [_evidence_row(row, settled_sources, quoted_sources) for row in rows]


def _evidence_row(
    row: asyncpg.Record, settled_sources: Container[str], quoted_sources: Container[str], course: tuple[tuple[float, float], ...] = ()
) -> EvidenceRow:
    source, price = row["source"], row["price"]
    return EvidenceRow(
        listing_id=row["listing_id"],
        source=source,
        source_id=row["source_id"],
        symbol=row["symbol"],
        name=row["name"],
        active=row["active"],
        contracts=tuple(zip(row["platforms"], row["addresses"], strict=True)) if row["platforms"] else (),
        settled=source in settled_sources and (price is not None or source in quoted_sources),
        price=price,
        observed_at=row["observed_at"],
        market_cap=row["market_cap"],
        volume_24h=row["volume_24h"],
        ath_price=row["ath_price"],
        ath_at=row["ath_at"],
        first_seen_at=row["first_seen_at"],
        course=course,
    )
