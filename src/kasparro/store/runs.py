"""The `runs` and `run_sources` tables: one run at a time, held by a lease."""

import os
import socket
from datetime import datetime
from pathlib import Path

import asyncpg

from kasparro.errors import RunLostError, RunOpenError
from kasparro.records import Record, RunStatus, SourceSummary, Trigger
from kasparro.store import queries

_SQL = queries.load("runs")


class Owner(Record, frozen=True, kw_only=True):
    """A process, named such that another one on the same host can tell whether it still lives."""

    host: str  # what a pid is valid within: host name, boot, pid namespace
    process: str  # "pid:start time", since pids are used again


def this_process() -> Owner:
    """The owner that runs of this process carry."""
    return Owner(host=_host(), process=_process(os.getpid()))


def _host() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id")
    namespace = Path("/proc/self/ns/pid")
    boot_id = boot.read_text().strip() if boot.exists() else ""
    return f"{socket.gethostname()}/{boot_id}/{namespace.readlink() if namespace.exists() else ''}"


def _process(pid: int) -> str:
    """The pid with its start time in clock ticks, or "" where no such process lives."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    # The second field, the command in parentheses, may hold blanks: count fields from its end. Z: dead, not yet reaped.
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else f"{pid}:{fields[19]}"


async def open_run(conn: asyncpg.Connection, trigger: Trigger, owner: Owner, now: datetime, lease_seconds: float) -> tuple[int, list[int]]:
    """Open a run in the caller's transaction, closing dead ones first: (its id, the ids closed as abandoned).

    Raises RunOpenError where another run works.
    """
    dead: list[str] = []
    other = await conn.fetchrow(_SQL["open_run_owner"])
    if other is not None and other["owner_host"] == owner.host:
        pid = other["owner_process"].partition(":")[0]
        if not pid.isdigit() or _process(int(pid)) != other["owner_process"]:
            dead.append(other["owner_process"])
    closed = [row["run_id"] for row in await conn.fetch(_SQL["close_dead_runs"], owner.host, dead, now)]
    try:
        run_id: int = await conn.fetchval(_SQL["open_run"], trigger, owner.host, owner.process, now, float(lease_seconds))
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name != "runs_one_open":
            raise
        raise RunOpenError(other["run_id"] if other is not None else 0) from None
    return run_id, closed


async def renew_lease(conn: asyncpg.Connection, run_id: int, lease_seconds: float) -> None:
    """Keep a run ours. Raises RunLostError where another process has closed it: the caller's transaction must not commit."""
    if await conn.fetchval(_SQL["renew_lease"], run_id, float(lease_seconds)) is None:
        message = f"run {run_id} was taken over by another process: its lease had passed; nothing more is written under it"
        raise RunLostError(message)


async def close_run(
    conn: asyncpg.Connection, run_id: int, status: RunStatus, finished_at: datetime, sources: tuple[SourceSummary, ...]
) -> None:
    """End a run with what its sources did. Raises RunLostError where it is no longer ours."""
    for s in sources:
        await conn.execute(
            _SQL["insert_run_source"],
            run_id,
            s.source,
            s.outcome,
            s.error,
            s.calls,
            s.parts,
            s.rows_received,
            s.rows_written,
            s.rows_revised,
            s.rows_rejected,
            s.duration_seconds,
        )
    if await conn.fetchval(_SQL["close_run"], run_id, status, finished_at) is None:
        message = f"run {run_id} was closed by another process"
        raise RunLostError(message)


async def seconds_since_last_run(conn: asyncpg.Connection) -> float | None:
    """Seconds since the last run was opened by any process; None where there was none."""
    value: float | None = await conn.fetchval(_SQL["seconds_since_last_run"])
    return value


async def database_clock(conn: asyncpg.Connection) -> datetime:
    """The database's clock, by which leases run."""
    value: datetime = await conn.fetchval(_SQL["select_clock"])
    return value
