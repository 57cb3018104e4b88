"""Migrations: applied once, in order, each whole or not at all, and never over something unexpected."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from kasparro import settings as settings_module
from kasparro.errors import DatabaseError
from kasparro.store.migrate import migrate, pending, read
from kasparro.store.pool import Database

pytestmark = pytest.mark.slow

ONE = "CREATE TABLE one (a integer); INSERT INTO one VALUES (1);"
TWO = "CREATE TABLE two (a integer); INSERT INTO two SELECT a FROM one;"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of two migrations."""
    (tmp_path / "0001_create_one.sql").write_text(ONE)
    (tmp_path / "0002_create_two.sql").write_text(TWO)
    return tmp_path


@pytest.fixture
async def empty(postgres: Any, settings: Any) -> AsyncIterator[Database]:
    """The pools on an empty database."""
    name = await postgres.create("template0")
    database = await Database.open(postgres.url(name), settings)
    yield database
    await database.close()
    await postgres.drop(name)


async def test_pending_migrations_are_applied_once_and_in_order(empty: Database, folder: Path) -> None:
    """What is pending is applied in the order of the numbers, and a second call applies nothing."""
    async with empty.connection() as connection:
        assert await pending(connection, folder) == ["0001_create_one.sql", "0002_create_two.sql"]

    assert await migrate(empty.connection, folder) == ["0001_create_one.sql", "0002_create_two.sql"]
    assert await migrate(empty.connection, folder) == []

    async with empty.connection() as connection:
        assert await pending(connection, folder) == []
        assert await connection.fetchval("SELECT a FROM two") == 1


async def test_processes_that_migrate_at_once_apply_each_migration_once(empty: Database, folder: Path) -> None:
    """Of several processes that migrate at the same time, each migration is applied by one."""
    applied = await asyncio.gather(*(migrate(empty.connection, folder) for _ in range(4)))

    assert sorted(name for names in applied for name in names) == ["0001_create_one.sql", "0002_create_two.sql"]


async def test_failing_migration_leaves_nothing_of_itself(empty: Database, folder: Path) -> None:
    """A migration that fails is undone whole; those before it stay."""
    (folder / "0003_break_it.sql").write_text("CREATE TABLE three (a integer); SELECT no_such_thing();")

    with pytest.raises(DatabaseError, match=r"0003_break_it\.sql failed and was undone: .*no_such_thing"):
        await migrate(empty.connection, folder)

    async with empty.connection() as connection:
        assert await connection.fetchval("SELECT to_regclass('three')") is None
        assert await pending(connection, folder) == ["0003_break_it.sql"]


def _edit(folder: Path) -> None:
    (folder / "0001_create_one.sql").write_text(ONE + "\n-- edited")


def _rename(folder: Path) -> None:
    (folder / "0001_create_one.sql").rename(folder / "0001_create_first.sql")


def _remove_last(folder: Path) -> None:
    (folder / "0002_create_two.sql").unlink()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_edit, "the migration 0001_create_one.sql was edited after it was applied"),
        (_rename, "has the migration 0001_create_one.sql where this version has 0001_create_first.sql"),
        (_remove_last, "the database is newer than this version of kasparro: it has 0002_create_two.sql"),
    ],
)
async def test_database_of_other_migrations_is_refused(empty: Database, folder: Path, change: Callable[[Path], None], message: str) -> None:
    """A database whose applied migrations are not the first of ours, unchanged, is refused by name."""
    await migrate(empty.connection, folder)
    change(folder)

    with pytest.raises(DatabaseError, match=re.escape(message)):
        await migrate(empty.connection, folder)
    async with empty.connection() as connection:
        with pytest.raises(DatabaseError, match=re.escape(message)):
            await pending(connection, folder)


def test_line_ends_of_a_checkout_do_not_count_as_an_edit(folder: Path) -> None:
    """The checksum of a file is the same with the line ends of another system."""
    path = folder / "0001_create_one.sql"
    path.write_bytes(b"SELECT 1;\nSELECT 2;\n")
    before = read(folder)[0].sha256
    path.write_bytes(b"SELECT 1;\r\nSELECT 2;\r\n")

    assert read(folder)[0].sha256 == before


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("0004_leave_gap.sql", "number 0003 is expected"),
        ("0002_repeat_number.sql", "number 0003 is expected"),
        ("3_short_number.sql", "a name must be NNNN_verb_phrase.sql"),
        ("0003_Upper_case.sql", "a name must be NNNN_verb_phrase.sql"),
        ("0003_verb.sql", "a name must be NNNN_verb_phrase.sql"),
    ],
)
def test_gaps_and_bad_names_are_refused(folder: Path, name: str, message: str) -> None:
    """Numbers follow each other, and a name says what its migration does."""
    (folder / name).write_text("SELECT 1;")

    with pytest.raises(DatabaseError, match=re.escape(message)):
        read(folder)


async def test_our_migrations_apply_on_every_version(each_postgres: Any, settings: Any) -> None:
    """The schema is made from nothing on each server version that is here."""
    name = await each_postgres.create("template0")
    database = await Database.open(each_postgres.url(name), settings)

    assert await migrate(database.connection) == [migration.name for migration in read()]

    await database.close()
    await each_postgres.drop(name)


async def test_migrations_run_through_a_transaction_mode_pooler(postgres: Any, pooler: str) -> None:
    """Several processes migrate one database through a pooler that gives each transaction another server connection."""
    name = await postgres.create("template0")
    pooled = settings_module.load({"KASPARRO_DATA_DIR": "/nonexistent", "KASPARRO_DATABASE_POOLER": "transaction"})
    database = await Database.open(f"{pooler}/{name}", pooled)

    applied = await asyncio.gather(*(migrate(database.connection) for _ in range(4)))

    await database.close()
    await postgres.drop(name)
    assert sorted(entry for names in applied for entry in names) == [migration.name for migration in read()]


async def test_role_that_may_not_create_tables_is_told_so(postgres: Any, settings: Any) -> None:
    """A role without the right to create tables gets an error that says what to grant."""
    name = await postgres.create("template0")
    connection = await asyncpg.connect(postgres.url(name))
    await connection.execute("CREATE ROLE weak LOGIN")
    database = await Database.open(postgres.url(name).replace("postgres@", "weak@"), settings)

    with pytest.raises(DatabaseError, match="owner of the database"):
        await migrate(database.connection)

    await database.close()
    await connection.execute("DROP ROLE weak")
    await connection.close()
    await postgres.drop(name)
