"""What the metrics tell of the database. Reads only."""

from collections.abc import Sequence
from datetime import date, datetime

import asyncpg

from kasparro.records import Checkpoint, Outcome, Record, RunStatus, Trigger
from kasparro.store import checkpoints, queries, run_history
from kasparro.store.run_history import ListingCounts, RejectReason, StreamCoverage

_SQL = queries.load("figures")
_REASONS_MAX = 100  # of rejects, over all streams


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


class Figures(Record, frozen=True, kw_only=True):
    """All figures, of one snapshot."""

    read_at: datetime
    runs: list[RunCount]
    sums: list[SourceSum]
    calls: dict[str, int]  # of all time, by source
    calls_of_month: dict[str, int]
    known: list[Checkpoint]
    coverage: list[StreamCoverage]
    listings: list[ListingCounts]
    rejects: list[RejectReason]  # since the given time
    drift: list[DriftCount]  # since the given time
    unsure: int
    database_bytes: int


async def read(conn: asyncpg.Connection, now: datetime, *, since: datetime, month: date, durations: Sequence[float]) -> Figures:
    """All figures. `durations` are rising, in seconds."""
    return Figures(
        read_at=now,
        runs=[RunCount(**dict(row)) for row in await conn.fetch(_SQL["count_runs"])],
        sums=[SourceSum(**dict(row)) for row in await conn.fetch(_SQL["sum_run_sources"], list(durations))],
        calls={row["source"]: row["calls"] for row in await conn.fetch(_SQL["sum_calls"])},
        calls_of_month=await run_history.read_calls(conn, month),
        known=await checkpoints.select(conn),
        coverage=await run_history.read_coverage(conn),
        listings=await run_history.read_listing_counts(conn),
        rejects=await run_history.read_reject_reasons(conn, since, _REASONS_MAX),
        drift=[DriftCount(**dict(row)) for row in await conn.fetch(_SQL["count_drift"], since)],
        unsure=await conn.fetchval(_SQL["count_unsure"]),
        database_bytes=await conn.fetchval(_SQL["select_database_bytes"]),
    )
