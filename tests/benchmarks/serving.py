"""What the benchmarks are about: a market, a database that is filled with it, and `kasparro serve` processes over it."""

import asyncio
import json
import os
import re
import sys
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import asyncpg

from kasparro.clock import SystemClock
from kasparro.store.data_folder import DataFolder
from kasparro.store.embedded import EmbeddedServer, open_embedded
from tests.benchmarks.asking import ask, ask_until
from tests.benchmarks.processes import SERVER_CORE, cpu_seconds, free_port, running

TOKEN = "bench"
RUN_SECONDS_MAX = 200.0
_SETTLE_SECONDS = 1.0  # what a process still does for a run that has ended


class Market:
    """Both sources on one address of loopback, behind a gate."""

    def __init__(self, url: str, name: str, pids: list[int]) -> None:
        self.url, self.name, self.pids = url, name, pids

    def move(self, minutes: int = 1) -> None:
        """Let all prices move on."""
        self._post("/_tick", {"minutes": minutes})

    def allow(self, batches: int | None) -> None:
        """How many more batches CoinGecko's limit allows; None: no limit."""
        self._post("/_allow", {"batches": batches})

    def _post(self, path: str, body: dict[str, Any]) -> None:
        port = int(self.url.rpartition(":")[2])
        answer = ask(port, path, method="POST", headers={"Content-Type": "application/json"}, body=json.dumps(body).encode())
        if answer.status >= HTTPStatus.BAD_REQUEST:
            message = f"the market does not take {path}: {answer.body.decode(errors='replace')[:200]}"
            raise RuntimeError(message)


@asynccontextmanager
async def market() -> AsyncIterator[Market]:
    """The market of KASPARRO_TEST_UPSTREAM, or our own made-up one."""
    upstream, pids = os.environ.get("KASPARRO_TEST_UPSTREAM", "").rstrip("/"), []
    name = f"the market of {upstream}" if upstream else "a made-up market"
    async with AsyncExitStack() as stack:
        if not upstream:
            upstream, pid = await stack.enter_async_context(_addressed("tests.benchmarks.market_server"))
            pids.append(pid)
        url, pid = await stack.enter_async_context(_addressed("tests.benchmarks.gate", upstream))
        yield Market(url, name, [*pids, pid])


@asynccontextmanager
async def _addressed(module: str, *arguments: str) -> AsyncIterator[tuple[str, int]]:
    """A module that serves: the address that it prints, and its process."""
    async with running(sys.executable, "-m", module, *arguments) as process:
        assert process.stdout is not None
        yield (await process.stdout.readline()).decode().strip(), process.pid


class Service:
    """A `kasparro serve` process."""

    def __init__(self, process: Process, port: int, database_url: str) -> None:
        self.pid, self.port, self._database_url = process.pid, port, database_url

    def rows(self, target: str) -> Any:
        """An answer's JSON. Raises where the answer is not 200."""
        answer = ask(self.port, target)
        assert answer.status == HTTPStatus.OK, f"{target}: {answer.status} {answer.body[:300]!r}"
        return json.loads(answer.body)

    def ids(self) -> list[str]:
        """The ids of all coins with a price, by rank."""
        found, target = [], "/data?limit=1000"
        while target:
            answer = ask(self.port, target)
            found += [row["id"] for row in json.loads(answer.body)]
            following = re.search(r"<([^>]+)>", answer.headers.get("link", ""))
            target = following[1] if following else ""
        return found

    def etag(self) -> str:
        """Changes with what is served; empty while the coins without a price are still being read."""
        return ask(self.port, "/data?limit=1").headers.get("etag", "")

    async def answering(self) -> float:
        """Wait for rows in /data; seconds that it took."""
        return await asyncio.to_thread(ask_until, self.port, "/data?limit=50", with_rows=True, seconds=RUN_SECONDS_MAX)

    async def until_idle(self) -> dict[str, Any]:
        """Wait until no run is open and what was published last is served; the last run.

        The database is asked for it: questions to the service would count as what the run costs.
        """
        deadline = time.perf_counter() + RUN_SECONDS_MAX
        connection = await asyncpg.connect(self._database_url)
        try:
            while time.perf_counter() < deadline:
                if await connection.fetchval("SELECT finished_at IS NOT NULL FROM runs ORDER BY run_id DESC LIMIT 1"):
                    published = await connection.fetchval("SELECT version FROM catalog_version")
                    if self.etag().startswith(f'W/"{published}-'):
                        await asyncio.sleep(_SETTLE_SECONDS)
                        return dict(self.rows("/runs?limit=1")[0])
                await asyncio.sleep(0.25)
        finally:
            await connection.close()
        message = "the run did not end, or what it published is not served"
        raise TimeoutError(message)

    def start_run(self, **body: Any) -> None:
        """Begin a run."""
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        answer = ask(self.port, "/admin/run-etl", method="POST", headers=headers, body=json.dumps(body).encode())
        assert answer.status == HTTPStatus.ACCEPTED, answer.body

    async def cost(self, **body: Any) -> tuple[float, dict[str, Any]]:
        """Carry out a run: the process's CPU seconds until all of it is served, what it spends idle taken off; and the run."""
        before = self.etag()
        idle = await self.idle_cpu(3.0)
        spent, began = cpu_seconds(self.pid), time.perf_counter()
        self.start_run(**body)
        last = await self.until_idle()
        used = cpu_seconds(self.pid) - spent - idle * (time.perf_counter() - began)
        assert self.etag() != before, "the run brought nothing new: did the market move?"
        return used, last

    async def idle_cpu(self, seconds: float) -> float:
        """CPU seconds per second while nothing is asked."""
        before = cpu_seconds(self.pid)
        await asyncio.sleep(seconds)
        return (cpu_seconds(self.pid) - before) / seconds


