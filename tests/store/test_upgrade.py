"""From the first released schema to this one: what was served is served on, and the next run goes on from it."""

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import asyncpg
import pytest

from kasparro.clock import SystemClock
from kasparro.errors import DatabaseError
from kasparro.ingest.run import Ingest, run_once
from kasparro.sources.http import HttpClient
from kasparro.store.migrate import migrate, read
from kasparro.store.pool import Database
from tests.api.conftest import api_over
from tests.conftest import Cluster, make_settings
from tests.ingest.conftest import make_ingest, settings_for, state
from tests.upstream.fixtures import upstream
from tests.upstream.server import Upstream

__all__ = ["upstream"]

pytestmark = pytest.mark.slow

# In the order that foreign keys ask for. Candles are left out: the first release made none. Batches, which are checkpoints with ids
# of their own, came later as well.
TABLES = {
    **dict.fromkeys(("runs", "run_sources"), ""),
    "checkpoints": "WHERE laid_at IS NULL",
    **dict.fromkeys(("budgets", "listings", "listing_contracts", "quotes", "latest_quotes", "exchange_rates", "coins"), ""),
    **dict.fromkeys(("coin_aliases", "judgements", "prices", "latest_prices", "rejects", "raw_pages", "drift"), ""),
}
PARTITIONED = {"quotes": "observed_at", "prices": "published_at"}


@asynccontextmanager
async def _opened(cluster: Cluster, template: str) -> AsyncIterator[Database]:
    name = await cluster.create(template)
    database = await Database.open(cluster.url(name), make_settings())
    try:
        yield database
    finally:
        await database.close()
        await cluster.drop(name)


@asynccontextmanager
async def _ingest(database: Database, upstream: Upstream) -> AsyncIterator[Ingest]:
    settings = settings_for(upstream)
    http = HttpClient(settings, SystemClock(), Random(1))
    yield make_ingest(database, settings, http)
    await http.close()


async def _first_release(database: Database, folder: Path) -> None:
    """The schema as it was first released."""
    first = read()[0]
    (folder / first.name).write_text(first.sql, encoding="utf-8")
    assert await migrate(database.connection, folder) == [first.name]


async def _copy(source: asyncpg.Connection, target: asyncpg.Connection) -> None:
    """Every row that the first release could hold, with the columns that it had."""
    for table, condition in TABLES.items():
        columns = [row["attname"] for row in await target.fetch(
            "SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
            table,
        )]  # fmt: skip
        if table in PARTITIONED:
            days = await source.fetch(f"SELECT DISTINCT ({PARTITIONED[table]} AT TIME ZONE 'UTC')::date AS day FROM {table}")
            for row in days:
                await target.execute("SELECT make_day_partition($1, $2)", table, row["day"])
        rows = io.BytesIO()
        await source.copy_from_query(f"SELECT {', '.join(columns)} FROM {table} {condition}", output=rows, format="binary")
        rows.seek(0)
        await target.copy_to_table(table, source=rows, columns=columns, format="binary")
        for column in columns:
            if await target.fetchval("SELECT pg_get_serial_sequence($1, $2)", table, column):
                last = f"SELECT setval(pg_get_serial_sequence('{table}', '{column}'), max({column})) FROM {table} HAVING count(*) > 0"
                await target.execute(last)
    version = await source.fetchrow("SELECT version, published_at, published_run_id FROM catalog_version")
    await target.execute("UPDATE catalog_version SET version = $1, published_at = $2, published_run_id = $3", *version)


async def _served(database: Database, now: datetime) -> dict[str, Any]:
    """What readers see: all coins, all matches, and of a few coins everything that is known of them."""
    span = f"from={now - timedelta(days=2):%Y-%m-%dT%H:%M:%SZ}&to={now + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"
    paths = ["/data?limit=1000&all=true", "/mappings?limit=1000", "/runs", "/prices?ids=bitcoin,ethereum"]
    async with api_over(database, make_settings()) as api:
        await api.refresh()
        _, coins, _ = await api.get("/data?limit=3")
        for coin in coins:
            paths += [f"/coins/{coin['id']}", f"/coins/{coin['id']}/history?interval=raw&{span}"]
        return {path: (await api.get(path))[:2] for path in paths}


