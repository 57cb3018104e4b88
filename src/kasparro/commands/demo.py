"""`kasparro demo`: the service beside a made-up market, with faults to watch."""

import asyncio
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import msgspec
from rich.console import Console

from kasparro import app, starting
from kasparro.clock import SystemClock
from kasparro.demo.answers import Answers
from kasparro.demo.market import made_market, with_doubts
from kasparro.demo.server import GECKO, PAPRIKA, STEP_SECONDS, MarketServer, served
from kasparro.demo.story import Story
from kasparro.errors import KasparroError
from kasparro.ingest import past
from kasparro.records import RunSummary
from kasparro.settings import Settings
from kasparro.store.opening import database_url

_REFRESH_SECONDS = 15
_REQUEST_TIMEOUT_SECONDS = 3.0  # a slow answer shall not take longer than a person's patience
_CALLS_PER_MINUTE = 6_000
_PAST_DAYS, _PAST_COINS = 30, 60  # what charts draw; more would keep a small machine busy for too long
_OURS = ("DATABASE_URL", "KASPARRO_DATABASE_POOLER", "COINGECKO_", "COINPAPRIKA_")


def environment_for(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment without a database of its user's, without keys, and quiet: the story is told by us, the log says what is wrong."""
    kept = {name: value for name, value in environment.items() if not name.startswith(_OURS)}
    return {"KASPARRO_LOG_LEVEL": "warning"} | kept


async def demo(settings: Settings, fault: str | None) -> None:
    """Serve until asked to stop, and leave nothing behind. Raises SettingsError where the port is taken."""
    console, clock = Console(), SystemClock()

    def say(text: str) -> None:
        console.print(f"[{clock.now():%H:%M:%S}] {text}", highlight=False, markup=False, soft_wrap=True)

    # A little in the past, as every source's prices are.
    began = clock.now().replace(microsecond=0) - timedelta(seconds=2 * STEP_SECONDS)
    market = MarketServer(Answers(with_doubts(made_market()), began), clock)
    with tempfile.TemporaryDirectory(prefix="kasparro-demo-", ignore_cleanup_errors=True) as folder:
        async with served(market) as url:
            ours = _beside(settings, url, Path(folder))
            story = Story(market, say, f"http://{ours.host}:{ours.port}", ours.refresh_seconds, fault)
            say(f"Starting a database in {folder} and the service beside a made-up market at {url}; the internet is not asked.")
            beside: list[asyncio.Task[None]] = []

            def ended(summary: RunSummary) -> None:
                story.run_ended(summary)
                if fault is None and not beside:
                    beside.append(asyncio.create_task(_bring_past(ours)))

            try:
                await starting.serve(ours, on_run=ended)
            finally:
                for task in beside:
                    task.cancel()
                await asyncio.gather(*beside, return_exceptions=True)
    say("Ended; the database and its folder are gone.")


async def _bring_past(settings: Settings) -> None:
    """Ask the market for the last month of what is traded most, so that charts have something to draw. Without it the demo goes on."""
    with suppress(KasparroError):
        async with database_url(settings, serve=False) as (url, _server), app.core(settings, url) as base:
            for source in base.sources:
                async for _ in past.backfill(base.ingest, source, _PAST_DAYS, _PAST_COINS, again=False):
                    pass


def _beside(settings: Settings, url: str, folder: Path) -> Settings:
    """The settings under which the service asks the market, and keeps nothing."""
    paths = {"coingecko": GECKO, "coinpaprika": PAPRIKA}
    sources = {
        name: msgspec.structs.replace(
            settings.sources[name],
            base_url=url + path,
            calls_per_minute=_CALLS_PER_MINUTE,
            calls_per_month=0,
            freshness_seconds=int(STEP_SECONDS),
        )
        for name, path in paths.items()
    }
    return msgspec.structs.replace(
        settings,
        sources=sources,
        data_dir=folder,
        refresh_seconds=_REFRESH_SECONDS,
        request_timeout_seconds=_REQUEST_TIMEOUT_SECONDS,
    )
