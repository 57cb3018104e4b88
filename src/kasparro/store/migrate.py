"""Migrations: `NNNN_verb_phrase.sql`, forward only, each in one transaction with the note that it was applied.

Run at every start and by every process; a transaction-level advisory lock lets one of them work at a time, also through a
transaction-mode pooler. A migration is sent as one script by the simple protocol, so it may hold many statements.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import NamedTuple

import asyncpg

from kasparro import logs
from kasparro.errors import DatabaseError
from kasparro.store import binaries, queries

log = logs.get()

_SQL = queries.load("migrations")
_NAME = re.compile(r"(\d{4})_[a-z][a-z0-9]*(?:_[a-z0-9]+)+\.sql")
_SECONDS = 3600.0  # of one migration, and of waiting for another process's


class Migration(NamedTuple):
    """One file."""

    name: str
    sha256: str
    sql: str


async def migrate(connect: Callable[[], AbstractAsyncContextManager[asyncpg.Connection]], folder: Traversable | None = None) -> list[str]:
    """Apply what is pending, and answer the names. `connect` gives a connection outside a transaction: `Database.connection`.

    Raises DatabaseError for a server before PostgreSQL 14, a database that does not belong to these files, and a migration that
    fails, which leaves nothing of itself.
    """
    migrations = read(folder)
    applied: list[str] = []
    while True:
        async with connect() as connection:
            name = await _apply_next(connection, migrations)
        if name is None:
            return applied
        log.info("database.migrated", migration=name)
        applied.append(name)


async def pending(connection: asyncpg.Connection, folder: Traversable | None = None) -> list[str]:
    """The names of what is to be applied. Raises DatabaseError as `migrate` does."""
    migrations = read(folder)
    async with connection.transaction(readonly=True):
        await _check_version(connection)
        done = await _applied(connection)
    return [migration.name for migration in _pending(migrations, done)]


def read(folder: Traversable | None = None) -> list[Migration]:
    """The migrations of a folder in their order, ours unless one is given. Raises DatabaseError for a gap or a bad name."""
    entries = sorted((folder or _folder()).iterdir(), key=lambda entry: entry.name)
    migrations: list[Migration] = []
    for entry in entries:
        if not entry.name.endswith(".sql"):
            continue
        matched = _NAME.fullmatch(entry.name)
        if matched is None:
            message = f"migration {entry.name}: a name must be NNNN_verb_phrase.sql, in lower case"
            raise DatabaseError(message)
        if int(matched.group(1)) != len(migrations) + 1:
            message = f"migration {entry.name}: number {len(migrations) + 1:04} is expected here; numbers have no gaps and no doubles"
            raise DatabaseError(message)
        # Git may check a file out with other line ends, which change nothing.
        text = entry.read_bytes().replace(b"\r\n", b"\n")
        migrations.append(Migration(entry.name, hashlib.sha256(text).hexdigest(), text.decode()))
    if not migrations:
        message = "no migrations were found beside the code: the installation is incomplete"
        raise DatabaseError(message)
    return migrations


def _folder() -> Traversable:
    # A wheel carries them in the package; a checkout has them at its top.
    packaged = resources.files("kasparro") / "migrations"
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "migrations"


async def _apply_next(connection: asyncpg.Connection, migrations: Sequence[Migration]) -> str | None:
    """Apply the first pending migration. None: there was none. What is applied is read again under the lock, each time."""
    async with connection.transaction():
        await connection.execute(_SQL["unbounded"])
        await _check_version(connection)
        await connection.execute(_SQL["lock"], timeout=_SECONDS)
        todo = _pending(migrations, await _applied(connection))
        if not todo:
            return None
        migration = todo[0]
        try:
            await connection.execute(_SQL["create_table"])
            await connection.execute(migration.sql, timeout=_SECONDS)
        except asyncpg.InsufficientPrivilegeError as error:
            message = f"migration {migration.name}: {error}. Make this role the owner of the database, or grant it CREATE on the schema"
            raise DatabaseError(message) from error
        except asyncpg.PostgresError as error:
            message = f"migration {migration.name} failed and was undone: {error}"
            raise DatabaseError(message) from error
        await connection.execute(_SQL["insert_applied"], migration.name, migration.sha256)
        return migration.name


async def _check_version(connection: asyncpg.Connection) -> None:
    version = await connection.fetchval(_SQL["server_version"])
    if version < binaries.MAJOR_MIN * 10_000:
        message = f"the server is PostgreSQL {version // 10_000}.{version % 10_000}: version {binaries.MAJOR_MIN} or later is needed"
        raise DatabaseError(message)


async def _applied(connection: asyncpg.Connection) -> dict[str, str]:
    if not await connection.fetchval(_SQL["select_table"]):
        return {}
    return {row["name"]: row["sha256"] for row in await connection.fetch(_SQL["select_applied"])}


def _pending(migrations: Sequence[Migration], applied: dict[str, str]) -> Sequence[Migration]:
    """What follows the applied ones, which must be the first of ours and unchanged."""
    known = {migration.name for migration in migrations}
    newer = [name for name in applied if name not in known and name > migrations[-1].name]
    if newer:
        message = f"the database is newer than this version of kasparro: it has {', '.join(newer)}. Install the version that applied it"
        raise DatabaseError(message)
    for migration, name in zip(migrations, applied, strict=False):
        if migration.name != name:
            message = f"the database has the migration {name} where this version has {migration.name}: one was renamed or removed"
            raise DatabaseError(message)
        if migration.sha256 != applied[name]:
            message = f"the migration {name} was edited after it was applied: undo the edit and write a new migration instead"
            raise DatabaseError(message)
    return migrations[len(applied) :]
