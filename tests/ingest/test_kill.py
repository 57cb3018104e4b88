"""kill -9 at any moment: the next run goes on where it stopped, and the end is that of an undisturbed run."""

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from kasparro.store.pool import Database
from tests.conftest import Cluster, make_settings
from tests.ingest.conftest import state
from tests.upstream.server import Upstream


@asynccontextmanager
async def _database(postgres: Cluster) -> AsyncIterator[tuple[str, Database]]:
    name = await postgres.create()
    db = await Database.open(postgres.url(name), make_settings())
    try:
        yield postgres.url(name), db
    finally:
        await db.close()
        await postgres.drop(name)


async def _run(url: str, upstream: Upstream, kill_after: float | None = None) -> int | None:
    """`kasparro run-etl` as a process of its own; its exit code, None where it was killed."""
    environment = upstream.environment(DATABASE_URL=url, KASPARRO_DATA_DIR="/nonexistent", PATH=os.environ["PATH"])
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "kasparro", "run-etl", "--json"),
        env=environment | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        return await asyncio.wait_for(process.wait(), kill_after)
    except TimeoutError:
        process.kill()
        await process.wait()
        return None


async def _kill_often(postgres: Cluster, upstream: Upstream, times: int) -> None:
    seed = int(os.environ.get("KASPARRO_TEST_SEED", random.SystemRandom().randrange(2**32)))
    print(f"KASPARRO_TEST_SEED={seed}")  # noqa: T201  # shown where the test fails
    moments = random.Random(seed)
    async with _database(postgres) as (url, db):
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert await _run(url, upstream) == 0
        seconds = loop.time() - began
        expected, calls = await state(db), len(upstream.requests)
    upstream.requests.clear()
    async with _database(postgres) as (url, db):
        killed = 0
        for _ in range(times):
            killed += await _run(url, upstream, moments.uniform(0.3, seconds)) is None
        assert await _run(url, upstream) == 0
        ended = await state(db)
        async with db.connection() as conn:
            assert await conn.fetchval("SELECT count(*) FROM runs WHERE open") == 0
    for what, rows in expected.items():
        assert ended[what] == rows, what
    # Each kill costs at most the call in hand of each source; a run that is not killed begins the next sweep of the prices: three
    # batches and the tickers.
    assert len(upstream.requests) <= calls + 2 * killed + 4 * (times - killed + 1)


@pytest.mark.slow
async def test_three_kills_end_as_an_undisturbed_run(postgres: Cluster, upstream: Upstream) -> None:
    """Listings, quotes, judgements, coins and prices are equal, and no part is asked for again without need."""
    await _kill_often(postgres, upstream, 3)