async def test_first_released_schema_is_served_on_and_the_next_run_goes_on(postgres: Cluster, upstream: Upstream, tmp_path: Path) -> None:
    """Coins, ids, prices, history and runs are the same after the migrations, and a run then ends as it does where there were none."""
    async with _opened(postgres, "migrated") as undisturbed, _opened(postgres, "template0") as old:
        async with _ingest(undisturbed, upstream) as ingest:
            await run_once(ingest, "command")
            upstream.tick()
            await run_once(ingest, "command", full=True)
        await _first_release(old, tmp_path)
        async with undisturbed.connection() as source, old.connection() as target:
            await _copy(source, target)

        assert await migrate(old.connection) == [migration.name for migration in read()[1:]]

        served = await _served(old, upstream.observed_at)
        assert served == await _served(undisturbed, upstream.observed_at)
        assert len(served["/data?limit=1000&all=true"][1]) > 500
        upstream.tick()
        ends = []
        for database in (undisturbed, old):
            async with _ingest(database, upstream) as ingest:
                ends.append((await run_once(ingest, "command", full=True)).status)
        assert ends == ["succeeded", "succeeded"]
        assert await state(old) == await state(undisturbed)
        async with old.connection() as conn:
            assert await conn.fetchval("SELECT count(*) FROM changes") == 0, "what there was already is no news"


async def test_version_from_before_refuses_a_database_from_after(postgres: Cluster, tmp_path: Path) -> None:
    """A process of a version that lacks the last migration says which one it lacks, and changes nothing."""
    *before, last = read()
    for migration in before:
        (tmp_path / migration.name).write_text(migration.sql, encoding="utf-8")
    async with _opened(postgres, "migrated") as database:
        with pytest.raises(DatabaseError, match=rf"newer than this version of kasparro: it has {last.name}\. Install the version"):
            await migrate(database.connection, tmp_path)

        assert await migrate(database.connection) == []


async def test_a_process_that_was_overtaken_begins_no_run(postgres: Cluster, upstream: Upstream) -> None:
    """Where a newer version has migrated the database, a process that still runs says so and writes nothing more."""
    async with _opened(postgres, "migrated") as database, _ingest(database, upstream) as ingest:
        await run_once(ingest, "command")
        async with database.connection() as conn:
            await conn.execute("INSERT INTO schema_migrations (name, sha256) VALUES ('9999_come_later.sql', 'x')")

        with pytest.raises(DatabaseError, match=r"newer than this version of kasparro: it has 9999_come_later\.sql"):
            await run_once(ingest, "schedule")

        async with database.connection() as conn:
            assert await conn.fetchval("SELECT count(*) FROM runs") == 1


async def test_a_migration_that_fails_leaves_the_first_release_as_it_was(postgres: Cluster, tmp_path: Path) -> None:
    """Where a later migration cannot be applied, those before it stand, it leaves nothing, and mended it is applied."""
    later = read()
    (failing,) = [number for number, migration in enumerate(later) if "CREATE TABLE coins_told" in migration.sql]
    async with _opened(postgres, "template0") as database:
        await _first_release(database, tmp_path)
        async with database.connection() as conn:
            # In the way of one of the later ones.
            await conn.execute("CREATE TABLE coins_told (note text); INSERT INTO coins_told VALUES ('of somebody else')")

        with pytest.raises(DatabaseError, match=rf"{later[failing].name} failed and was undone: .*coins_told"):
            await migrate(database.connection)

        async with database.connection() as conn:
            assert await conn.fetchval("SELECT note FROM coins_told") == "of somebody else"
            assert await conn.fetchval("SELECT to_regclass('changes')") is None
            await conn.execute("DROP TABLE coins_told")
        assert await migrate(database.connection) == [migration.name for migration in later[failing:]]
