"""The service: takes its port, starts its database, and imports what it is made of while the database starts.

What is imported here is what these two need: importing the rest takes as long as the database does.
"""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module

from kasparro import logs, memory
from kasparro.errors import SettingsError
from kasparro.records import RunSummary
from kasparro.settings import Settings
from kasparro.stopping import Stop, stop_signals
from kasparro.store.opening import database_url

log = logs.get()

OnRun = Callable[[RunSummary], None]


async def serve(settings: Settings, *, on_run: OnRun | None = None) -> None:
    """Migrate, serve and schedule until SIGTERM or SIGINT. Raises KasparroError where it cannot start.

    `on_run` is told of every run that ended.
    """
    with stop_signals() as stop:
        try:
            await _serve(settings, stop, on_run)
        except asyncio.CancelledError:
            if not stop.is_set():
                raise
        log.info("serve.stopped")


async def _serve(settings: Settings, stop: Stop, on_run: OnRun | None) -> None:
    memory.collect_later()
    address = f"http://{settings.host}:{settings.port}"
    with _listener(settings) as listener:
        importing = asyncio.ensure_future(asyncio.to_thread(import_module, "kasparro.app"))
        async with database_url(settings, serve=True, holder=address) as (url, embedded):
            await importing
            from kasparro import app  # noqa: PLC0415  # see above

            await app.work(settings, url, embedded, listener, address, stop, on_run)


@contextmanager
def _listener(settings: Settings) -> Iterator[socket.socket]:
    """The port, taken before anything else starts: a clash shows at once."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, settings.port))
        except OSError as error:
            message = f"cannot listen on {settings.host}:{settings.port}: {error.strerror}; set KASPARRO_PORT (or KASPARRO_HOST) to another"
            raise SettingsError(message, code="port_taken") from None
        yield listener
