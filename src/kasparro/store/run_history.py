"""Runs and what they left behind, as the API shows it. Reads only."""

from datetime import date, datetime
from typing import Any

import asyncpg

from kasparro.records import Outcome, Record, RunStatus, RunSummary, SourceSummary, Trigger
from kasparro.store import queries

_SQL = queries.load("run_history")

RUN_ID_MAX = 2**31 - 1


class RunHead(Record, frozen=True, kw_only=True):
    """A run without what its sources did."""

    run_id: int
    trigger: Trigger
    status: RunStatus
    started_at: datetime
    finished_at: datetime | None


class SourceStanding(Record, frozen=True, kw_only=True):
    """How a source has fared lately. Times are when the run in question ended."""

    source: str
    outcome: Outcome | None = None  # None: no run with this source has ended yet
    last_run_id: int | None = None
    last_success_at: datetime | None = None
    last_idle_at: datetime | None = None  # nothing was due
    last_error: str | None = None
    last_error_at: datetime | None = None
    troubled_since: datetime | None = None  # the first run after the last success in which it did not succeed


class Standing(Record, frozen=True, kw_only=True):
    """The newest run and how every source has fared."""

    last_run: RunHead | None
    first_run_started_at: datetime | None
    sources: tuple[SourceStanding, ...]


class SourceTotals(Record, frozen=True, kw_only=True):
    """What all runs of a span did with one source."""

    source: str
    runs: int
    calls: int
    rows_received: int
    rows_written: int
    rows_revised: int
    rows_rejected: int
    duration_seconds: float


class StreamCoverage(Record, frozen=True, kw_only=True):
    """How much of a stream is in the database, and how old it is."""

    stream: str
    parts: int
    parts_committed: int
    rows: int
    oldest_commit_at: datetime | None
    newest_commit_at: datetime | None


class ListingCounts(Record, frozen=True, kw_only=True):
    """What a source's listings amount to."""

    source: str
    listings: int
    active: int
    quoted: int
    oldest_observed_at: datetime | None
    newest_observed_at: datetime | None


class RejectReason(Record, frozen=True, kw_only=True):
    """How many rows of a stream were rejected for one reason."""

    stream: str
    reason: str
    rows: int


class StreamProgress(Record, frozen=True, kw_only=True):
    """What has come in of a stream."""

    stream: str
    parts: int
    rows: int


class RejectExample(Record, frozen=True, kw_only=True):
    """A row that could not be used."""

    stream: str
    part: str
    source_id: str | None
    reason: str
    row_text: str  # as it came, cut to 2,000 bytes
    recorded_at: datetime
    run_id: int


class RunFact(Record, frozen=True, kw_only=True):
    """One source in one run that has ended, as it is compared with others."""

    run_id: int
    finished_at: datetime
    source: str
    calls: int
    duration_seconds: float
    coverage: float | None  # the share of its active listings that it had quoted within a day; None: not counted


async def read_runs(conn: asyncpg.Connection, limit: int, up_to: int = RUN_ID_MAX) -> list[RunSummary]:
    """The newest runs up to one, newest first."""
    return await _with_sources(conn, await conn.fetch(_SQL["select_runs"], up_to, limit))


async def read_run(conn: asyncpg.Connection, run_id: int) -> RunSummary | None:
    """One run, or None."""
    found = await _with_sources(conn, await conn.fetch(_SQL["select_run"], run_id))
    return found[0] if found else None


async def _with_sources(conn: asyncpg.Connection, runs: list[asyncpg.Record]) -> list[RunSummary]:
    sources: dict[int, list[SourceSummary]] = {}
    for row in await conn.fetch(_SQL["select_run_sources"], [run["run_id"] for run in runs]):
        values = dict(row)
        sources.setdefault(values.pop("run_id"), []).append(SourceSummary(**values))
    return [RunSummary(**dict(run), sources=tuple(sources.get(run["run_id"], ()))) for run in runs]


async def read_standing(conn: asyncpg.Connection, sources: list[str]) -> Standing:
    """How the given sources have fared, in their names' order."""
    runs = await conn.fetch(_SQL["select_runs"], RUN_ID_MAX, 1)
    rows = await conn.fetch(_SQL["select_standing"], sources)
    return Standing(
        last_run=RunHead(**dict(runs[0])) if runs else None,
        first_run_started_at=await conn.fetchval(_SQL["select_first_run_started"]),
        sources=tuple(SourceStanding(**dict(row)) for row in rows),
    )


async def read_source_totals(conn: asyncpg.Connection, since: datetime) -> list[SourceTotals]:
    """What the runs that ended since a time did, per source."""
    return [SourceTotals(**dict(row)) for row in await conn.fetch(_SQL["select_source_totals"], since)]


async def read_calls(conn: asyncpg.Connection, month: date) -> dict[str, int]:
    """Calls that every source has spent since a month's first day."""
    rows: list[Any] = await conn.fetch(_SQL["select_calls_since"], month)
    return {row["source"]: row["calls"] for row in rows}


async def read_coverage(conn: asyncpg.Connection) -> list[StreamCoverage]:
    """Every stream of which a part is known."""
    return [StreamCoverage(**dict(row)) for row in await conn.fetch(_SQL["select_stream_coverage"])]


async def read_listing_counts(conn: asyncpg.Connection) -> list[ListingCounts]:
    """Every source that has a listing."""
    return [ListingCounts(**dict(row)) for row in await conn.fetch(_SQL["select_listing_counts"])]


async def read_reject_reasons(conn: asyncpg.Connection, since: datetime, limit: int) -> list[RejectReason]:
    """The most frequent reasons for which rows were rejected since a time."""
    return [RejectReason(**dict(row)) for row in await conn.fetch(_SQL["select_reject_reasons"], since, limit)]


async def read_reject_examples(conn: asyncpg.Connection, since: datetime, limit: int, of_each: int) -> list[RejectExample]:
    """The newest rejects of each stream and reason, looked for among the `limit` newest since a time, newest first."""
    return [RejectExample(**dict(row)) for row in await conn.fetch(_SQL["select_reject_examples"], since, limit, of_each)]


async def read_progress(conn: asyncpg.Connection, since: datetime) -> list[StreamProgress]:
    """What was committed since a time, by stream."""
    return [StreamProgress(**dict(row)) for row in await conn.fetch(_SQL["select_progress"], since)]


async def read_ended(conn: asyncpg.Connection, up_to: int, limit: int) -> list[int]:
    """The ids of the newest runs that have ended, newest first."""
    return [row["run_id"] for row in await conn.fetch(_SQL["select_ended_runs"], up_to, limit)]


async def read_following(conn: asyncpg.Connection, run_id: int) -> int | None:
    """The id of the run after another one, or None."""
    following: int | None = await conn.fetchval(_SQL["select_following_run"], run_id)
    return following


async def read_facts(conn: asyncpg.Connection, since: datetime, up_to: int, before: int, limit: int) -> list[RunFact]:
    """The runs that ended since a time (`limit` at most, the newest), and `before` of those before them, oldest first."""
    return [RunFact(**dict(row)) for row in await conn.fetch(_SQL["select_run_facts"], since, up_to, before, limit)]


async def read_run_coverage(conn: asyncpg.Connection, run_ids: list[int]) -> dict[tuple[int, str], float | None]:
    """How much of each source was covered when runs ended, 0 to 1, by run and source."""
    return {(row["run_id"], row["source"]): row["coverage"] for row in await conn.fetch(_SQL["select_run_coverage"], run_ids)}
