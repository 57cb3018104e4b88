"""A role for what only reads: it can read all that is served, and change nothing."""

from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest

from kasparro.errors import DatabaseError
from kasparro.store.pool import Database
from tests.api.conftest import api_over
from tests.api.factory import Market
from tests.conftest import Cluster, make_settings

DOCS = Path(__file__).parents[2] / "docs" / "security.md"


def _documented(password: str) -> str:
    """The statements that docs/security.md gives for making the role."""
    text = DOCS.read_text(encoding="utf-8")
    sql = text.partition("```sql\n")[2].partition("```")[0]
    assert "CREATE ROLE kasparro_reader" in sql
    return sql.replace("'change me'", f"'{password}'")


@pytest.fixture
async def divided(postgres: Cluster) -> AsyncIterator[Database]:
    """A migrated database whose readers have the role that the documentation makes."""
    name = await postgres.create()
    owner = await asyncpg.connect(postgres.url(name))
    await owner.execute(_documented("of a test").replace(" market ", f" {name} "))
    url = postgres.url(name)
    reader = url.replace("//postgres@", "//kasparro_reader@")
    database = await Database.open(url, make_settings(DATABASE_URL=url, DATABASE_READER_URL=reader))
    yield database
    await database.close()
    await owner.execute("DROP OWNED BY kasparro_reader")
    await owner.execute("DROP ROLE kasparro_reader")
    await owner.close()
    await postgres.drop(name)


async def test_the_reader_cannot_write(divided: Database) -> None:
    """Neither rows nor tables, also where it takes its transaction out of read-only; what it may is to read."""
    connection = await asyncpg.connect(_reader_url(divided))
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await connection.execute("DELETE FROM runs")
    await connection.execute("SET default_transaction_read_only = off")
    for statement in ("INSERT INTO budgets VALUES ('x', '2026-01-01', 1)", "DELETE FROM runs", "DROP TABLE runs", "CREATE TABLE x (y int)"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    await connection.close()
    async with divided.connection() as owning:
        assert await owning.fetchval("SELECT current_user") == "postgres"
    async with divided.read() as reading:
        assert await reading.fetchval("SELECT current_user") == "kasparro_reader"
        assert await reading.fetchval("SELECT count(*) FROM budgets") == 0


async def test_the_api_reads_through_it(divided: Database) -> None:
    """The catalog, coins, history, runs, state and questions: all that is served comes of reading, also what was made since."""
    market = Market(divided)
    await market.coin("bitcoin", 1.0)
    await market.run(outcomes={"coingecko": "succeeded"})
    async with api_over(divided, divided._settings) as api:
        await api.refresh()
        for path in (
            "/data",
            "/coins/bitcoin",
            "/coins/bitcoin/history",
            "/coins/bitcoin/candles?interval=1h",
            "/mappings",
            "/changes?since=0",
            "/runs",
            "/runs/1",
            "/stats",
            "/health",
            "/anomalies",
            "/metrics",
        ):
            status, body, _ = await api.get(path)
            assert status == 200, (path, body)


async def test_a_reader_without_the_grants_is_told_where_they_are(divided: Database) -> None:
    """The database's own words, and the document."""
    async with divided.connection() as owner:
        await owner.execute("REVOKE SELECT ON budgets FROM kasparro_reader")
    with pytest.raises(DatabaseError, match=r"permission denied for table budgets.*docs/security\.md") as refused:
        async with divided.read() as reading:
            await reading.fetchval("SELECT count(*) FROM budgets")
    assert refused.value.code == "database_refuses"


async def test_a_reader_that_is_let_in_no_longer_is_told_which_address_is_meant(divided: Database) -> None:
    """Its own setting, and not that of the writers, whose connections go on."""
    async with divided.read() as reading, divided.connection() as owner:
        process = await reading.fetchval("SELECT pg_backend_pid()")
        await owner.execute("ALTER ROLE kasparro_reader NOLOGIN")
    async with divided.connection() as owner:
        await owner.execute(f"SELECT pg_terminate_backend({process}, 5000)")
        with suppress(DatabaseError):  # where the driver has not heard of it yet, the first to ask is told that the connection was lost
            async with divided.read() as reading:
                await reading.fetchval("SELECT 1")
        with pytest.raises(DatabaseError, match=r"not permitted to log in.*DATABASE_READER_URL is right"):
            async with divided.read() as reading:
                await reading.fetchval("SELECT 1")
        assert await owner.fetchval("SELECT 1") == 1


def _reader_url(database: Database) -> str:
    url = database._settings.database_reader_url
    assert url is not None
    return url.reveal()
