"""A run's surroundings: real Postgres, a fake upstream, the real client."""

from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest

from kasparro.clock import SystemClock
from kasparro.ingest.run import Ingest
from kasparro.settings import Settings
from kasparro.sources.coingecko import CoinGecko
from kasparro.sources.coinpaprika import CoinPaprika
from kasparro.sources.http import HttpClient
from kasparro.store.pool import Database
from tests.conftest import make_settings
from tests.upstream.fixtures import upstream
from tests.upstream.server import Upstream

__all__ = ["upstream"]

# Everything that a run leaves behind, without times and surrogate ids: two ways to one end must agree in it.
STATE = {
    "listings": "SELECT source, source_id, symbol, name, active FROM listings ORDER BY 1, 2",
    "contracts": "SELECT source, source_id, platform, address FROM listing_contracts ORDER BY 1, 2, 3, 4",
    "quotes": """SELECT l.source, l.source_id, q.observed_at, q.price, q.market_cap, q.volume_24h
                 FROM quotes q JOIN listings l USING (listing_id) ORDER BY 1, 2, 3""",
    "hours": """SELECT l.source, l.source_id, h.opens_at, h.open, h.high, h.low, h.close, h.samples, h.market_cap, h.volume_24h
                FROM candles_hourly h JOIN listings l USING (listing_id) ORDER BY 1, 2, 3""",
    "days": """SELECT l.source, l.source_id, d.opens_at, d.open, d.high, d.low, d.close, d.samples, d.market_cap, d.volume_24h
               FROM candles_daily d JOIN listings l USING (listing_id) ORDER BY 1, 2, 3""",
    "latest_quotes": """SELECT l.source, l.source_id, q.observed_at, q.price, q.ath_price, q.ath_at
                        FROM latest_quotes q JOIN listings l USING (listing_id) ORDER BY 1, 2""",
    "judgements": """SELECT l.source, l.source_id, c.coin_id, j.verdict, j.rule
                     FROM judgements j JOIN listings l USING (listing_id) JOIN coins c USING (coin_key)
                     WHERE j.superseded_at IS NULL ORDER BY 1, 2, 3""",
    "coins": """SELECT c.coin_id, c.symbol, c.name, m.coin_id FROM coins c LEFT JOIN coins m ON m.coin_key = c.merged_into ORDER BY 1""",
    "prices": "SELECT c.coin_id, p.value, p.observed_at FROM latest_prices p JOIN coins c USING (coin_key) ORDER BY 1",
}


async def state(db: Database) -> dict[str, list[tuple[Any, ...]]]:
    """What the database holds, comparable between databases."""
    async with db.connection() as conn:
        return {name: [tuple(row) for row in await conn.fetch(sql)] for name, sql in STATE.items()}


def settings_for(upstream: Upstream, **more: str) -> Settings:
    """Settings that ask a fake upstream as fast as it answers."""
    return make_settings(**upstream.environment(**more))


def make_ingest(db: Database, settings: Settings, http: HttpClient) -> Ingest:
    """An ingestion over a database and a client."""
    return Ingest(
        settings, SystemClock(), db, http, (CoinGecko(settings.sources["coingecko"]), CoinPaprika(settings.sources["coinpaprika"]))
    )


@pytest.fixture
async def ingest(db: Database, upstream: Upstream) -> AsyncIterator[Ingest]:
    """An ingestion over a database of the test's own."""
    settings = settings_for(upstream)
    http = HttpClient(settings, SystemClock(), Random(1))
    yield make_ingest(db, settings, http)
    await http.close()
