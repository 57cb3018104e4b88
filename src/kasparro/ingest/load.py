"""Commits one part: its rows and its checkpoint, in one transaction, the checkpoint last."""

import asyncio
from collections.abc import Collection, Sequence
from datetime import UTC, datetime

import asyncpg
import msgspec

from kasparro.clock import Clock, month_of
from kasparro.ingest.plan import Due
from kasparro.records import Checkpoint, ListingContract, Page, PartResult, Record
from kasparro.settings import Settings
from kasparro.sources.base import Stream
from kasparro.store import checkpoints, listings, quotes, raw_pages, runs
from kasparro.store.kept import first_kept
from kasparro.store.queries import batches


class Fetch(Record, frozen=True, kw_only=True):
    """A body as it was fetched for a part."""

    source: str
    body: bytes
    digest: bytes
    fetched_at: datetime
    calls: int  # to be counted against the month with it: what fetching it cost, and calls before it that brought nothing


class Written(Record, frozen=True, kw_only=True):
    """What writing a page did, and what has to be looked at again because of it."""

    result: PartResult
    quoted: tuple[int, ...] = ()  # listings with another newest quote
    redescribed: tuple[int, ...] = ()  # listings that are new or called otherwise, come or gone, or that have other contracts
    first: tuple[int, ...] = ()  # listings with their first quote

    @property
    def news(self) -> tuple[int, ...]:
        """Listings of which something changed that they are judged by."""
        return (*self.redescribed, *self.first)


class Committed(Written, frozen=True, kw_only=True):
    """What committing a part did."""

    checkpoint: Checkpoint


async def commit_unchanged(
    conn: asyncpg.Connection, due: Due, fetch: Fetch, *, run_id: int, settings: Settings, now: datetime
) -> Committed:
    """Commit a part whose body is the one last committed: nothing but the checkpoint is written."""
    old = due.checkpoint
    checkpoint = msgspec.structs.replace(old, sweep=due.sweep, committed_at=now)
    await _finish(conn, checkpoint, (), (), fetch, run_id=run_id, settings=settings, now=now)
    return Committed(result=PartResult(rows_received=old.rows), checkpoint=checkpoint)


async def commit_page(
    conn: asyncpg.Connection,
    due: Due,
    fetch: Fetch,
    page: Page,
    *,
    known: Sequence[Checkpoint],
    gone: Sequence[str],
    run_id: int,
    settings: Settings,
    clock: Clock,
) -> Committed:
    """Commit a parsed part in the caller's transaction. Raises RunLostError, and then nothing may be committed."""
    now, stream, rows_max = clock.now(), due.stream, settings.statement_rows_max
    rows = await _write_rows(
        conn, stream, due.checkpoint.part, fetch, page, run_id=run_id, settings=settings, now=now, known=frozenset(due.checkpoint.ids)
    )
    is_new = fetch.digest != due.checkpoint.digest
    rates = page.rates if is_new else []  # dated by us: the same answer again says nothing new
    rates_written = await quotes.write_rates(conn, fetch.source, rates, fetch.fetched_at) if rates else 0
    for some_rejects in batches(page.rejects, rows_max):
        await raw_pages.write_rejects(conn, some_rejects, run_id=run_id, stream=stream.name, part=due.checkpoint.part, now=now)
    if is_new and settings.raw_days and settings.raw_megabytes:
        await raw_pages.write(
            conn,
            run_id=run_id,
            stream=stream.name,
            part=due.checkpoint.part,
            fetched_at=fetch.fetched_at,
            sha256=fetch.digest,
            size=len(fetch.body),
            body=await asyncio.to_thread(raw_pages.compressed, fetch.body),
        )
    checkpoint = msgspec.structs.replace(
        due.checkpoint,
        sweep=due.sweep,
        committed_at=now,
        rows=page.rows_received,
        peak_rows=page.rows_received,
        digest=fetch.digest,
        absent=absent_after(due.checkpoint, page),
    )
    await _finish(conn, checkpoint, known, gone, fetch, run_id=run_id, settings=settings, now=now)
    return Committed(
        result=rows.result(page, rates_written),
        checkpoint=checkpoint,
        quoted=rows.quotes.listing_ids,
        redescribed=rows.redescribed(),
        first=rows.quotes.first_ids,
    )


async def replay_page(
    conn: asyncpg.Connection,
    stream: Stream,
    stored: raw_pages.StoredPage,
    fetch: Fetch,
    page: Page,
    *,
    is_present: bool,
    run_id: int,
    settings: Settings,
    now: datetime,
) -> Written:
    """Write a page that was kept, as if it had been parsed so when it came. No checkpoint moves, and no call is counted.

    `is_present`: its part was last committed with this very body. Raises RunLostError, and then nothing may be committed.
    """
    rows = await _write_rows(
        conn, stream, stored.part, fetch, page, run_id=run_id, settings=settings, now=now, is_replayed=True, is_present=is_present
    )
    rates_written = await quotes.write_rates(conn, fetch.source, page.rates, fetch.fetched_at) if page.rates else 0
    await raw_pages.replace_rejects(conn, stored, page.rejects, settings.statement_rows_max)
    await runs.renew_lease(conn, run_id, settings.lease_seconds)
    return Written(
        result=rows.result(page, rates_written),
        quoted=rows.quotes.listing_ids,
        redescribed=rows.redescribed(),
        first=rows.quotes.first_ids,
    )


