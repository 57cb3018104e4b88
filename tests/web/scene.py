"""The whole service over the demo's made-up market, with a month of history, for a browser to look at."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from random import Random

import msgspec

from kasparro.catalog.catalog import CatalogHolder
from kasparro.clock import SystemClock
from kasparro.demo.answers import Answers
from kasparro.demo.market import made_market, with_doubts
from kasparro.demo.server import GECKO, PAPRIKA, MarketServer, served
from kasparro.ingest import past
from kasparro.ingest.judge import PersonsJudge
from kasparro.ingest.run import Ingest, run_once
from kasparro.schedule import Runner
from kasparro.serving.dependencies import Dependencies
from kasparro.serving.readers import Readers
from kasparro.settings import Settings
from kasparro.sources.coingecko import CoinGecko
from kasparro.sources.coinpaprika import CoinPaprika
from kasparro.sources.http import HttpClient
from kasparro.store.pool import Database
from tests.api.conftest import TOKEN, serving
from tests.conftest import Cluster, make_settings

HISTORY_DAYS = 30
HISTORY_COINS = 40


class Scene:
    """A served market. `url` is where the pages are."""

    def __init__(self, url: str, services: Dependencies, ingest: Ingest, answers: Answers) -> None:
        self.url, self.services = url, services
        self._ingest, self._answers = ingest, answers

    async def move(self) -> None:
        """Let the market walk on, and the service take it over."""
        self._answers.move(7, 1.0)
        await run_once(self._ingest, "command", full=True)
        await self.services.catalog.refresh()


def _settings(url: str) -> Settings:
    settings = make_settings(KASPARRO_ADMIN_TOKEN=TOKEN)
    sources = {
        name: msgspec.structs.replace(settings.sources[name], base_url=url + path, calls_per_minute=100_000, freshness_seconds=1)
        for name, path in (("coingecko", GECKO), ("coinpaprika", PAPRIKA))
    }
    return msgspec.structs.replace(settings, sources=sources)


@asynccontextmanager
async def made_scene(postgres: Cluster) -> AsyncIterator[Scene]:
    """The service after two runs and an import of the past."""
    clock = SystemClock()
    answers = Answers(with_doubts(made_market()), clock.now().replace(microsecond=0) - timedelta(seconds=30))
    async with served(MarketServer(answers, clock)) as url:
        settings = _settings(url)
        database = await Database.open(postgres.url(await postgres.create()), settings)
        http = HttpClient(settings, clock, Random(1))
        sources = (CoinGecko(settings.sources["coingecko"]), CoinPaprika(settings.sources["coinpaprika"]))
        ingest = Ingest(settings, clock, database, http, sources)
        await run_once(ingest, "start")
        for source in sources:
            async for done in past.backfill(ingest, source, HISTORY_DAYS, HISTORY_COINS, again=False):
                assert done.error is None
        holder = CatalogHolder(database, clock, list(settings.sources))
        services = Dependencies(
            settings=settings,
            clock=clock,
            catalog=holder,
            database=database,
            runner=Runner(ingest),
            judge=PersonsJudge(ingest.identity, database, settings, clock),
            outlooks=ingest,
            readers=Readers(holder),
            random=Random(1),
            manners=http.manners,
        )
        work = asyncio.create_task(services.readers.work())
        async with serving(services) as served_at:
            scene = Scene(served_at, services, ingest, answers)
            await scene.move()
            yield scene
            services.readers.end()
        work.cancel()
        await http.close()
        await database.close()
