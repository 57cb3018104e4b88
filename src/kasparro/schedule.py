"""Starts runs: on the schedule, at start, and when asked to. One run at a time in this process and over all processes."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

import asyncpg
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from kasparro import logs
from kasparro.clock import Clock
from kasparro.errors import DatabaseError, KasparroError, RunLostError, RunOpenError
from kasparro.ingest.run import Ingest
from kasparro.records import RunSummary, Trigger
from kasparro.settings import Settings
from kasparro.store import runs

log = logs.get()

_JOB = "refresh"
# A timer may fire this share of the interval before a run is due: not worth another wait.
_EARLY_SHARE = 0.01
# A clock that was set back by more than this is noticed within this time.
_LOOK_SECONDS = 5.0
_STEP_SECONDS = 1.0


# What a database that is away, starting or overloaded raises.
_TROUBLE = (KasparroError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)


class RunHandle:
    """A run that was begun: its id, and its summary once it ends."""

    def __init__(self, run_id: int, done: "asyncio.Task[RunSummary]") -> None:
        self.run_id = run_id
        self.done = done


class Runner:
    """Begins runs and keeps hold of the one at work, so that it can be ended in order."""

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest
        self._task: asyncio.Task[RunSummary] | None = None

    async def begin(self, trigger: Trigger, *, sources: Sequence[str] | None = None, full: bool = False) -> RunHandle:
        """Open a run and let it work. Raises RunOpenError where one is at work, here or in another process."""
        run_id = await self._ingest.open(trigger)
        task = asyncio.create_task(self._ingest.work(run_id, trigger, sources=sources, full=full), name=f"run-{run_id}")
        task.add_done_callback(_report)
        self._task = task
        return RunHandle(run_id, task)

    async def stop(self, seconds: float) -> None:
        """Interrupt the run at work; it rolls back the part that it is in and says so in its row."""
        task = self._task
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=seconds)


class Schedule:
    """One APScheduler job that fires the refresh, and the run at start.

    A run is due an interval after any process began the last one that asked a source, by the database's clock: as many calls are made
    by three processes as by one.
    """

    def __init__(self, ingest: Ingest, runner: Runner, settings: Settings, clock: Clock) -> None:
        self._ingest, self._runner, self._settings, self._clock = ingest, runner, settings, clock
        self._scheduler = AsyncIOScheduler(timezone="UTC")
        self._beside: list[asyncio.Task[None]] = []

    def start(self, ready: asyncio.Event) -> None:
        """Begin the run at start beside the caller, once `ready` is set, and the schedule unless it is turned off."""
        seconds = self._settings.refresh_seconds
        self._beside.append(asyncio.create_task(self._run_at_start(ready), name="run-at-start"))
        if seconds:
            self._beside.append(asyncio.create_task(self._mind_the_clock(), name="mind-the-clock"))
            self._scheduler.add_job(
                self._fire,
                # No jitter: processes that come at once cost a query each, and early ones would make runs more frequent.
                IntervalTrigger(seconds=seconds, timezone="UTC"),
                id=_JOB,
                max_instances=1,
                coalesce=True,
                # Without it a loop that is busy for a second lets a run fall out silently.
                misfire_grace_time=None,
                next_run_time=self._clock.now() + timedelta(seconds=seconds),
            )
        self._scheduler.start()

    async def stop(self) -> None:
        """End the schedule. The run at work is the runner's to stop."""
        for task in self._beside:
            task.cancel()
        self._scheduler.shutdown(wait=False)

    async def _run_at_start(self, ready: asyncio.Event) -> None:
        """Run once; where the last process left a run open on another host, wait until its lease has passed."""
        await ready.wait()
        attempts = 1 + int(self._settings.lease_seconds * 2 / 5)
        for _ in range(attempts):
            if await self._attempt("start"):
                return
            await self._clock.sleep(5)

    async def _fire(self) -> None:
        # Only `stop` cancels it, and APScheduler would log that as a fault.
        with suppress(asyncio.CancelledError):
            await self._run_if_due()

    async def _run_if_due(self) -> None:
        try:
            async with self._ingest.database.read() as conn:
                since = await runs.seconds_since_last_run(conn)
        except _TROUBLE as error:
            log.warning("schedule.skipped", reason=str(error))
            return
        interval = float(self._settings.refresh_seconds)
        # A run that will begin is of before the clock was set back; how long ago that was nobody knows.
        wait = interval - since if since is not None and since >= 0 else 0.0
        if wait > interval * _EARLY_SHARE:
            log.debug("schedule.skipped", reason="another run began within the interval", due_in_seconds=round(wait, 1))
            self._scheduler.modify_job(_JOB, next_run_time=self._clock.now() + timedelta(seconds=wait))
            return
        await self._attempt("schedule")

    async def _mind_the_clock(self) -> None:
        """Move the next fire with a clock that is set back: by itself APScheduler would wait until it has caught up."""
        ahead = self._ahead()
        while True:
            await self._clock.sleep(_LOOK_SECONDS)
            before, ahead = ahead, self._ahead()
            if ahead < before - _STEP_SECONDS:
                log.warning("schedule.clock_set_back", seconds=round(before - ahead, 1))
                job = self._scheduler.get_job(_JOB)
                job.modify(next_run_time=job.next_run_time - timedelta(seconds=before - ahead))

    def _ahead(self) -> float:
        return self._clock.now().timestamp() - self._clock.monotonic()

    async def _attempt(self, trigger: Trigger) -> bool:
        """Begin a run; False where another one is at work or the database is away."""
        try:
            await self._runner.begin(trigger)
        except RunOpenError as error:
            log.debug("schedule.skipped", reason="a run is at work", run_id=error.run_id)
            return False
        except _TROUBLE as error:
            log.warning("schedule.skipped", reason=str(error))
            return False
        return True


def _report(task: "asyncio.Task[RunSummary]") -> None:
    """Say why a run ended without a summary. What it did is in its row."""
    if task.cancelled():
        return
    error = task.exception()
    if isinstance(error, RunLostError | DatabaseError):
        log.error("run.stopped", run=task.get_name(), error=str(error))
    elif error is not None:
        log.error("run.fault", run=task.get_name(), exc_info=error)
