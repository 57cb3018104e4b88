"""What the metrics tell of the database. Reads only."""

from collections.abc import Sequence
from datetime import date, datetime

import asyncpg
import msgspec

from kasparro.records import Checkpoint, Outcome, Record, RunStatus, Trigger
from kasparro.store import checkpoints, queries, run_history
from kasparro.store.run_history import ListingCounts, RejectReason, StreamCoverage

_SQL = queries.load("figures")
_REASONS_MAX = 100  # of rejects, over all streams
_SUMMED = ("runs", "duration_seconds", "rows_received", "rows_written", "rows_revised", "rows_rejected")


class RunCount(Record, frozen=True, kw_only=True):
    """Runs with one trigger and status."""

    trigger: Trigger
    status: RunStatus
    runs: int
    last_finished_at: datetime


class SourceSum(Record, frozen=True, kw_only=True):
    """What runs did with one source, of those with one outcome that took about as long."""

    source: str
    outcome: Outcome
    bucket: int  # how many of the given durations they reached
    runs: int
    duration_seconds: float
    rows_received: int
    rows_written: int
    rows_revised: int
    rows_rejected: int


class DriftCount(Record, frozen=True, kw_only=True):
    """Findings of drift in a stream, with one verdict."""

    stream: str
    verdict: str
    findings: int


class Counted(Record, frozen=True, kw_only=True):
    """What ended runs come to. Runs end in the order of their ids, since one works at a time: what was counted stays."""

    up_to: int = 0  # the id of the newest run in it
    runs: tuple[RunCount, ...] = ()
    sums: tuple[SourceSum, ...] = ()


class Figures(Record, frozen=True, kw_only=True):
    """All figures, of one snapshot."""

    read_at: datetime
    counted: Counted
    calls: dict[str, int]  # of all time, by source
    calls_of_month: dict[str, int]
    known: list[Checkpoint]
    coverage: list[StreamCoverage]
    listings: list[ListingCounts]
    rejects: list[RejectReason]  # since the given time
    drift: list[DriftCount]  # since the given time
    unsure: int
    database_bytes: int


async def read(
    conn: asyncpg.Connection, now: datetime, *, since: datetime, month: date, durations: Sequence[float], counted: Counted
) -> Figures:
    """All figures. `durations` are rising, in seconds; of the runs only those are read that `counted` does not have yet."""
    return Figures(
        read_at=now,
        counted=await _count(conn, durations, counted),
        calls=await run_history.read_calls(conn, date.min),
        calls_of_month=await run_history.read_calls(conn, month),
        known=await checkpoints.select(conn),
        coverage=await run_history.read_coverage(conn),
        listings=await run_history.read_listing_counts(conn),
        rejects=await run_history.read_reject_reasons(conn, since, _REASONS_MAX),
        drift=[DriftCount(**dict(row)) for row in await conn.fetch(_SQL["count_drift"], since)],
        unsure=await conn.fetchval(_SQL["count_unsure"]),
        database_bytes=await conn.fetchval(_SQL["select_database_bytes"]),
    )


async def _count(conn: asyncpg.Connection, durations: Sequence[float], before: Counted) -> Counted:
    (newest,) = await run_history.read_ended(conn, run_history.RUN_ID_MAX, 1) or [0]
    if newest < before.up_to:  # another database behind the same address
        before = Counted()
    runs = {(one.trigger, one.status): one for one in before.runs}
    for row in await conn.fetch(_SQL["count_runs"], before.up_to, newest):
        more = RunCount(**dict(row))
        known = runs.get((more.trigger, more.status))
        runs[more.trigger, more.status] = more if known is None else msgspec.structs.replace(more, runs=known.runs + more.runs)
    sums = {(one.source, one.outcome, one.bucket): one for one in before.sums}
    for row in await conn.fetch(_SQL["sum_run_sources"], before.up_to, newest, list(durations)):
        added = SourceSum(**dict(row))
        summed = sums.get((added.source, added.outcome, added.bucket))
        if summed is not None:
            added = msgspec.structs.replace(added, **{name: getattr(added, name) + getattr(summed, name) for name in _SUMMED})
        sums[added.source, added.outcome, added.bucket] = added
    return Counted(up_to=newest, runs=tuple(runs.values()), sums=tuple(sums.values()))
