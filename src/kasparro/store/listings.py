"""The `listings` and `listing_contracts` tables: who each source says there is."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

import asyncpg

from kasparro.records import EvidenceRow, Listing, ListingContract
from kasparro.store import queries

_SQL = queries.load("listings")
_EVIDENCE_ROWS = 2_000  # read at a time: about 10 ms of the event loop


async def write(conn: asyncpg.Connection, source: str, listings: Sequence[Listing], now: datetime, *, authoritative: bool) -> int:
    """Write listings that are new, and those that changed if this stream is the one to say; how many were written.

    Only a source's list says what a listing is called: where two streams disagree, they would otherwise rename it in turns.
    """
    columns = ([x.source_id for x in listings], [x.symbol for x in listings], [x.name for x in listings], [x.active for x in listings])
    written = await conn.fetch(_SQL["insert_missing_listings"], source, *columns, now)
    if authoritative:
        written += await conn.fetch(_SQL["update_changed_listings"], source, *columns, now)
    return len(written)


async def deactivate_vanished(conn: asyncpg.Connection, source: str, source_ids: Sequence[str]) -> int:
    """Mark the listings that a source's complete list no longer names as inactive; how many there were."""
    return len(await conn.fetch(_SQL["deactivate_vanished_listings"], source, source_ids))


async def contracts(conn: asyncpg.Connection, source: str, platform: str | None) -> set[tuple[str, str, str]]:
    """A source's contracts as (source_id, platform, address), of one platform or of all."""
    return {tuple(row) for row in await conn.fetch(_SQL["select_contracts"], source, platform)}


async def write_contracts(conn: asyncpg.Connection, source: str, rows: Sequence[ListingContract]) -> None:
    """Insert contracts that are not there yet."""
    await conn.execute(_SQL["insert_contracts"], source, *_contract_columns(rows))


async def delete_contracts(conn: asyncpg.Connection, source: str, rows: Sequence[ListingContract]) -> None:
    """Delete contracts that the source no longer gives."""
    await conn.execute(_SQL["delete_contracts"], source, *_contract_columns(rows))


def _contract_columns(rows: Sequence[ListingContract]) -> tuple[list[str], list[str], list[str]]:
    return [x.source_id for x in rows], [x.platform for x in rows], [x.address for x in rows]


async def any_unjudged(conn: asyncpg.Connection) -> bool:
    """Whether some listing is not judged to be any coin."""
    found: bool = await conn.fetchval(_SQL["any_unjudged"])
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


def _evidence_row(row: asyncpg.Record, settled_sources: frozenset[str], quoted_sources: frozenset[str]) -> EvidenceRow:
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
    )
