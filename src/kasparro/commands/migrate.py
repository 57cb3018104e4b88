"""`kasparro migrate`."""

import msgspec

from kasparro.settings import Settings
from kasparro.store import migrate as migrations
from kasparro.store.opening import database_url
from kasparro.store.pool import Database


async def migrate(settings: Settings, *, as_json: bool = False) -> None:
    """Apply what is pending and print its names."""
    async with database_url(settings, serve=False) as (url, _server):
        database = await Database.open(url, settings)
        try:
            applied = await migrations.migrate(database.connection)
        finally:
            await database.close()
    if as_json:
        print(msgspec.json.encode({"applied": applied}).decode())
        return
    for name in applied:
        print(f"applied {name}")
    if not applied:
        print("the database is up to date")
