"""The composition root: database -> http -> sources -> ingest -> catalog -> schedule -> API. Closed in reverse."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from random import Random, SystemRandom
from typing import Literal

import uvicorn

from kasparro import logs, memory
from kasparro.api.app import create_api
from kasparro.api.connections import keep_closing_late
from kasparro.api.hot import HotAnswers
from kasparro.api.protocol import protocol_of
from kasparro.catalog.catalog import FOLLOW_SECONDS, CatalogHolder
from kasparro.clock import Clock, SystemClock
from kasparro.errors import DatabaseError
from kasparro.ingest.judge import PersonsJudge
from kasparro.ingest.run import Ingest
from kasparro.records import RunSummary
from kasparro.schedule import Runner, Schedule
from kasparro.serving.dependencies import Dependencies
from kasparro.serving.readers import Readers
from kasparro.settings import Settings, SourceSettings
from kasparro.sources.base import Source
from kasparro.sources.coingecko import CoinGecko
from kasparro.sources.coinpaprika import CoinPaprika
from kasparro.sources.files import Files
from kasparro.sources.http import HttpClient
from kasparro.stopping import Stop
from kasparro.store.embedded import EmbeddedServer
from kasparro.store.migrate import migrate
from kasparro.store.pool import Database
from kasparro.web.pages import pages

log = logs.get()

# What there is for each name in the settings. A new source is a line here.
_SOURCES: dict[str, Callable[[SourceSettings], Source]] = {
    "coingecko": CoinGecko,
    "coinpaprika": CoinPaprika,
    "files": Files,
}

_CONNECT_ATTEMPTS = 30  # a database beside us may still be starting: one attempt a second
_SERVER_STOP_SECONDS = 3.0  # what requests at work get to finish
_BESIDE_STOP_SECONDS = 1.5  # what works beside gets to end


class Core:
    """What every command that works with data needs."""

    def __init__(self, settings: Settings, clock: Clock, random: Random, database: Database, http: HttpClient) -> None:
        self.settings, self.clock, self.random = settings, clock, random
        self.database, self.http = database, http
        self.sources = make_sources(settings)
        self.ingest = Ingest(settings, clock, database, http, self.sources)


def make_sources(settings: Settings) -> tuple[Source, ...]:
    """Every source that is set up."""
    return tuple(_SOURCES[name](ours) for name, ours in settings.sources.items())


@asynccontextmanager
async def core(settings: Settings, url: str, *, attempts: int = 1) -> AsyncIterator[Core]:
    """The core over a migrated database. With more attempts, a database that is still starting is waited for, a second each."""
    clock = SystemClock()
    database = await _connected(settings, url, clock, attempts)
    try:
        await migrate(database.connection)
        async with http_client(settings) as http:
            yield Core(settings, clock, SystemRandom(), database, http)
    finally:
        await database.close()


@asynccontextmanager
async def http_client(settings: Settings) -> AsyncIterator[HttpClient]:
    """What speaks to the sources."""
    http = HttpClient(settings, SystemClock(), SystemRandom())
    try:
        yield http
    finally:
        await http.close()


async def _connected(settings: Settings, url: str, clock: Clock, attempts: int) -> Database:
    for attempt in range(attempts, 0, -1):
        try:
            return await Database.open(url, settings)
        except DatabaseError as error:
            if attempt == 1:
                raise
            if attempt == attempts:
                log.warning("database.waited_for", reason=str(error), seconds_at_most=attempts)
            await clock.sleep(1)
    raise AssertionError


OnRun = Callable[[RunSummary], None]


async def work(
    settings: Settings,
    url: str,
    embedded: EmbeddedServer | None,
    listener: socket.socket,
    address: str,
    stop: Stop,
    on_run: OnRun | None = None,
) -> None:
    """Migrate, serve at a port that was taken and schedule until it is asked to stop. See starting.serve."""
    watching = () if embedded is None else (embedded.watch,)
    async with _beside(*watching), core(settings, url, attempts=_CONNECT_ATTEMPTS) as base:
        catalog = CatalogHolder(base.database, base.clock, [s.name for s in base.sources])
        catalog.followers.append(memory.Caretaker())
        runner = Runner(base.ingest)
        schedule = Schedule(base.ingest, runner, settings, base.clock)
        given = Dependencies(
            settings=settings,
            clock=base.clock,
            random=base.random,
            catalog=catalog,
            database=base.database,
            runner=runner,
            readers=Readers(catalog),
            judge=PersonsJudge(base.ingest.identity, base.database, settings, base.clock),
            outlooks=base.ingest,
            manners=base.http.manners,
        )
        base.ingest.on_finished = on_run
        hot = HotAnswers(given)
        server = Server(create_api(given, hot, pages=pages(given)), http=protocol_of(hot))
        closing_late = partial(keep_closing_late, server.server_state.connections, base.clock)
        first = partial(tell_of_first, catalog, base.clock)
        async with _beside(catalog.follow, given.readers.work, closing_late, first, partial(_collect_after, catalog.looked)):
            served = asyncio.create_task(server.serve(sockets=[listener]), name="http")
            schedule.start(catalog.looked)  # what there is is served before a run works beside it
            stop.starting = None
            log.info(
                "serve.started", url=address, docs=f"{address}/docs", data_dir=None if settings.database_url else str(settings.data_dir)
            )
            await asyncio.wait([served, asyncio.ensure_future(stop.wait())], return_when=asyncio.FIRST_COMPLETED)
            log.info("serve.stopping")
            await schedule.stop()
            server.should_exit = True
            given.readers.end()
            await asyncio.gather(runner.stop(settings.shutdown_seconds), asyncio.wait([served], timeout=_SERVER_STOP_SECONDS + 1))


class Server(uvicorn.Server):
    """uvicorn without its signal handling: it would end the process before a run could be closed."""

    def __init__(self, api: object, *, http: type[asyncio.Protocol] | Literal["auto"] = "auto") -> None:
        super().__init__(
            uvicorn.Config(
                api,  # type: ignore[arg-type]  # an ASGI application
                http=http,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                ws="none",
                proxy_headers=False,  # it believes every X-Forwarded-For from 127.0.0.1; ours asks KASPARRO_TRUSTED_PROXIES
                timeout_graceful_shutdown=int(_SERVER_STOP_SECONDS),
                backlog=2048,
            )
        )

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to `serve`."""
        yield


async def tell_of_first(catalog: CatalogHolder, clock: Clock) -> None:
    """Log once that there is something to see: the first run of a keyless plan goes on for a quarter of an hour after that."""
    while not catalog.current.version:
        await clock.sleep(FOLLOW_SECONDS)
    log.info("catalog.served", version=catalog.current.version, coins=len(catalog.current.orders.rank))


async def _collect_after(looked: asyncio.Event) -> None:
    await looked.wait()
    memory.collect_seldom()


@asynccontextmanager
async def _beside(*works: Callable[[], object]) -> AsyncIterator[None]:
    """Coroutines that work for as long as this block, and then are cancelled."""
    tasks = [asyncio.ensure_future(work()) for work in works]  # type: ignore[call-overload]  # each is a coroutine function
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        if tasks:  # with a server that hangs, undoing a poll may take long
            await asyncio.wait(tasks, timeout=_BESIDE_STOP_SECONDS)
