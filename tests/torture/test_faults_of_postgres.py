"""What becomes of a run and of `serve` when Postgres is killed, gone, hanging or full in mid-run."""

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from kasparro.store.embedded import open_embedded
from tests.torture import checks
from tests.torture.processes import ServerProcesses, Service, strike
from tests.upstream.faults import Fault
from tests.upstream.server import Upstream

pytestmark = pytest.mark.slow


@pytest.fixture
async def service(upstream: Upstream, folder: Path) -> AsyncIterator[Service]:
    """`kasparro` with its own Postgres, and a schedule of one second."""
    service = Service(upstream, folder / "log", KASPARRO_DATA_DIR=str(folder / "data"), KASPARRO_REFRESH_SECONDS="1")
    yield service
    await service.kill()
    await ServerProcesses(folder / "data").until_gone()


@pytest.fixture
def processes(folder: Path) -> ServerProcesses:
    """The processes of its Postgres."""
    return ServerProcesses(folder / "data")


async def _until_asked(upstream: Upstream, path: str, page: int) -> None:
    async with asyncio.timeout(30):
        while upstream.count(path, page=page) == 0:
            await asyncio.sleep(0.02)


async def _in_mid_run(service: Service, upstream: Upstream, seconds: float = 60.0) -> Fault:
    """Start `serve`, and come back while its first run waits for a page of which the first has been committed."""
    fault = upstream.strike("slow", "/coins/markets", page=2, seconds=seconds, times=1)
    await service.start()
    await _until_asked(upstream, "/coins/markets", 2)
    await service.until_answers()
    return fault


async def _runs(service: Service) -> list[dict[str, Any]]:
    """The runs, oldest first."""
    _, runs = await service.get("/runs?limit=100")
    return sorted(runs, key=lambda run: run["id"])


async def _until_a_run(service: Service, *statuses: str, seconds: float = 30.0) -> dict[str, Any]:
    """The first run that has one of the statuses, once there is one."""
    async with asyncio.timeout(seconds):
        while True:
            status, runs = await service.get("/runs?limit=100")
            found = [run for run in runs if run["status"] in statuses] if status == 200 else []
            if found:
                return dict(found[-1])
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGQUIT, marks=pytest.mark.torture)])
async def test_postgres_that_restarts_in_mid_run_costs_that_run_alone(
    service: Service, processes: ServerProcesses, upstream: Upstream, number: signal.Signals
) -> None:
    """The run ends as failed or abandoned, serve lives on, and a next run soon goes on from what was committed."""
    await _in_mid_run(service, upstream, seconds=4)

    assert strike(processes.postmaster(), number)

    await _until_a_run(service, "succeeded", seconds=20)
    assert (await _runs(service))[0]["status"] in {"failed", "abandoned"}
    assert upstream.count("/coins/markets", page=1) <= 2  # once by the first run, once by a later sweep
    assert await service.end() == 0
    checks.assert_log_is_clean(service.said())


@pytest.mark.parametrize("everything", [True, pytest.param(False, marks=pytest.mark.torture)])
async def test_sigterm_while_postgres_hangs_ends_in_time(
    service: Service, processes: ServerProcesses, upstream: Upstream, *, everything: bool
) -> None:
    """Sessions, or all of the server, that answer nothing and take no signal do not hold up the end of serve."""
    await _in_mid_run(service, upstream)
    postmaster = processes.postmaster()
    stopped = [*processes.backends(), *([postmaster] if everything else [])]
    for pid in stopped:
        strike(pid, signal.SIGSTOP)
    try:
        if everything:
            await service.until_answers("/health", 503, seconds=10)
        else:  # where new sessions can be had, the service goes on with those
            await asyncio.sleep(2)
        assert (await service.get("/data"))[0] == 200
        await service.end(10)
    finally:
        for pid in stopped:
            strike(pid, signal.SIGCONT)
    checks.assert_log_is_clean(service.said())


async def test_sigterm_while_the_database_is_waited_for_ends_at_once(upstream: Upstream, folder: Path) -> None:
    """A start that has not come to its database yet, which may take half a minute, is given up and is no fault."""
    url = f"postgresql://postgres@/kasparro?host={folder}"
    service = Service(upstream, folder / "log", DATABASE_URL=url, KASPARRO_DATA_DIR="/nonexistent")
    await service.start()
    async with asyncio.timeout(20):
        while not service.said("database.waited_for"):
            await asyncio.sleep(0.05)

    assert await service.end(3) == 0


