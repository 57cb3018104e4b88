"""`kasparro run-etl`: one run, with bars for a person and a summary."""

import asyncio

from rich.console import Console

from kasparro import app
from kasparro.commands import summary
from kasparro.commands.bars import progress
from kasparro.ingest.run import run_once
from kasparro.settings import Settings
from kasparro.store.opening import database_url


async def run_etl(settings: Settings, sources: tuple[str, ...] | None, *, full: bool, as_json: bool) -> int:
    """One run; 0, or 1 where a source failed, or 3 where one is degraded. Raises RunOpenError where another run works."""
    summary.cancel_on_signals()
    console = Console(stderr=True)
    try:
        async with database_url(settings, serve=False) as (url, _server), app.core(settings, url) as base:
            with progress(console) as observe:
                done = await run_once(base.ingest, "command", sources=sources, full=full, observe=observe)
    except asyncio.CancelledError:
        console.print("interrupted: what was committed stays, and the next run goes on from there")
        return summary.INTERRUPTED
    return summary.show(done, as_json=as_json)