@asynccontextmanager
async def serving(
    folder: Path, upstream: str, *, database_url: str = "", core: int = SERVER_CORE, log_name: str = "serve.log"
) -> AsyncIterator[Service]:
    """The service over a folder's own database or another one. A run at start asks for what was never had; none follow by themselves."""
    port = free_port()
    environment = {
        "HOME": str(folder),
        "KASPARRO_DATA_DIR": str(folder / "data"),
        "KASPARRO_PORT": str(port),
        "KASPARRO_REFRESH_SECONDS": "86400",
        "KASPARRO_ADMIN_TOKEN": TOKEN,
        "COINGECKO_BASE_URL": f"{upstream}/api/v3",
        "COINPAPRIKA_BASE_URL": f"{upstream}/v1",
        "COINGECKO_CALLS_PER_MINUTE": "600000",
        "COINPAPRIKA_CALLS_PER_MINUTE": "600000",
        "COINPAPRIKA_CALLS_PER_MONTH": "0",
    } | ({"DATABASE_URL": database_url} if database_url else {})
    log = folder / log_name
    async with running(sys.executable, "-m", "kasparro", "serve", core=core, env=environment, log=log) as process:
        yield Service(process, port, database_url or _embedded_url(folder))


def _embedded_url(folder: Path) -> str:
    """Where the database of a service's folder listens."""
    return f"postgresql://postgres@/kasparro?host={DataFolder(folder / 'data', SystemClock()).socket_folder}"


def database_pid(folder: Path) -> int:
    """The first process of the database server that runs in a service's folder."""
    pid: int = json.loads((folder / "data" / "postgres" / "keeper.json").read_text(encoding="ascii"))["server"]
    return pid


class Filled:
    """A database with a whole market in it, in a folder of its own. Its server runs unless it was closed."""

    def __init__(self, folder: Path, source: Market) -> None:
        self.folder, self.market = folder, source
        self._server: EmbeddedServer | None = None

    async def open_database(self) -> None:
        """Start the database server, on the clients' core."""
        self._server = await open_embedded(self.folder / "data", serve=False)

    async def close_database(self) -> None:
        """Stop it, where nobody else uses it."""
        if self._server is not None:
            await self._server.close()
        self._server = None

    @property
    def database_pid(self) -> int:
        """The database server's first process."""
        return database_pid(self.folder)

    def url(self, database: str = "kasparro") -> str:
        """Where a database of the server is."""
        assert self._server is not None
        return self._server.url.replace("/kasparro?", f"/{database}?")

    async def execute(self, *statements: str, database: str = "kasparro") -> None:
        """Carry out statements, each in its own transaction."""
        connection = await asyncpg.connect(self.url(database))
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()


@asynccontextmanager
async def filled(folder: Path) -> AsyncIterator[Filled]:
    """A folder whose database one run has filled."""
    async with market() as source:
        made = Filled(folder, source)
        await made.open_database()
        try:
            async with serving(folder, source.url) as service:
                await service.answering()
                await service.until_idle()
            yield made
        finally:
            await made.close_database()
