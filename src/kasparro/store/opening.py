"""Where the database is: elsewhere, or in the data folder."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from kasparro.settings import Settings
from kasparro.store.embedded import EmbeddedServer, open_embedded

_EMBEDDED_STOP_SECONDS = 2.0  # how long its server is watched as it ends; its keeper sees to it in any case


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
