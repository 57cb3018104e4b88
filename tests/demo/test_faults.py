"""The made-up market as the service sees it, well and with each of its faults."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from random import Random

import msgspec
import pytest

from kasparro.clock import SystemClock
from kasparro.demo.answers import Answers
from kasparro.demo.faults import HARMLESS, MODES, struck
from kasparro.demo.market import made_market
from kasparro.demo.server import GECKO, PAPRIKA, MarketServer, served
from kasparro.ingest.run import Ingest, run_once
from kasparro.sources.http import HttpClient
from kasparro.store.pool import Database
from tests.conftest import make_settings
from tests.ingest.conftest import make_ingest

pytestmark = pytest.mark.slow


@pytest.fixture
def market() -> MarketServer:
    """A market whose prices move when the test says so."""
    return MarketServer(Answers(made_market(), datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)), SystemClock())


@pytest.fixture
async def ingest(db: Database, market: MarketServer) -> AsyncIterator[Ingest]:
    """An ingestion that asks the market, each question once and without patience."""
    async with served(market) as url:
        settings = make_settings(
            COINGECKO_BASE_URL=url + GECKO,
            COINPAPRIKA_BASE_URL=url + PAPRIKA,
            COINGECKO_CALLS_PER_MINUTE="600000",
            COINPAPRIKA_CALLS_PER_MINUTE="600000",
        )
        # The market is asked anew at each run, as if time had passed.
        sources = {name: msgspec.structs.replace(source, freshness_seconds=0) for name, source in settings.sources.items()}
        settings = msgspec.structs.replace(settings, sources=sources, request_attempts_max=1, request_timeout_seconds=1.0)
        http = HttpClient(settings, SystemClock(), Random(1))
        yield make_ingest(db, settings, http)
        await http.close()


async def test_every_fault_is_seen_for_what_it_is(ingest: Ingest, market: MarketServer, db: Database) -> None:
    """Each costs CoinGecko its run, with a reason, or else a tenth of its rows; nothing of what was known is lost, and it ends."""
    first = await run_once(ingest, "command")
    assert [(s.source, s.outcome, s.rows_rejected) for s in first.sources] == [
        ("coingecko", "succeeded", 0),
        ("coinpaprika", "succeeded", 0),
    ]
    seen, reasons = {}, {}
    for mode in MODES:
        market.answers.move(1, 60)
        market.fault = mode
        summary = await run_once(ingest, "command")
        gecko, paprika = summary.sources
        assert paprika.outcome == "succeeded", mode
        seen[mode] = gecko.outcome
        reasons[mode] = gecko.error or ""
        assert bool(gecko.rows_rejected) == (mode in HARMLESS), mode
    market.fault = None
    market.answers.move(1, 60)
    last = await run_once(ingest, "command")

    assert seen == {mode: "succeeded" if mode in HARMLESS else "failed" for mode in MODES}
    assert {mode for mode, reason in reasons.items() if not reason} == HARMLESS
    for mode in ("401", "402", "10010", "10011"):
        assert "COINGECKO_PLAN" in reasons[mode] or "COINGECKO_API_KEY" in reasons[mode], reasons[mode]
    assert "elsewhere.example" in reasons["redirect"]
    assert last.status == "succeeded"
    async with db.connection() as conn:
        assert await conn.fetchval("SELECT count(*) FROM listings WHERE source = 'coingecko' AND NOT active") == 0


def test_a_fault_that_does_not_exist_is_a_mistake() -> None:
    """Nothing passes for a fault that the market does not know."""
    with pytest.raises(ValueError, match="unknown fault nonsense"):
        struck("nonsense", b"[]", datetime.now(UTC))


def test_ids_and_orders_choose_rows() -> None:
    """`ids=` gives these coins alone; an order and a page give their part of it."""
    answers = Answers(made_market(), datetime.now(UTC))

    def asked(**query: str) -> list[str]:
        return [row["id"] for row in answers.gecko("/coins/markets", query)]

    assert asked(ids="tether,bitcoin,nothing") == ["bitcoin", "tether"]
    assert len(asked(per_page="1000")) == 250
    assert asked(order="id_asc", per_page="2") == sorted(asked(order="id_asc", per_page="250"))[:2]
    by_volume = [row["total_volume"] for row in answers.gecko("/coins/markets", {"order": "volume_desc", "page": "2"})]
    assert by_volume == sorted(by_volume, reverse=True)
    assert len(by_volume) == 100
