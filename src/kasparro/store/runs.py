"""The `runs` and `run_sources` tables: one run at a time, held by a lease."""

import os
import socket
from collections.abc import Collection
from datetime import datetime
from pathlib import Path

import asyncpg

from kasparro.errors import RunLostError
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


class Opened(Record, frozen=True, kw_only=True):
    """What trying to open a run came to."""

    run_id: int | None  # None: another run works
    other_id: int = 0  # the run that was open before; 0: none
    closed: tuple[int, ...] = ()  # dead runs that were closed as abandoned


async def open_run(conn: asyncpg.Connection, trigger: Trigger, owner: Owner, lease_seconds: float, at_work: Collection[int]) -> Opened:
    """Open a run, unless another one works, and close dead ones first, in the caller's transaction, which is to be committed either way.

    `at_work` are the runs that this process knows to be at work: another one of its own is dead, since it could not be closed.
    """
    other = await conn.fetchrow(_SQL["open_run_owner"])
    dead = [] if other is None or _may_live(other, owner, at_work) else [other["run_id"]]
    closed = await conn.fetch(_SQL["close_dead_runs"], dead)
    await conn.execute(_SQL["shorten_leases"], float(lease_seconds))
    run_id = await conn.fetchval(_SQL["open_run"], trigger, owner.host, owner.process, float(lease_seconds))
    return Opened(run_id=run_id, other_id=0 if other is None else other["run_id"], closed=tuple(row["run_id"] for row in closed))


def _may_live(run: asyncpg.Record, owner: Owner, at_work: Collection[int]) -> bool:
    """Whether the owner of an open run may still work on it, as far as this process can tell."""
    if run["owner_host"] != owner.host:
        return True
    if run["owner_process"] == owner.process:
        return run["run_id"] in at_work
    pid = run["owner_process"].partition(":")[0]
    return bool(pid.isdigit() and _process(int(pid)) == run["owner_process"])


async def renew_lease(conn: asyncpg.Connection, run_id: int, lease_seconds: float) -> None:
    """Keep a run ours. Raises RunLostError where another process has closed it: the caller's transaction must not commit."""
    if await conn.fetchval(_SQL["renew_lease"], run_id, float(lease_seconds)) is None:
        message = f"run {run_id} was taken over by another process: its lease had passed; nothing more is written under it"
        raise RunLostError(message)


async def close_run(
    conn: asyncpg.Connection, run_id: int, status: RunStatus, sources: tuple[SourceSummary, ...], quoted_since: datetime
) -> None:
    """End a run with what its sources did. Raises RunLostError where it is no longer ours.

    Of each source's listings those count as covered that it quoted since `quoted_since`.
    """
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
    await conn.execute(_SQL["count_run_coverage"], run_id, quoted_since)
    if await conn.fetchval(_SQL["close_run"], run_id, status) is None:
        message = f"run {run_id} was closed by another process"
        raise RunLostError(message)


async def seconds_since_last_run(conn: asyncpg.Connection) -> float | None:
    """Seconds since any process opened the last run that asked a source, or is at work; None where there was none.

    Negative after the database's clock was set back.
    """
    value: float | None = await conn.fetchval(_SQL["seconds_since_last_run"])
    return value


async def database_clock(conn: asyncpg.Connection) -> datetime:
    """The database's clock, by which leases run."""
    value: datetime = await conn.fetchval(_SQL["select_clock"])
    return value
