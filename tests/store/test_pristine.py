"""Databases that tests hand on are as new ones."""

from typing import Any

import asyncpg
import pytest

from kasparro.store.pool import Database
from tests.api.factory import NOW, Market
from tests.conftest import Cluster, make_settings


async def _rows(connection: asyncpg.Connection) -> dict[str, Any]:
    """Every row of every table, and where its sequences stand."""
    names = await connection.fetch(
        "SELECT relname, relkind FROM pg_class WHERE relkind IN ('r', 'p', 'S') AND relnamespace = 'public'::regnamespace"
    )
    columns = {"S": "last_value, is_called", "r": "*", "p": "*"}
    return {
        name: [tuple(row) for row in await connection.fetch(f"SELECT {columns[kind.decode()]} FROM {name}")]
        for name, kind in names
        if name != "schema_migrations"
    }


async def _fill(url: str) -> None:
    database = await Database.open(url, make_settings())
    market = Market(database)
    await market.coin("bitcoin", 1.5, sources=("coingecko", "coinpaprika"))
    await market.quotes(1, [(NOW, 1.5)])
    await market.run(outcomes={"coingecko": "succeeded"})
    await database.close()


@pytest.mark.parametrize("grown", [False, True])
async def test_a_database_that_comes_back_is_as_new(postgres: Cluster, *, grown: bool) -> None:
    """Rows, partitions and sequences are those of a new database, also where a table has grown."""
    new, name = await postgres.create(), await postgres.create()
    await _fill(postgres.url(name))
    connection = await asyncpg.connect(postgres.url(name))
    if grown:
        await connection.execute("INSERT INTO budgets SELECT n::text, '2026-01-01', 1 FROM generate_series(1, 3000) AS n")
    held = await asyncpg.connect(postgres.url(name))
    await held.execute("BEGIN; LOCK TABLE coins")
    await connection.close()

    await postgres.take_back(name)

    assert held.is_closed() or not await _answers(held)
    assert await postgres.lend() == name
    databases = [await asyncpg.connect(postgres.url(one)) for one in (name, new)]
    assert await _rows(databases[0]) == await _rows(databases[1])
    for one in databases:
        await one.close()
    await postgres.drop(new)
    await postgres.take_back(name)


async def _answers(connection: asyncpg.Connection) -> bool:
    try:
        await connection.execute("SELECT 1")
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        return False
    return True


async def test_a_database_with_another_schema_is_not_handed_on(postgres: Cluster) -> None:
    """A column that a test has added goes with its database."""
    name = await postgres.create()
    connection = await asyncpg.connect(postgres.url(name))
    await connection.execute("ALTER TABLE coins ADD COLUMN note text")
    await connection.close()

    await postgres.take_back(name)

    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await asyncpg.connect(postgres.url(name))
