"""The API behind a real server on a port of its own, over a real database."""

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
import uvicorn

from kasparro.api.app import create_api
from kasparro.api.hot import HotAnswers
from kasparro.api.protocol import protocol_of
from kasparro.catalog.catalog import CatalogHolder
from kasparro.clock import FakeClock
from kasparro.ingest.run import Ingest
from kasparro.records import RunSummary, Said, Trigger, Verdict
from kasparro.serving.dependencies import Dependencies
from kasparro.serving.readers import Readers
from kasparro.settings import Settings
from kasparro.sources.coingecko import CoinGecko
from kasparro.sources.coinpaprika import CoinPaprika
from kasparro.sources.http import HttpClient
from kasparro.store.pool import Database
from kasparro.web.pages import pages
from tests.api.factory import NOW, Market
from tests.conftest import Cluster, make_settings

TOKEN = "let-me-in"  # of a test


class Handle:
    """A run that ends when the test says so."""

    def __init__(self, run_id: int) -> None:
        self.run_id = run_id
        self.done: asyncio.Future[RunSummary] = asyncio.get_running_loop().create_future()


class FakeRunner:
    """Notes what was asked for; raises what it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[Trigger, Sequence[str] | None, bool]] = []
        self.error: Exception | None = None
        self.handle: Handle | None = None

    async def begin(self, trigger: Trigger, *, sources: Sequence[str] | None = None, full: bool = False) -> Handle:
        """See Runner."""
        if self.error is not None:
            raise self.error
        self.asked.append((trigger, sources, full))
        self.handle = Handle(7)
        return self.handle


class FakeJudge:
    """Notes what was said; raises what it is told to, and answers with what `carry_out` made of it."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.error: Exception | None = None
        self.said = Said(judgement_id=1, listing_id=1, coin_id="coin-1", verdict="same", note=None, now_coin_id="coin-1", catalog_version=0)
        self.carry_out: Callable[[], Awaitable[Said]] | None = None

    async def say(self, source: str, source_id: str, coin_id: str, verdict: Verdict, note: str | None) -> Said:
        """See Judge."""
        return await self._answer(source, source_id, coin_id, verdict, note)

    async def withdraw(self, judgement_id: int) -> Said:
        """See Judge."""
        return await self._answer(judgement_id)

    async def _answer(self, *asked: Any) -> Said:
        if self.error is not None:
            raise self.error
        self.asked.append(asked)
        return self.said if self.carry_out is None else await self.carry_out()


class Server:
    """A running API with its parts and a client."""

    def __init__(
        self, services: Dependencies, runner: FakeRunner, judge: FakeJudge, clock: FakeClock, url: str, client: aiohttp.ClientSession
    ) -> None:
        self.services, self.runner, self.judge, self.clock, self.url, self.client = services, runner, judge, clock, url, client

    async def refresh(self) -> None:
        """Take over what was written."""
        await self.services.catalog.refresh()

    async def get(self, path: str, **options: Any) -> tuple[int, Any, Any]:
        """(status, body decoded by its type, headers)."""
        return await self.request("GET", path, **options)

    async def request(self, method: str, path: str, **options: Any) -> tuple[int, Any, Any]:
        """(status, body decoded by its type, headers)."""
        async with self.client.request(method, self.url + path, allow_redirects=False, **options) as answer:
            body = (
                await answer.json(content_type=None)
                if answer.content_type.endswith(("/json", "+json")) and method != "HEAD"
                else await answer.read()
            )
            return answer.status, body, answer.headers


@asynccontextmanager
async def serving(services: Dependencies, *, quick: bool = True) -> AsyncIterator[str]:
    """The API on a free port of the loopback, in this event loop; its URL. Not `quick`: with uvicorn's own protocol."""
    # Of a socket that does not say so, asyncio does not know that it is TCP, and lets half an answer wait for the other half's receipt.
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        hot = HotAnswers(services)
        protocol = protocol_of(hot) if quick else "httptools"
        config = uvicorn.Config(
            create_api(services, hot, pages=pages(services)),  # type: ignore[arg-type]
            http=protocol,
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
        )
        server = uvicorn.Server(config)
        server.capture_signals = nullcontext  # type: ignore[method-assign]
        task = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:
            await asyncio.sleep(0.005)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await task


@pytest.fixture
def api_settings() -> Settings:
    """Settings with a token."""
    return make_settings(KASPARRO_ADMIN_TOKEN=TOKEN)


@pytest.fixture
async def market(db: Database) -> Market:
    """Writes into the test's database."""
    return Market(db)


@asynccontextmanager
async def api_over(database: Database, settings: Settings) -> AsyncIterator[Server]:
    """The API over a database, its clock standing at the market's time."""
    clock, runner, judge = FakeClock(NOW), FakeRunner(), FakeJudge()
    holder = CatalogHolder(database, clock, list(settings.sources))
    holder.complete.set()  # as once the first look has found an empty database
    sources = (CoinGecko(settings.sources["coingecko"]), CoinPaprika(settings.sources["coinpaprika"]))
    http = HttpClient(settings, clock, random.Random(1))
    services = Dependencies(
        settings=settings,
        clock=clock,
        catalog=holder,
        database=database,
        runner=runner,
        judge=judge,
        outlooks=Ingest(settings, clock, database, http, sources),
        readers=Readers(holder),
        random=random.Random(1),
        admin_wait_seconds=0.2,
    )
    work = asyncio.create_task(services.readers.work())
    async with serving(services) as url, aiohttp.ClientSession() as client:
        yield Server(services, runner, judge, clock, url, client)
        services.readers.end()
    work.cancel()
    await http.close()


@pytest.fixture
async def api(db: Database, api_settings: Settings) -> AsyncIterator[Server]:
    """The API over the test's own database."""
    async with api_over(db, api_settings) as server:
        yield server


@pytest.fixture(scope="session")
async def filled(postgres: Cluster) -> AsyncIterator[Server]:
    """The API with thirty coins and a run, for all tests that change nothing."""
    settings = make_settings(KASPARRO_ADMIN_TOKEN=TOKEN)
    database = await Database.open(postgres.url(await postgres.create()), settings)
    market = Market(database)
    for n in range(30):
        await market.coin(f"coin-{n}", 1.0 + n, market_cap=1000.0 - n)
    for n in range(3):
        await market.judge("coingecko", f"coin-{n}", f"coin-{n + 1}", "unsure")
        await market.quotes(n + 1, [(NOW - timedelta(hours=m), 1.0 + m) for m in range(1, 9)])
    await market.execute("INSERT INTO exchange_rates VALUES ('coingecko', 'eur', $1, 0.5)", NOW - timedelta(hours=4))
    await market.run(outcomes={"coingecko": "succeeded", "coinpaprika": "succeeded"})
    async with api_over(database, settings) as server:
        await server.refresh()
        yield server
    await database.close()
