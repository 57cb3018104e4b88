"""Several processes on one database: one run at a time, every catalog the same, and no more calls than one process makes."""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random

import aiohttp
import pytest

from kasparro.clock import SystemClock
from kasparro.errors import RunLostError, RunOpenError
from kasparro.sources.http import HttpClient
from kasparro.store.pool import Database
from tests.conftest import Cluster, make_settings
from tests.ingest.conftest import make_ingest, settings_for, state
from tests.torture import checks
from tests.torture.moving import MovingUpstream
from tests.torture.processes import Service
from tests.upstream.server import Upstream

pytestmark = pytest.mark.slow

RUNS = int(os.environ.get("KASPARRO_TEST_RUNS", "200"))
LAG_SECONDS_MAX = 2.0  # of a catalog behind the database


class Watch:
    """Compares what processes serve with what the database holds, again and again."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.compared = 0
        self.lag_seconds = 0.0
        self._seen: list[tuple[int, float]] = []  # every version, with when it was first seen

    async def look(self, service: Service) -> None:
        """Check that a process is not behind, and where it has the present version, that it serves the prices of the database."""
        time = asyncio.get_running_loop().time
        async with self.db.read(snapshot=True) as conn:
            version = await conn.fetchval("SELECT version FROM catalog_version")
            prices = await conn.fetch(
                "SELECT c.coin_id, p.value FROM latest_prices p JOIN coins c USING (coin_key) WHERE c.merged_into IS NULL"
            )
        if not self._seen or self._seen[-1][0] < version:
            self._seen.append((version, time()))
        began = time()
        _, health = await service.get("/health")
        behind = next((seen for number, seen in self._seen if number > health["catalog_version"]), None)
        if behind is not None:
            self.lag_seconds = max(self.lag_seconds, began - behind)
            assert began - behind < LAG_SECONDS_MAX, f"{service.url} is {began - behind:.2f} s behind"
        async with aiohttp.ClientSession() as session, session.get(service.url + "/data?limit=1000") as response:
            coins = await response.json()
            # A process that has just started gives no tag until it has read every coin.
            if response.headers.get("ETag", "").startswith(f'W/"{version}-'):
                assert {c["id"]: c["latest_price_usd"] for c in coins} == {row["coin_id"]: row["value"] for row in prices}
                self.compared += 1


async def _come_and_go(service: Service, chance: Random) -> int:
    """A process that starts and stops until it is cancelled; how often."""
    times = 0
    try:
        while True:
            await service.start()
            await asyncio.sleep(chance.uniform(0.5, 5.0))
            # Before Python has read the program, nobody hears the signal.
            assert await service.end(15) in (0, -signal.SIGTERM)
            times += 1
    except asyncio.CancelledError:
        return times


async def _replicate(url: str, own_url: str, upstream: MovingUpstream, folder: Path, seed: int, *, runs: int, **environment: str) -> None:
    """Two processes and a third that comes and goes, at `url`, for so many runs. `own_url` is for looking."""
    services = [
        Service(
            upstream, folder / f"log{n}", DATABASE_URL=url, KASPARRO_DATA_DIR="/nonexistent", KASPARRO_REFRESH_SECONDS="1", **environment
        )
        for n in range(3)
    ]
    db = await Database.open(own_url, make_settings())
    watch, done = Watch(db), 0
    third = None
    try:
        for service in services[:2]:
            await service.start()
        for service in services[:2]:
            await service.until_answers("/health/ready", seconds=60)
        third = asyncio.create_task(_come_and_go(services[2], random.Random(seed)))
        async with asyncio.timeout(60 + 5 * runs):
            while done < runs:
                assert not third.done(), third.result()
                for service in services[:2]:
                    await watch.look(service)
                async with db.read() as conn:
                    done = await checks.assert_one_run_at_a_time(conn)
                await asyncio.sleep(0.1)
        third.cancel()
        print(f"runs: {done}, third: {await third}, compared: {watch.compared}, lag: {watch.lag_seconds:.2f} s")  # noqa: T201  # shown with -s
        for service in services[:2]:
            assert await service.end(15) == 0
    finally:
        if third is not None:
            third.cancel()
        for service in services:
            await service.kill()
    assert watch.compared > runs / 2
    await checks.assert_quotes_were_served(db, upstream)
    async with db.read() as conn:
        assert (
            await conn.fetchval("SELECT count(*) FROM runs WHERE status NOT IN ('running', 'succeeded', 'interrupted', 'abandoned')") == 0
        )
    await db.close()
    for service in services:
        checks.assert_log_is_clean(service.said() if service.log.exists() else [])


@pytest.mark.parametrize("runs", [5, pytest.param(RUNS, marks=pytest.mark.torture, id="many")])
async def test_replicas_take_turns_and_serve_the_same(
    postgres: Cluster, moving: MovingUpstream, folder: Path, seed: int, runs: int
) -> None:
    """Never two runs at once, and each catalog equals the database within two seconds, though a third process comes and goes."""
    name = await postgres.create()
    await _replicate(postgres.url(name), postgres.url(name), moving, folder, seed, runs=runs)
    await postgres.drop(name)


@pytest.mark.parametrize("runs", [5, pytest.param(RUNS, marks=pytest.mark.torture, id="many")])
async def test_replicas_behind_a_pooler_take_turns_and_serve_the_same(
    postgres: Cluster, pooler: str, moving: MovingUpstream, folder: Path, seed: int, runs: int
) -> None:
    """The same through a transaction-mode pgbouncer."""
    name = await postgres.create()
    environment = {"KASPARRO_DATABASE_POOLER": "transaction"}
    await _replicate(f"{pooler}/{name}", postgres.url(name), moving, folder, seed, runs=runs, **environment)
    await postgres.drop(name)


@asynccontextmanager
async def _serving(url: str, upstream: Upstream, folder: Path, number: int) -> AsyncIterator[None]:
    # A plan on which batches are due within seconds.
    environment = {
        "DATABASE_URL": url,
        "KASPARRO_DATA_DIR": "/nonexistent",
        "KASPARRO_REFRESH_SECONDS": "2",
        "COINGECKO_API_KEY": "k",
        "COINGECKO_PLAN": "analyst",
    }
    services = [Service(upstream, folder / f"log{number}{n}", **environment) for n in range(number)]
    try:
        for service in services:  # one after the other, so that their timers are apart
            await service.start()
            await service.until_answers("/health/ready", seconds=60)
            await asyncio.sleep(0.5)
        yield
        for service in services:
            assert await service.end(15) == 0
    finally:
        for service in services:
            await service.kill()


@pytest.mark.torture
async def test_three_processes_make_as_many_calls_as_one(postgres: Cluster, upstream: Upstream, folder: Path) -> None:
    """Over the same 30 intervals, give or take a turn: it is the database that says when the next run, and what in it, is due."""
    asked = {}
    for number in (1, 3):
        name = await postgres.create()
        async with _serving(postgres.url(name), upstream, folder, number):
            before = upstream.count("/coins/markets")
            await asyncio.sleep(60)
            asked[number] = upstream.count("/coins/markets") - before
        await postgres.drop(name)
    assert asked[1] > 0, asked
    assert asked[3] <= 1.3 * asked[1] + 1, asked
    assert asked[1] <= 1.3 * asked[3] + 1, asked


async def test_a_run_whose_lease_was_taken_in_mid_run_writes_nothing_more(db: Database, upstream: Upstream) -> None:
    """While it waits for a page its lease passes and another process runs to the end; what the first one then has changes nothing."""
    settings = settings_for(upstream)
    http = HttpClient(settings, SystemClock(), Random(1))
    first, second = make_ingest(db, settings, http), make_ingest(db, settings, http)
    fault = upstream.strike("slow", "/coins/markets", page=2, seconds=3, times=1)
    run_id = await first.open("schedule")
    losing = asyncio.create_task(first.work(run_id, "schedule"))
    while upstream.count("/coins/markets", page=2) == 0:
        await asyncio.sleep(0.02)
    upstream.faults.remove(fault)
    opened = None
    while opened is None:  # what the first one commits meanwhile renews its lease
        async with db.connection() as conn:
            await conn.execute("UPDATE runs SET lease_until = now() - interval '1 second', owner_host = 'elsewhere'")
        with suppress(RunOpenError):
            opened = await second.open("schedule")

    summary = await second.work(opened, "schedule")
    before, parts = await state(db), await _parts(db)
    with pytest.raises(RunLostError):
        await losing
    await http.close()

    assert summary.status == "succeeded"
    assert (await state(db), await _parts(db)) == (before, parts)
    async with db.read() as conn:
        statuses = await conn.fetch("SELECT status FROM runs ORDER BY run_id")
        assert [row["status"] for row in statuses] == ["abandoned", "succeeded"]
        assert await conn.fetchval("SELECT count(*) FROM run_sources WHERE run_id = $1", run_id) == 0
        assert await conn.fetchval("SELECT published_run_id FROM catalog_version") == summary.run_id


async def _parts(db: Database) -> list[tuple[object, ...]]:
    async with db.read() as conn:
        return [tuple(row) for row in await conn.fetch("SELECT * FROM checkpoints ORDER BY stream, part")]
