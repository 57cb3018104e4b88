"""`kasparro export`: everything that is served of one kind, or the history of coins, to a file or to stdout."""

import os
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from pathlib import Path

import asyncpg
import msgspec
from rich.console import Console

from kasparro.catalog.catalog import CatalogHolder
from kasparro.catalog.tables import TABLES, table_rows
from kasparro.clock import SystemClock
from kasparro.commands.saying import say
from kasparro.commands.writing import ExportError, FileFormat, writing
from kasparro.settings import Settings
from kasparro.store import exports, migrate
from kasparro.store.exports import Interval
from kasparro.store.opening import database_url
from kasparro.store.pool import Database

_FAILED = 1
_NAMED_MAX = 3  # unknown coins that a message names


class QuoteRow(msgspec.Struct, frozen=True, gc=False):
    """A quote of a listing, under the coin that it is judged to be now."""

    coin_id: str
    source: str
    source_id: str
    observed_at: datetime
    price_usd: float
    market_cap_usd: float | None
    volume_24h_usd: float | None


class CandleRow(msgspec.Struct, frozen=True, gc=False):
    """A candle of a listing, under the coin that it is judged to be now."""

    coin_id: str
    source: str
    source_id: str
    opens_at: datetime
    open_usd: float
    high_usd: float
    low_usd: float
    close_usd: float
    samples: int
    market_cap_usd: float | None
    volume_24h_usd: float | None


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """Which history is asked for."""

    coins: tuple[str, ...] | None  # ids or aliases; None: all
    since: datetime
    until: datetime  # before it
    interval: Interval


async def export(settings: Settings, table: str, file_format: FileFormat, output: Path | None, *, as_json: bool = False) -> int:
    """Write a table; without `output` to stdout. A file appears whole or not at all. Raises ExportError.

    0, or 1 where the reader of stdout has gone before the end.
    """
    async with _migrated(settings) as database:
        holder = CatalogHolder(database, SystemClock(), list(settings.sources))
        await holder.refresh()
        place = database.place
    if holder.current.version == 0:
        message = f"nothing was published in the {place} yet; run kasparro run-etl"
        raise ExportError(message)
    with _while_it_is_read() as reading, writing(TABLES[table].row, file_format, output) as write:
        for rows in table_rows(holder.current, TABLES[table]):
            write(rows)
            reading.rows += len(rows)
    return reading.told(output, as_json=as_json)


async def export_history(settings: Settings, span: Span, file_format: FileFormat, output: Path | None, *, as_json: bool = False) -> int:
    """Write the history of coins as of one moment, coin by coin and listing by listing. See `export`."""
    row: type[QuoteRow | CandleRow] = QuoteRow if span.interval == "raw" else CandleRow
    with _while_it_is_read() as reading:
        async with (
            _migrated(settings) as database,
            database.read(snapshot=True, timeout_seconds=settings.command_timeout_seconds) as conn,
        ):
            listings = await exports.listings_of(conn, await _keys(conn, span.coins))
            with writing(row, file_format, output) as write:
                for listing in listings:
                    who = (listing.coin_id, listing.source, listing.source_id)
                    async for found in exports.history(conn, listing, span.interval, span.since, span.until):
                        write([row(*who, *columns) for columns in found])
                        reading.rows += len(found)
    return reading.told(output, as_json=as_json)


async def _keys(conn: asyncpg.Connection, names: Sequence[str] | None) -> list[int] | None:
    if names is None:
        return None
    known = await exports.coins_named(conn, names)
    if unknown := [name for name in names if name not in known]:
        message = f"no coin has the id {', '.join(unknown[:_NAMED_MAX])}; kasparro export coins lists them"
        raise ExportError(message)
    return list(known.values())


@asynccontextmanager
async def _migrated(settings: Settings) -> AsyncIterator[Database]:
    """The database, which must be migrated."""
    async with database_url(settings, serve=False) as (url, _server):
        database = await Database.open(url, settings)
        try:
            async with database.connection() as conn:
                missing = await migrate.pending(conn)
            if missing:
                message = f"the {database.place} lacks the migrations {', '.join(missing)}; run kasparro migrate"
                raise ExportError(message)
            yield database
        finally:
            await database.close()


class _Reading:
    """Whether the reader of stdout was there to the end, and what was written."""

    code = 0
    rows = 0

    def told(self, output: Path | None, *, as_json: bool) -> int:
        """Say what was written to a file, to a machine or to a person; the exit code."""
        console = Console(stderr=True)
        if output is not None and as_json:
            print(msgspec.json.encode({"file": str(output), "rows": self.rows, "bytes": output.stat().st_size}).decode())
        elif output is not None and console.is_terminal:
            say(console, f"{self.rows:,} rows in {output}")
        return self.code


@contextmanager
def _while_it_is_read() -> Iterator[_Reading]:
    reading = _Reading()
    try:
        yield reading
    except BrokenPipeError:
        # Whoever read has had enough. Python would complain once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        reading.code = _FAILED
