"""`kasparro import-history`: what sources tell of the past, from files or asked for within the month's budget."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console

from kasparro import app
from kasparro.commands import summary
from kasparro.commands.saying import say
from kasparro.errors import AbortError, SkipError
from kasparro.ingest import past
from kasparro.ingest.past import Imported
from kasparro.settings import Settings
from kasparro.sources.past import PAST
from kasparro.store.opening import database_url

_FAILED, _DEGRADED = 1, 3


def sources(settings: Settings) -> list[str]:
    """The sources that tell of the past."""
    return [name for name in settings.sources if name in PAST]


async def take_files(settings: Settings, source: str, source_id: str, files: Sequence[Path]) -> int:
    """Take over payloads of one listing; 0. Raises SkipError with the file's name where one cannot be used: those before it stay."""
    console = Console()
    async with database_url(settings, serve=False) as (url, _server), app.core(settings, url) as base:
        for file in files:
            try:
                body = await asyncio.to_thread(_read, file, settings.response_bytes_max)
                done = await past.take_body(base.ingest, source, source_id, body)
            except SkipError as error:
                message = f"{file}: {error}"
                raise SkipError(message, code=error.code) from error
            _say(console, done)
    return 0


async def backfill(settings: Settings, source: str | None, days: int, top: int, *, again: bool) -> int:
    """Ask for the past of the listings that are traded most; 0, or 3 where some could not be had, or 1 where a source had to be left."""
    summary.cancel_on_signals()
    console, code = Console(), 0
    settings = _half_the_pace(settings)
    try:
        async with database_url(settings, serve=False) as (url, _server), app.core(settings, url) as base:
            for one in base.sources:
                if one.name not in PAST or source not in (None, one.name):
                    continue
                try:
                    async for done in past.backfill(base.ingest, one, days, top, again=again):
                        _say(console, done)
                        code = max(code, 0 if done.error is None else _DEGRADED)
                except AbortError as error:
                    say(console, str(error))
                    return _FAILED
    except asyncio.CancelledError:
        console.print("interrupted: what was done stays, and the same command goes on")
        return summary.INTERRUPTED
    return code


def _half_the_pace(settings: Settings) -> Settings:
    """A service may ask the same sources meanwhile: it shall not be refused for what is asked here."""
    slower = {
        name: msgspec.structs.replace(one, calls_per_minute=max(1, one.calls_per_minute // 2)) for name, one in settings.sources.items()
    }
    return msgspec.structs.replace(settings, sources=slower)


def _read(file: Path, limit: int) -> bytes:
    try:
        with file.open("rb") as opened:
            body = opened.read(limit + 1)
    except OSError as error:
        message = f"cannot be read ({error.strerror or error})"
        raise SkipError(message, code="not_found") from error
    if len(body) > limit:
        message = f"larger than {limit:,} bytes, the bound for one payload"
        raise SkipError(message, code="too_large")
    return body


def _say(console: Console, done: Imported) -> None:
    """One line on a listing."""
    if done.error is not None:
        how = done.error
    else:
        how = f"{done.points:,} points, of which {done.quotes:,} are new quotes; {done.days:,} daily candles written"
        how += "".join(f"; {rows:,} rejected: {reason}" for reason, rows in done.rejected.items())
    say(console, f"{done.source} {done.source_id}:", how)
