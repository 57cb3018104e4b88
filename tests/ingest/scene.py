"""An ingestion whose clock is moved by hand, over a small market that moves with it."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import msgspec

from kasparro.clock import SystemClock
from kasparro.demo.market import made_market
from kasparro.ingest.run import Ingest
from kasparro.settings import Settings
from kasparro.sources.coingecko import CoinGecko
from kasparro.sources.coinpaprika import CoinPaprika
from kasparro.sources.http import HttpClient
from kasparro.store.pool import Database
from tests.ingest.conftest import settings_for
from tests.upstream.server import Upstream


class Hasty(random.Random):
    """Never waits longer than it has to."""

    def uniform(self, a: float, b: float) -> float:
        """See random.Random."""
        return a


class LaterClock(SystemClock):
    """The machine's clock, some time ahead."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        """See Clock."""
        return super().now() + self.ahead

    def monotonic(self) -> float:
        """See Clock."""
        return super().monotonic() + self.ahead.total_seconds()


class Scene:
    """A database after a good run, the fake upstream, and an ingestion a day later."""

    def __init__(self, db: Database, upstream: Upstream, ingest: Ingest, clock: LaterClock) -> None:
        self.db, self.upstream, self.ingest, self.clock = db, upstream, ingest, clock

    def pass_time(self, span: timedelta) -> None:
        """Let time pass, here and there."""
        self.clock.ahead += span
        self.upstream.tick(int(span.total_seconds() / 60))

    async def fresh(self, source: str) -> bool:
        """Whether every price that the source tells now has been stored. What it once named and lists no more is left out."""
        async with self.db.connection() as conn:
            newest = await conn.fetch(
                "SELECT DISTINCT q.observed_at FROM latest_quotes q JOIN listings l USING (listing_id) WHERE l.source = $1 AND l.active",
                source,
            )
        return [row["observed_at"] for row in newest] == [self.upstream.observed_at]


@asynccontextmanager
async def scene(db: Database, **bounds: Any) -> AsyncIterator[Scene]:
    """An ingestion over a database, with bounds that keep a test short."""
    upstream, clock = Upstream(made_market(260, 60, 40)), LaterClock()
    await upstream.start()
    settings: Settings = msgspec.structs.replace(
        settings_for(upstream),
        **{"request_attempts_max": 2, "retry_wait_seconds_max": 1.0, "response_bytes_max": 2_000_000} | bounds,
    )
    http = HttpClient(settings, clock, Hasty())
    sources = (CoinGecko(settings.sources["coingecko"]), CoinPaprika(settings.sources["coinpaprika"]))
    try:
        yield Scene(db, upstream, Ingest(settings, clock, db, http, sources), clock)
    finally:
        await http.close()
        await upstream.stop()
