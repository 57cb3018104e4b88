"""`kasparro replay`: parses what the sources once answered again, asking nobody."""

import asyncio
from datetime import UTC, datetime, timedelta

from rich.console import Console

from kasparro import app
from kasparro.commands import summary
from kasparro.commands.bars import progress
from kasparro.ingest.replay import replay as replay_pages
from kasparro.settings import Settings
from kasparro.store.opening import database_url

_EVER = datetime(1970, 1, 1, tzinfo=UTC)


def streams(settings: Settings) -> tuple[str, ...]:
    """The names of all streams."""
    return tuple(stream.name for source in app.make_sources(settings) for stream in source.streams)


async def replay(settings: Settings, chosen: tuple[str, ...], since_days: float | None, *, as_json: bool) -> int:
    """One run over what was kept; 0, or 1 where nothing of a source could be used, or 3 where a page could not.

    Raises RunOpenError where another run works.
    """
    summary.cancel_on_signals()
    console = Console(stderr=True)
    try:
        async with database_url(settings, serve=False) as (url, _server), app.core(settings, url) as base:
            since = base.clock.now() - timedelta(days=since_days) if since_days else _EVER
            with progress(console) as observe:
                done = await replay_pages(base.ingest, since=since, streams=chosen or streams(settings), observe=observe)
    except asyncio.CancelledError:
        console.print("interrupted: the pages that were done stay; the next replay begins again and finds them done")
        return summary.INTERRUPTED
    if all(source.outcome == "skipped" for source in done.sources):
        console.print(
            "no page was found: the sources' answers are kept for KASPARRO_RAW_DAYS and up to KASPARRO_RAW_MEGABYTES; 0 keeps none",
            highlight=False,
        )
    return summary.show(done, as_json=as_json)