async def test_sigterm_in_mid_page_says_interrupted_and_ends_in_time(service: Service, upstream: Upstream, folder: Path) -> None:
    """The page is rolled back, the run's row says `interrupted`, and the next run asks for that page again and not for the first."""
    fault = await _in_mid_run(service, upstream)
    assert await service.end(10) == 0
    upstream.faults.remove(fault)

    server = await open_embedded(folder / "data", serve=False)
    connection = await asyncpg.connect(server.url)
    committed = await connection.fetchval("SELECT count(*) FROM checkpoints WHERE stream = 'coingecko.markets' AND sweep > 0")
    assert await connection.fetchval("SELECT status FROM runs") == "interrupted"
    await connection.close()
    assert committed == 1
    assert await service.run("run-etl") == 0
    await server.close()
    assert upstream.count("/coins/markets", page=1) == 1


async def test_kill_of_serve_leaves_no_postgres_and_the_next_one_starts_at_once(
    service: Service, processes: ServerProcesses, upstream: Upstream
) -> None:
    """Within five seconds nothing is left; the next serve answers within two seconds of its Postgres being there, and runs."""
    await _in_mid_run(service, upstream)

    await service.kill()
    await processes.until_gone(5)

    await service.start()
    async with asyncio.timeout(30):
        while "postgres" not in str(processes.all().values()) or processes.postmaster() is None:
            await asyncio.sleep(0.01)
    began = asyncio.get_running_loop().time()
    await service.until_answers()
    assert asyncio.get_running_loop().time() - began < 2
    await _until_a_run(service, "succeeded")
    assert (await _runs(service))[0]["status"] == "abandoned"
    assert await service.end() == 0


@pytest.mark.torture
async def test_postgres_that_is_away_for_a_while_is_come_back_to(upstream: Upstream, folder: Path) -> None:
    """A database that is stopped in mid-run and comes back later: /data is served on, /health says down and why, and runs go on."""
    server = await open_embedded(folder / "theirs", serve=False, durable=False)
    service = Service(upstream, folder / "log", DATABASE_URL=server.url, KASPARRO_DATA_DIR="/nonexistent", KASPARRO_REFRESH_SECONDS="1")
    try:
        await _in_mid_run(service, upstream, seconds=10)
        await service.until_answers("/health/ready")
        await server.close()
        health = await service.until_answers("/health", 503)
        assert health["status"] == "down"
        assert len((await service.get("/data"))[1]) == 100
        await asyncio.sleep(4)

        server = await open_embedded(folder / "theirs", serve=False, durable=False)
        before = max(run["id"] for run in await _runs(service))
        async with asyncio.timeout(20):
            while (await _runs(service))[-1]["id"] <= before or (await _runs(service))[-1]["status"] != "succeeded":
                await asyncio.sleep(0.1)
        await service.until_answers("/health", 200)
        assert await service.end() == 0
        checks.assert_log_is_clean(service.said())
    finally:
        await service.kill()
        await server.close()


@contextmanager
def _small_disk(at: Path) -> Iterator[Path]:
    """A disk of 90 MB, of which only root can make one."""
    at.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=90m,mode=755", "none", at], check=False, capture_output=True)
    if made.returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        yield at
    finally:
        subprocess.run(["umount", "--lazy", at], check=True)


@pytest.mark.torture
@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("mount") is None, reason="only root can mount a small disk")
async def test_full_disk_is_said_with_its_folder_and_survived(upstream: Upstream, folder: Path) -> None:
    """While the disk is full, /data is served and the log names the folder; once there is room again, runs succeed, without a restart."""
    with _small_disk(folder / "disk") as disk:
        data = disk / "data"
        service = Service(upstream, folder / "log", KASPARRO_DATA_DIR=str(data), KASPARRO_REFRESH_SECONDS="1")
        try:
            await service.start()
            await service.until_answers("/health/ready", seconds=60)
            _fill(disk / "filling")
            async with asyncio.timeout(60):
                while not (told := [line for line in service.said() if "disk" in str(line.get("error", "")) + str(line.get("reason", ""))]):
                    upstream.tick()
                    await asyncio.sleep(0.2)
            assert str(data) in str(told[0])
            assert (await service.get("/data?limit=1"))[0] == 200

            (disk / "filling").unlink()
            before = max(run["id"] for run in await _runs_or_none(service))
            async with asyncio.timeout(60):
                while not any(run["id"] > before and run["status"] == "succeeded" for run in await _runs_or_none(service)):
                    await asyncio.sleep(0.2)
            assert await service.end() == 0
        finally:
            await service.kill()
            await ServerProcesses(data).until_gone()


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as filling, suppress(OSError):
        while True:  # until there is no space left
            filling.write(b"\0" * 4096)


async def _runs_or_none(service: Service) -> list[dict[str, Any]]:
    status, runs = await service.get("/runs?limit=100")
    return runs if status == 200 else []
