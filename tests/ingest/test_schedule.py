"""When runs begin: at start, an interval after the last one, and never two at once; whatever the clocks say."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import structlog

from kasparro import schedule as schedule_module
from kasparro.clock import SystemClock
from kasparro.errors import RunOpenError
from kasparro.ingest.run import Ingest
from kasparro.schedule import Runner, Schedule
from kasparro.store.pool import Database
from tests.upstream.server import Upstream


class SettableClock(SystemClock):
    """A machine's clock that somebody sets."""

    def __init__(self) -> None:
        self.set_by = timedelta(0)

    def now(self) -> datetime:
        """See Clock."""
        return super().now() + self.set_by


@pytest.fixture
def clock() -> SettableClock:
    """The clock of the schedule."""
    return SettableClock()


@pytest.fixture
async def runner(ingest: Ingest) -> AsyncIterator[Runner]:
    """The runner of the schedule."""
    runner = Runner(ingest)
    yield runner
    await runner.stop(5)


@pytest.fixture
async def schedule(ingest: Ingest, runner: Runner, clock: SettableClock, db: Database) -> AsyncIterator[Schedule]:
    """A schedule of five minutes whose run at start has ended."""
    schedule = Schedule(ingest, runner, ingest.settings, clock)
    ready = asyncio.Event()
    schedule.start(ready)
    await asyncio.sleep(0.1)
    assert await _ended(db) == []
    ready.set()
    while await _ended(db) != ["start"]:
        await asyncio.sleep(0.02)
    yield schedule
    await schedule.stop()


async def _ended(db: Database) -> list[str]:
    async with db.read() as conn:
        return [row["trigger"] for row in await conn.fetch("SELECT trigger FROM runs WHERE NOT open ORDER BY run_id")]


async def _let_pass(db: Database, seconds: float) -> None:
    """Let all runs have begun earlier."""
    async with db.write() as conn:
        await conn.execute("UPDATE runs SET started_at = started_at - make_interval(secs => $1)", seconds)


def _due_in(schedule: Schedule) -> float:
    due: datetime = schedule._scheduler.get_job("refresh").next_run_time
    return (due - datetime.now(UTC)).total_seconds()


async def test_a_trigger_is_put_off_until_an_interval_after_the_last_run(schedule: Schedule, db: Database) -> None:
    """Whichever process it was that ran, by the database's clock; then the next run begins."""
    await _let_pass(db, 200)
    await schedule._fire()
    put_off = _due_in(schedule)
    await _let_pass(db, 100)
    await schedule._fire()
    while await _ended(db) != ["start", "schedule"]:
        await asyncio.sleep(0.02)

    assert 90 < put_off <= 100


async def test_a_run_that_asked_nothing_puts_nothing_off(schedule: Schedule, db: Database) -> None:
    """Otherwise a process that restarts often would hold all others up."""
    await _let_pass(db, 300)
    async with db.write() as conn:
        await conn.execute("""INSERT INTO runs (trigger, status, owner_host, owner_process, started_at, finished_at, lease_until, open)
                              VALUES ('start', 'succeeded', 'elsewhere', '1:1', now(), now(), now(), false)""")

    await schedule._fire()

    while await _ended(db) != ["start", "start", "schedule"]:
        await asyncio.sleep(0.02)


async def test_a_trigger_that_comes_while_a_run_works_is_skipped_and_not_queued(
    schedule: Schedule, runner: Runner, db: Database, upstream: Upstream
) -> None:
    """It is said at debug, and when the run has ended none follows at once."""
    upstream.strike("slow", "/tickers", seconds=1, times=1)
    handle = await runner.begin("admin")
    await _let_pass(db, 400)

    with structlog.testing.capture_logs() as lines:
        await schedule._fire()
    await handle.done
    await asyncio.sleep(0.3)

    skipped = [line for line in lines if line["event"] == "schedule.skipped"]
    assert [(line["log_level"], line["reason"], line["run_id"]) for line in skipped] == [("debug", "a run is at work", handle.run_id)]
    assert await _ended(db) == ["start", "admin"]


@pytest.mark.parametrize("hours", [-24, 1, 24])
async def test_the_database_clock_that_was_set_stalls_nothing(schedule: Schedule, db: Database, hours: int) -> None:
    """Runs that will begin, or that began a day ago, are no reason to wait."""
    await _let_pass(db, hours * 3600)

    await schedule._fire()

    while await _ended(db) != ["start", "schedule"]:
        await asyncio.sleep(0.02)


async def test_a_clock_set_back_moves_the_next_run_along(schedule: Schedule, clock: SettableClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next fire would else wait until the clock has caught up. A clock set forward fires at once by itself."""
    monkeypatch.setattr(schedule_module, "_LOOK_SECONDS", 0.05)
    for task in schedule._beside:
        task.cancel()
    watching = asyncio.create_task(schedule._mind_the_clock())
    await asyncio.sleep(0.1)
    schedule._scheduler.pause()  # its clock is the machine's, which cannot be set here
    before = _due_in(schedule)

    clock.set_by = timedelta(hours=-1)
    await asyncio.sleep(0.3)

    watching.cancel()
    assert before - 3602 < _due_in(schedule) < before - 3599


async def test_a_lease_of_before_the_clock_was_set_back_passes_as_one_of_now(ingest: Ingest, db: Database) -> None:
    """A run of a host that is gone, whose lease ends in an hour by a clock that was set back, holds others up for a lease and no longer."""
    await ingest.open("command")
    async with db.write() as conn:
        await conn.execute("UPDATE runs SET owner_host = 'elsewhere', lease_until = now() + interval '1 hour'")

    with pytest.raises(RunOpenError):
        await ingest.open("command")

    async with db.write() as conn:
        left = await conn.fetchval("SELECT extract(epoch FROM lease_until - clock_timestamp())::float8 FROM runs")
        assert 0 < left <= ingest.settings.lease_seconds
        await conn.execute("UPDATE runs SET lease_until = now() - interval '1 second'")
    assert await ingest.open("command")


async def test_a_run_that_could_not_be_closed_holds_its_own_process_up_no_longer(ingest: Ingest, db: Database) -> None:
    """The database was away when it ended: its row is still open, and the next run closes it as abandoned."""
    run_id = await ingest.open("schedule")
    async with db.write() as conn:
        await conn.execute("ALTER TABLE run_sources RENAME TO gone")
    summary = ingest.work(run_id, "schedule")
    try:
        await summary
    finally:
        async with db.write() as conn:
            await conn.execute("ALTER TABLE gone RENAME TO run_sources")
            assert await conn.fetchval("SELECT open FROM runs WHERE run_id = $1", run_id)

    assert await ingest.open("schedule") != run_id

    async with db.read() as conn:
        assert await conn.fetchval("SELECT status FROM runs WHERE run_id = $1", run_id) == "abandoned"
