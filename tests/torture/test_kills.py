"""kill -9 of the process, of Postgres and of both, at any moment: the end is that of an undisturbed run."""

import asyncio
import os
import random
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from kasparro.store.embedded import open_embedded
from kasparro.store.pool import Database
from tests.conftest import Cluster, make_settings
from tests.ingest.conftest import state
from tests.store.test_candles import assert_equal_to_a_recount
from tests.torture import checks
from tests.torture.moving import MovingUpstream
from tests.torture.processes import ServerProcesses, Service, strike

# How often it is killed by the long test.
KILLS = int(os.environ.get("KASPARRO_TEST_KILLS", "200"))


class Torturer:
    """Kills what serves a data folder, again and again, and looks after each kill whether anything that was committed is lost."""

    def __init__(self, upstream: MovingUpstream, folder: Path, seed: int) -> None:
        self.data_dir = folder / "data"
        self.upstream = upstream
        self.service = Service(upstream, folder / "log", KASPARRO_DATA_DIR=str(self.data_dir), KASPARRO_REFRESH_SECONDS="1")
        self.processes = ServerProcesses(self.data_dir)
        self.kills: dict[str, int] = {}
        self.looks = 0  # at a database that answered
        self._random = random.Random(seed)
        self._sweeps: dict[tuple[str, str], int] = {}
        self._quotes = 0

    async def strike(self) -> None:
        """One kill at a random moment. A process that has ended, or could not start, is started again first."""
        if not self.service.alive:
            command = self._random.random() < 0.2
            await self.service.start(*(("run-etl", "--json") if command else ("serve",)))
        if self._random.random() < 0.7:  # otherwise it may be struck while it starts
            await self._look()
            await self._until_it_asks()
        await asyncio.sleep(self._random.uniform(0.0, 2.5))
        victim = self._random.choices(("process", "postgres", "both"), (4, 4, 2))[0]
        if victim != "process":
            victim = f"{victim}: {self._strike_postgres()}"
        if not victim.startswith("postgres"):
            await self.service.kill()
        self.kills[victim] = self.kills.get(victim, 0) + 1

    async def _until_it_asks(self) -> None:
        """Wait until a run is at work, the process has ended, or it has become clear that nothing is due."""
        asked = len(self.upstream.requests)
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                while self.service.alive and len(self.upstream.requests) == asked:
                    await asyncio.sleep(0.02)

    def _strike_postgres(self) -> str:
        """Kill the server in one of four ways, and say which."""
        way = self._random.choice(("postmaster -9", "immediate", "backend -9", "keeper -9"))
        match way:
            case "postmaster -9":
                strike(self.processes.postmaster())
            case "immediate":
                strike(self.processes.postmaster(), signal.SIGQUIT)
            case "backend -9":
                strike(self._random.choice(self.processes.backends() or [None]))
            case _:
                strike(self.processes.keeper())
        return way

    async def _look(self) -> None:
        """Once the database answers again: one open run at most, what was once committed is still there, and more is due."""
        with suppress(TimeoutError):
            async with asyncio.timeout(20):
                while self.service.alive and not await self._looked():
                    await asyncio.sleep(0.05)

    async def _looked(self) -> bool:
        """Whether the database answered."""
        with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
            connection = await asyncpg.connect(self._url, timeout=2)
            try:
                if await connection.fetchval("SELECT to_regclass('catalog_version') IS NULL"):
                    return False
                await checks.assert_one_run_at_a_time(connection)
                self._compare(await checks.sweeps(connection), await connection.fetchval("SELECT count(*) FROM quotes"))
                if self._random.random() < 0.5:  # what is asked for once a day is due again
                    await connection.execute("UPDATE checkpoints SET committed_at = committed_at - interval '2 days'")
                self.looks += 1
                return True
            finally:
                await connection.close(timeout=2)
        return False

    def _compare(self, sweeps: dict[tuple[str, str], int], quotes: int) -> None:
        back = {part: (n, sweeps.get(part)) for part, n in self._sweeps.items() if part in sweeps and sweeps[part] < n}
        assert not back, f"a commit was lost: {back}"
        assert quotes >= self._quotes
        self._sweeps, self._quotes = sweeps, quotes

    @property
    def _url(self) -> str:
        return f"postgresql://postgres@/kasparro?host={self.data_dir / 'postgres' / 'data'}&port=5432&sslmode=disable"

    async def finish(self) -> None:
        """One undisturbed run that ends what was begun, then one over the market as it stands in the end."""
        if self.service.alive:
            assert await self.service.end() == 0
        await self.processes.until_gone()
        self.upstream.moving = False
        assert await self.service.run("run-etl", "--json") == 0
        self.upstream.move()
        assert await self.service.run("run-etl", "--full", "--json") == 0


async def _undisturbed(postgres: Cluster, upstream: MovingUpstream, folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    """What one run over the market as it stands leaves in a new database."""
    name = await postgres.create()
    service = Service(upstream, folder / "undisturbed", KASPARRO_DATA_DIR="/nonexistent", DATABASE_URL=postgres.url(name))
    assert await service.run("run-etl", "--json") == 0
    db = await Database.open(postgres.url(name), make_settings())
    try:
        return await state(db)
    finally:
        await db.close()
        await postgres.drop(name)


async def _torture(postgres: Cluster, upstream: MovingUpstream, folder: Path, seed: int, kills: int) -> None:
    torturer = Torturer(upstream, folder, seed)
    try:
        for _ in range(kills):
            await torturer.strike()
        await torturer.finish()
    finally:
        await torturer.service.kill()
    print(f"kills: {torturer.kills}, looks: {torturer.looks}, requests: {len(upstream.requests)}")  # noqa: T201  # shown where the test fails, and with -s
    await torturer.processes.until_gone()
    expected = await _undisturbed(postgres, upstream, folder)
    server = await open_embedded(torturer.data_dir, serve=True)
    db = await Database.open(server.url, make_settings())
    try:
        ended = await state(db)
        async with db.connection() as conn:
            runs = await checks.assert_one_run_at_a_time(conn)
            assert await conn.fetchval("SELECT count(*) FROM runs WHERE open") == 0
            await checks.assert_no_part_is_lost(conn)
        quotes = await checks.assert_quotes_were_served(db, upstream)
        await assert_equal_to_a_recount(db)
    finally:
        await db.close()
        await server.close()
    print(f"runs: {runs}, quotes: {quotes}")  # noqa: T201  # see above
    for what, rows in expected.items():
        if what not in {"quotes", "hours", "days"}:  # of these the undisturbed run has only the last ones
            assert ended[what] == rows, what
    assert set(expected["quotes"]) <= set(ended["quotes"])
    checks.assert_log_is_clean(torturer.service.said())
    await torturer.processes.until_gone()


@pytest.mark.torture
async def test_two_hundred_kills_of_process_and_postgres(postgres: Cluster, moving: MovingUpstream, folder: Path, seed: int) -> None:
    """No lost part, no duplicate, no second open run, no process left behind, and the tables of an undisturbed run."""
    await _torture(postgres, moving, folder, seed, KILLS)
