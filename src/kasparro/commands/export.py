"""`kasparro export`: everything that is served of one kind, to a file or to stdout."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kasparro import app
from kasparro.catalog.catalog import CatalogHolder
from kasparro.catalog.entries import Catalog
from kasparro.catalog.tables import TABLES, TableFormat, table_parts
from kasparro.clock import SystemClock
from kasparro.errors import KasparroError
from kasparro.settings import Settings
from kasparro.store import migrate
from kasparro.store.pool import Database

_FAILED = 1


class ExportError(KasparroError):
    """Nothing was exported. The message says what to do."""

    code = "export"


async def export(settings: Settings, table: str, table_format: TableFormat, output: Path | None) -> int:
    """Write a table; without `output` to stdout. A file appears whole or not at all. Raises ExportError.

    0, or 1 where the reader of stdout has gone before the end.
    """
    async with app.database_url(settings, serve=False) as (url, _server):
        catalog = await _read(settings, url)
    parts = table_parts(catalog, TABLES[table], table_format)
    if output is not None:
        _write_file(parts, output)
        return 0
    try:
        sys.stdout.buffer.writelines(parts)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # Whoever read has had enough. Python would complain once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _FAILED
    except OSError as error:
        message = f"cannot write to stdout: {error.strerror or error}"
        raise ExportError(message) from error
    return 0


async def _read(settings: Settings, url: str) -> Catalog:
    """What is published now, as a process that serves has it."""
    database = await Database.open(url, settings)
    try:
        async with database.connection() as conn:
            missing = await migrate.pending(conn)
        if missing:
            message = f"the {database.place} lacks the migrations {', '.join(missing)}; run kasparro migrate"
            raise ExportError(message)
        holder = CatalogHolder(database, SystemClock(), list(settings.sources))
        await holder.refresh()
    finally:
        await database.close()
    if holder.current.version == 0:
        message = f"nothing was published in the {database.place} yet; run kasparro run-etl"
        raise ExportError(message)
    return holder.current


def _write_file(parts: Iterable[bytes], output: Path) -> None:
    """Under another name until it is whole. What is there and no plain file (a pipe, a device) is written to as it is."""
    try:
        if output.exists() and not output.is_file():
            with output.open("wb") as file:
                file.writelines(parts)
            return
        target = output.resolve()  # where it is a link, what it points at is replaced
        with _removed_on_failure(target.with_name(f".{target.name}.{os.getpid()}.part")) as unfinished:
            with unfinished.open("xb") as file:
                file.writelines(parts)
            unfinished.replace(target)
    except OSError as error:
        message = f"cannot write {output}: {error.strerror or error}"
        raise ExportError(message) from error


@contextmanager
def _removed_on_failure(path: Path) -> Iterator[Path]:
    try:
        yield path
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise
