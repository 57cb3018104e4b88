"""What is kept for how long, and how it is rolled up and dropped in runs."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from random import Random

import asyncpg
import pytest

from kasparro.clock import SystemClock
from kasparro.errors import RunLostError
from kasparro.ingest.retention import retain
from kasparro.ingest.run import Ingest, run_once
from kasparro.sources.http import HttpClient
from kasparro.store import partitions, quotes
from kasparro.store.pool import Database
from tests.conftest import Cluster
from tests.ingest.conftest import make_ingest, settings_for
from tests.ingest.scene import scene
from tests.store.test_candles import assert_equal_to_a_recount
from tests.upstream.server import Upstream


def day_before(days: int) -> date:
    """A day of UTC so many days ago."""
    return (SystemClock().now() - timedelta(days=days)).astimezone(UTC).date()


async def days_of(db: Database, table: str) -> list[date]:
    """The days for which a table has a partition."""
    async with db.read() as conn:
        return await partitions.days(conn, table)


async def make_old(db: Database, *ages: int) -> None:
    """Partitions of days so many days ago, those of quotes with a quote in each."""
    async with db.write() as conn:
        days = [day_before(age) for age in ages]
        await quotes.make_partitions(conn, days)
        await partitions.make(conn, ["prices"], days)
        for day in days:
            await conn.execute(
                "INSERT INTO quotes SELECT 90000, 1, $1::date::timestamp AT TIME ZONE 'UTC' + interval '3 hours', 2, NULL, NULL, $2, $2",
                day, datetime.now(UTC),
            )  # fmt: skip


async def test_a_run_makes_partitions_ahead_and_drops_what_is_too_old(ingest: Ingest, db: Database) -> None:
    """Quotes and prices after 30 days, hourly candles after 90, daily candles never; two days are ready before they begin."""
    await make_old(db, 29, 30, 31, 89, 91)
    async with db.write() as conn:
        await conn.execute("INSERT INTO candles_daily SELECT 90000, '2020-01-01Z', 1, 1, 1, 1, 1")

    await run_once(ingest, "command")

    for table, kept in (("quotes", [30, 29]), ("prices", [30, 29]), ("candles_hourly", [89, 31, 30, 29])):
        days = await days_of(db, table)
        assert [day for day in days if day < day_before(2)] == [day_before(n) for n in kept]
        assert days[-3:] == [day_before(-n) for n in range(3)]
    async with db.read() as conn:
        assert await conn.fetchval("SELECT count(*) FROM candles_daily WHERE listing_id = 90000") == 6


async def test_no_day_is_dropped_before_it_was_rolled_up(ingest: Ingest, db: Database) -> None:
    """A day of raw rows without candles, as an earlier version left it, is rolled up by the run that drops it."""
    await make_old(db, 31)
    await run_once(ingest, "command")
    assert day_before(31) not in await days_of(db, "quotes")
    async with db.read() as conn:
        for table in ("candles_hourly", "candles_daily"):
            assert await conn.fetchval(f"SELECT count(*) FROM {table} WHERE listing_id = 90000 AND close = 2") == 1


async def test_candles_equal_a_recount_after_runs_replays_and_kills(ingest: Ingest, db: Database, upstream: Upstream) -> None:
    """Whatever was cancelled in mid-run, written late, or said again."""
    # At this minute what comes late falls into the hour of the first run, however much of the others is cancelled.
    upstream.observed_at = upstream.observed_at.replace(minute=20) - timedelta(hours=4)
    for n in range(4):
        upstream.tick(47)
        task = asyncio.ensure_future(run_once(ingest, "command", full=n == 2))
        if n % 2:
            await asyncio.sleep(0.15 * n)
            task.cancel()
        await asyncio.wait([task])
    upstream.observed_at -= timedelta(hours=2)  # what comes now is late
    await run_once(ingest, "command", full=True)

    async with db.read() as conn:
        origin = await conn.fetchval("SELECT min(observed_at) FROM quotes")
        assert await conn.fetchval("SELECT max(samples) FROM candles_hourly") > 1
    await assert_equal_to_a_recount(db, origin.replace(hour=0, minute=0, second=0, microsecond=0))


async def test_a_clock_that_is_ahead_drops_nothing(db: Database) -> None:
    """A day goes only where the service's clock and the database's agree: nothing would bring it back."""
    async with scene(db) as here:
        await make_old(db, 29, 31)
        here.clock.ahead = timedelta(days=300)
        run_id = await here.ingest.open("command")
        await retain(here.ingest, run_id)
    assert await days_of(db, "quotes") == [day_before(29)]


async def test_a_reader_at_work_is_not_disturbed_and_does_not_hold_up_the_run(ingest: Ingest, db: Database) -> None:
    """While a long transaction reads, its days stay; the run goes on within a moment, others read on, and the next run drops them."""
    await make_old(db, 31, 32)
    run_id = await ingest.open("command")
    loop = asyncio.get_running_loop()
    waits: list[float] = []

    async def read_often() -> None:
        while True:
            began = loop.time()
            async with db.read() as conn:
                await conn.fetchval("SELECT count(*) FROM quotes WHERE listing_id = 90000 AND observed_at > now()")
            waits.append(loop.time() - began)

    async with db.read(snapshot=True) as reader:
        assert await reader.fetchval("SELECT count(*) FROM quotes") == 2
        often = asyncio.ensure_future(read_often())
        began = loop.time()
        await retain(ingest, run_id)
        assert loop.time() - began < 2
        assert await reader.fetchval("SELECT count(*) FROM quotes") == 2
    often.cancel()
    assert waits
    assert max(waits) < 1
    assert await days_of(db, "quotes") == [day_before(32), day_before(31)]

    await retain(ingest, run_id)
    assert await days_of(db, "quotes") == []


async def test_a_run_that_was_taken_over_drops_nothing(ingest: Ingest, db: Database) -> None:
    """Retention is fenced by the lease like all that a run does."""
    await make_old(db, 31)
    run_id = await ingest.open("command")
    async with db.write() as conn:
        await conn.execute("UPDATE runs SET open = false, status = 'abandoned', finished_at = now()")
    with pytest.raises(RunLostError):
        await retain(ingest, run_id)
    assert await days_of(db, "quotes") == [day_before(31)]


@pytest.mark.parametrize("others", [[], [6], [4]])
async def test_two_sources_may_need_the_same_missing_day_at_once(db: Database, others: list[int]) -> None:
    """The second waits for the first and finds what it made, whether or not it makes other days as well."""
    day, further = day_before(5), [day_before(n) for n in others]
    async with db.write() as first:
        await quotes.make_partitions(first, [day])

        async def second() -> None:
            async with db.write() as conn:
                await quotes.make_partitions(conn, [day, *further])

        task = asyncio.ensure_future(second())
        await asyncio.sleep(0.1)
        assert not task.done()
    await task
    assert await days_of(db, "quotes") == await days_of(db, "candles_hourly") == sorted([day, *further])


async def test_a_wait_for_a_lock_is_bounded(db: Database) -> None:
    """Where a reader is at work the partition stays, and dropping it is given up in time."""
    await make_old(db, 31)
    async with db.read() as reader:
        await reader.fetch("SELECT FROM quotes")
        with pytest.raises(asyncpg.LockNotAvailableError):
            async with db.write() as conn:
                await partitions.drop(conn, "quotes", day_before(31), lock_wait_seconds=0.02)


async def test_a_pooler_in_transaction_mode_stands_in_the_way_of_nothing(postgres: Cluster, pooler: str, upstream: Upstream) -> None:
    """A run through it rolls up, drops what is old and leaves no setting behind on a connection that others get."""
    name = await postgres.create()
    settings = settings_for(upstream, KASPARRO_DATABASE_POOLER="transaction")
    database = await Database.open(f"{pooler}/{name}", settings)
    await make_old(database, 29, 31)
    http = HttpClient(settings, SystemClock(), Random(1))
    await run_once(make_ingest(database, settings, http), "command")
    assert (await days_of(database, "quotes"))[0] == day_before(29)
    async with database.write() as conn:
        assert await conn.fetchval("SHOW lock_timeout") == "0"
        assert await conn.fetchval("SELECT count(DISTINCT listing_id) FROM candles_hourly") == await conn.fetchval(
            "SELECT count(DISTINCT listing_id) FROM quotes"
        )
    await http.close()
    await database.close()
    await postgres.drop(name)