class _Rows(Record, frozen=True, kw_only=True):
    """What writing the rows of a page did."""

    listings: list[int]
    contracts: int
    contracts_of: list[int]
    quotes: quotes.QuotesWritten

    def redescribed(self) -> tuple[int, ...]:
        """The listings that are new or called otherwise, come or gone, or that have other contracts."""
        return (*self.listings, *self.contracts_of)

    def result(self, page: Page, rates_written: int) -> PartResult:
        """As it is counted."""
        return PartResult(
            rows_received=page.rows_received,
            rows_rejected=len(page.rejects),
            listings_written=len(self.listings),
            quotes_written=self.quotes.inserted,
            quotes_revised=self.quotes.revised,
            other_written=self.contracts + rates_written,
        )


async def _write_rows(
    conn: asyncpg.Connection,
    stream: Stream,
    part: str,
    fetch: Fetch,
    page: Page,
    *,
    run_id: int,
    settings: Settings,
    now: datetime,
    is_replayed: bool = False,
    is_present: bool = True,
    known: Collection[str] = frozenset(),
) -> _Rows:
    """Write listings, contracts and quotes.

    Only a page that is the present answer says what a listing is called, which listings have vanished, and which contracts there are;
    an older one adds listings that are missing. `known`: source ids of listings that are in the database.
    """
    rows_max, seen_at = settings.statement_rows_max, fetch.fetched_at if is_replayed else now
    written: list[int] = []
    told = page.listings if stream.identity or not known else [x for x in page.listings if x.source_id not in known]
    for some in batches(told, rows_max):
        written += await listings.write(conn, fetch.source, some, seen_at, run_id=run_id, authoritative=stream.identity and is_present)
    # A row that could not be used is not a listing that vanished, nor a contract that was withdrawn; nor is one without an id anybody's.
    unread = {reject.source_id for reject in page.rejects}
    if stream.complete and is_present and None not in unread:
        named = [x.source_id for x in page.listings] + [source_id for source_id in unread if source_id is not None]
        written += await listings.deactivate_vanished(conn, fetch.source, named, run_id=run_id)
    contracts_written, contracts_of = 0, list[int]()
    if stream.contracts != "none" and is_present:
        before = await listings.contracts(conn, fetch.source, part if stream.contracts == "of_part" else None)
        if stream.contracts == "of_listings":
            named_here = {x.source_id for x in page.listings}
            before = {x for x in before if x[0] in named_here}
        contracts_written, contracts_of = await _replace_contracts(
            conn, fetch.source, before, page.contracts, unread, rows_max, run_id=run_id
        )
    quoted = await _write_quotes(conn, fetch, page, run_id=run_id, settings=settings, now=now, is_replayed=is_replayed)
    return _Rows(listings=written, contracts=contracts_written, contracts_of=contracts_of, quotes=quoted)


def absent_after(part: Checkpoint, page: Page) -> tuple[str, ...]:
    """The listings of a batch for which an answer had no price."""
    priced = {q.source_id for q in page.quotes}
    return tuple(source_id for source_id in part.ids if source_id not in priced)


async def _write_quotes(
    conn: asyncpg.Connection, fetch: Fetch, page: Page, *, run_id: int, settings: Settings, now: datetime, is_replayed: bool
) -> quotes.QuotesWritten:
    kept_from = first_kept(now, settings.quote_days)
    days = {q.observed_at.astimezone(UTC).date() for q in page.quotes if q.observed_at >= kept_from}
    await quotes.make_partitions(conn, days)
    inserted = revised = 0
    listing_ids, first_ids = list[int](), list[int]()
    for some in batches(sorted(page.quotes, key=lambda q: q.source_id), settings.statement_rows_max):
        written = await quotes.write(
            conn,
            fetch.source,
            some,
            run_id=run_id,
            kept_from=kept_from,
            fetched_at=fetch.fetched_at,
            now=now,
            is_replayed=is_replayed,
        )
        inserted += written.inserted
        revised += written.revised
        listing_ids += written.listing_ids
        first_ids += written.first_ids
    return quotes.QuotesWritten(inserted=inserted, revised=revised, listing_ids=tuple(listing_ids), first_ids=tuple(first_ids))


async def _replace_contracts(
    conn: asyncpg.Connection,
    source: str,
    before: Collection[tuple[str, str, str]],
    contracts: Sequence[ListingContract],
    unread: Collection[str | None],
    rows_max: int,
    *,
    run_id: int,
) -> tuple[int, list[int]]:
    """Make contracts of a source that were there `before` those that are given: (how many were added or deleted, of which listings).

    Those of listings whose rows were `unread` stay; all stay where one of these was anybody's (None).
    """
    after, known = {(c.source_id, c.platform, c.address) for c in contracts}, frozenset(before)
    added, deleted = sorted(after - known), [] if None in unread else sorted(x for x in known - after if x[0] not in unread)
    of: list[int] = []
    for some in batches(added, rows_max):
        of += await listings.write_contracts(
            conn, source, [ListingContract(source_id=i, platform=p, address=a) for i, p, a in some], run_id=run_id
        )
    for some in batches(deleted, rows_max):
        of += await listings.delete_contracts(
            conn, source, [ListingContract(source_id=i, platform=p, address=a) for i, p, a in some], run_id=run_id
        )
    return len(added) + len(deleted), of


async def _finish(
    conn: asyncpg.Connection,
    checkpoint: Checkpoint,
    known: Sequence[Checkpoint],
    gone: Sequence[str],
    fetch: Fetch,
    *,
    run_id: int,
    settings: Settings,
    now: datetime,
) -> None:
    """Count the calls, renew the lease late (its row lock is shared with the other source), the checkpoint last."""
    await checkpoints.add_calls(conn, fetch.source, month_of(now), fetch.calls)
    await runs.renew_lease(conn, run_id, settings.lease_seconds)
    await checkpoints.commit(conn, checkpoint, known, gone)
