"""Takes over what sources tell of the past: beside the runs, since nothing of it is a newest price.

Each listing is a transaction of its own with its points, its calls and its checkpoint. The checkpoints are of a stream that no run
asks for; they say which listings need not be asked for again.
"""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime

import asyncpg

from kasparro.clock import month_of
from kasparro.errors import AbortError, RetryError, SkipError
from kasparro.ingest.budget import budget_of, calls_left, resets_at
from kasparro.ingest.part import Tools
from kasparro.ingest.spending import Spending
from kasparro.records import Checkpoint, Record
from kasparro.settings import Settings
from kasparro.sources import past
from kasparro.sources.base import Source
from kasparro.sources.past import PastSource, Points
from kasparro.store import checkpoints, listings, quotes
from kasparro.store import past as past_table
from kasparro.store.kept import first_kept

_FAILURES_MAX = 3  # listings in a row, after which the source is left alone


class Imported(Record, frozen=True, kw_only=True):
    """What became of one listing's past."""

    source: str
    source_id: str
    points: int = 0
    quotes: int = 0  # that were new
    days: int = 0  # daily candles that were written
    rejected: Mapping[str, int] = {}
    error: str | None = None  # nothing was written, and why


async def take(
    conn: asyncpg.Connection, listing_id: int, found: Points, *, settings: Settings, fetched_at: datetime, now: datetime
) -> tuple[int, int]:
    """Write points of a listing in the caller's transaction: (quotes that were new, daily candles that were written).

    Points of days of which raw quotes are kept become quotes, older ones daily candles.
    """
    first = first_kept(now, settings.quote_days)
    kept = [p for p in found.points if p.observed_at >= first]
    older = [p for p in found.points if p.observed_at < first]
    await quotes.make_partitions(conn, {p.observed_at.date() for p in kept})
    quotes_written = await past_table.write_quotes(conn, listing_id, kept, fetched_at=fetched_at, now=now)
    return quotes_written, await past_table.write_days(conn, listing_id, older)


async def take_body(tools: Tools, source: str, source_id: str, body: bytes) -> Imported:
    """Take over a payload that somebody has kept. Raises SkipError where it is none, or where no such listing is known."""
    now = tools.clock.now()
    found = past.parse(past.PAST[source], body, now)
    async with tools.database.write() as conn:
        listing_id = await listings.find(conn, source, source_id)
        if listing_id is None:
            message = f"{source} has no listing {source_id!r} here; is the id right, and was there a run (kasparro run-etl)?"
            raise SkipError(message, code="unknown_listing")
        written = await take(conn, listing_id, found, settings=tools.settings, fetched_at=now, now=now)
    return _imported(source, source_id, found, written)


async def backfill(tools: Tools, source: Source, days: int, top: int, *, again: bool) -> AsyncIterator[Imported]:
    """Ask for so many days of the listings that are traded most, one after the other, as far as the month's calls reach.

    A listing that was asked for that many days once is left out, unless `again`. Raises AbortError where the source cannot be asked
    any more now: what was done stays, and the next call goes on.
    """
    of_past, name = past.PAST[source.name], source.name
    async with tools.database.read(snapshot=True, timeout_seconds=tools.settings.command_timeout_seconds) as conn:
        known = {c.part for c in await checkpoints.select(conn) if c.stream == of_past.stream}
        used = await checkpoints.select_calls(conn, name, month_of(tools.clock.now()))
        wanted: list[str] = []
        async for some in listings.traded(conn, name):
            wanted += [listing.source_id for listing in some]
            if len(wanted) >= top:
                break
    spending = Spending(budget_of(tools.settings.sources[name], used))
    failures = 0
    for place, source_id in enumerate(wanted[:top]):
        part = f"{source_id} {days}d"
        if part in known and not again:
            continue
        _check_budget(name, spending, tools.clock.now())
        checkpoint = Checkpoint(stream=of_past.stream, part=part, ordinal=place, sweep=1)
        try:
            yield await _ask(tools, source, of_past, spending, checkpoint, source_id, days)
            failures = 0
        except (SkipError, RetryError) as error:
            failures += 1
            yield Imported(source=name, source_id=source_id, error=str(error))
            if failures == _FAILURES_MAX:
                message = f"{name}: {failures} listings in a row failed; what was done stays, and the same command goes on"
                raise AbortError(message) from error
        finally:
            await _book(tools, name, spending)


def _check_budget(source: str, spending: Spending, now: datetime) -> None:
    left = calls_left(spending.budget, scheduled=False)
    if left is not None and spending.paid >= left:
        message = (
            f"{source}: this month's {spending.budget.calls_per_month:,} calls are spent. What was done stays; the same command goes on "
            f"from {resets_at(now):%Y-%m-%d}"
        )
        raise AbortError(message, code="limit_reached")


async def _ask(
    tools: Tools, source: Source, of_past: PastSource, spending: Spending, checkpoint: Checkpoint, source_id: str, days: int
) -> Imported:
    request = of_past.request(source_id, days, tools.clock.now())
    fetched = await tools.fetchers.fetch(source, tools.settings.sources[source.name], request, on_call=spending.count, insist=True)
    found = past.parse(of_past, fetched.body, fetched.fetched_at)
    now, calls = tools.clock.now(), spending.unbooked
    done = Checkpoint(
        stream=checkpoint.stream,
        part=checkpoint.part,
        ordinal=checkpoint.ordinal,
        sweep=1,
        committed_at=now,
        rows=len(found.points),
        digest=fetched.digest,
        peak_rows=len(found.points),
    )
    async with tools.database.write() as conn:
        listing_id = await listings.find(conn, source.name, source_id)
        if listing_id is None:
            message = f"{source.name} has no listing {source_id!r} any more"
            raise SkipError(message, code="unknown_listing")
        written = await take(conn, listing_id, found, settings=tools.settings, fetched_at=fetched.fetched_at, now=now)
        await checkpoints.add_calls(conn, source.name, month_of(now), calls)
        await checkpoints.commit(conn, done, (), ())
    spending.booked(calls)
    return _imported(source.name, source_id, found, written)


async def _book(tools: Tools, source: str, spending: Spending) -> None:
    """Count the calls that brought nothing."""
    if calls := spending.unbooked:
        async with tools.database.write() as conn:
            await checkpoints.add_calls(conn, source, month_of(tools.clock.now()), calls)
        spending.booked(calls)


def _imported(source: str, source_id: str, found: Points, written: tuple[int, int]) -> Imported:
    return Imported(
        source=source, source_id=source_id, points=len(found.points), quotes=written[0], days=written[1], rejected=found.rejected
    )
