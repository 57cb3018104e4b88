"""The composition root: settings -> logs -> database -> http -> sources -> ingest -> catalog -> schedule -> API. Closed in reverse."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from random import Random, SystemRandom
from typing import Literal

import uvicorn

from kasparro import logs, memory
from kasparro.api.app import create_api
from kasparro.api.connections import keep_closing_late
from kasparro.api.hot import HotAnswers
from kasparro.api.protocol import protocol_of
from kasparro.catalog.catalog import CatalogHolder
from kasparro.clock import Clock, SystemClock
from kasparro.errors import DatabaseError, SettingsError
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
from kasparro.store.embedded import EmbeddedServer, open_embedded
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
_EMBEDDED_STOP_SECONDS = 2.0  # how long its server is watched as it ends; its keeper sees to it in any case


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
async def database_url(settings: Settings, *, serve: bool, holder: str = "") -> AsyncIterator[tuple[str, EmbeddedServer | None]]:
    """Where the database is: DATABASE_URL, or an embedded server that lives at least as long as this block."""
    if settings.database_url is not None:
        yield settings.database_url.reveal(), None
        return
    server = await open_embedded(settings.data_dir, serve=serve, holder=holder)
    try:
        yield server.url, server
    finally:
        await server.close(_EMBEDDED_STOP_SECONDS)


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


async def serve(settings: Settings, *, on_run: OnRun | None = None) -> None:
    """Migrate, serve and schedule until SIGTERM or SIGINT. Raises KasparroError where it cannot start.

    `on_run` is told of every run that ended.
    """
    with _stop_signals() as stop:
        try:
            await _serve(settings, stop, on_run)
        except asyncio.CancelledError:
            if not stop.is_set():
                raise
        log.info("serve.stopped")


async def _serve(settings: Settings, stop: "_Stop", on_run: OnRun | None) -> None:
    memory.collect_seldom()
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(_listener(settings))
        address = f"http://{settings.host}:{settings.port}"
        url, embedded = await stack.enter_async_context(database_url(settings, serve=True, holder=address))
        if embedded is not None:
            await stack.enter_async_context(_beside(embedded.watch))
        base = await stack.enter_async_context(core(settings, url, attempts=_CONNECT_ATTEMPTS))
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
        async with _beside(catalog.follow, given.readers.work, closing_late):
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


class _Stop(asyncio.Event):
    """Set when the process is asked to end. What is still starting, and may be waiting for a database, is cancelled then."""

    def __init__(self, starting: "asyncio.Task[object] | None") -> None:
        super().__init__()
        self.starting = starting  # None: it serves, and ends in order

    def ask(self) -> None:
        """Ask to end."""
        self.set()
        if self.starting is not None:
            self.starting.cancel()


@contextmanager
def _stop_signals() -> Iterator[_Stop]:
    loop, stop, numbers = asyncio.get_running_loop(), _Stop(asyncio.current_task()), ending_signals()
    for number in numbers:
        loop.add_signal_handler(number, stop.ask)
    try:
        yield stop
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def ending_signals() -> list[signal.Signals]:
    """What asks a process to end in order: a supervisor, Ctrl-C, and a terminal that is closed, unless nohup keeps that away."""
    hung_up = [] if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else [signal.SIGHUP]
    return [signal.SIGTERM, signal.SIGINT, *hung_up]


@contextmanager
def _listener(settings: Settings) -> Iterator[socket.socket]:
    """The port, taken before anything else starts: a clash shows at once."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, settings.port))
        except OSError as error:
            message = f"cannot listen on {settings.host}:{settings.port}: {error.strerror}; set KASPARRO_PORT (or KASPARRO_HOST) to another"
            raise SettingsError(message, code="port_taken") from None
        yield listener


@asynccontextmanager
async def _beside(*works: Callable[[], object]) -> AsyncIterator[None]:
    """Coroutines that work for as long as this block, and then are cancelled."""
    tasks = [asyncio.ensure_future(work()) for work in works]  # type: ignore[call-overload]  # each is a coroutine function
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        # With a server that hangs, undoing a poll may take long.
        await asyncio.wait(tasks, timeout=_BESIDE_STOP_SECONDS)
