"""The fault table: every fault on every stream, alone and on all of both sources at once."""

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
import structlog

from kasparro.ingest.plan import SPREAD
from kasparro.ingest.run import run_once
from kasparro.store.pool import Database
from tests.conftest import Cluster, make_settings
from tests.ingest.conftest import state
from tests.ingest.saved import restore, save
from tests.ingest.scene import Scene, scene

pytestmark = pytest.mark.slow  # the whole table takes a minute

# Where each stream's answers come from, and what becomes of its source when none of them can be used while all others can.
STREAMS = {
    "coingecko.list": ("/coins/list", "degraded"),
    "coingecko.markets": ("/coins/markets", "failed"),
    "coingecko.rates": ("/exchange_rates", "degraded"),
    "coinpaprika.coins": ("/coins", "degraded"),
    "coinpaprika.tickers": ("/tickers", "failed"),
    "coinpaprika.contracts": ("/contracts", "degraded"),
    "both": ("", "failed"),
}
FIELDS = {"coingecko.markets": "current_price", "coinpaprika.tickers": "quotes", "coinpaprika.contracts": "address"}  # else: "id"
DAY = timedelta(days=1) * (1 + SPREAD)  # after it everything is due, however its turn is drawn


class Case(NamedTuple):
    """A fault, and what the run says of it."""

    mode: str
    said: tuple[str, ...]  # one of these is in the error
    options: Mapping[str, Any] = MappingProxyType({})
    ends_source: bool = False  # nothing more is asked of the source in this run
    costs_rows: bool = False  # and nothing more


FAULTS = {
    "401": Case("status", ("_API_KEY",), {"status": 401}, ends_source=True),
    "402": Case("status", ("_PLAN",), {"status": 402}, ends_source=True),
    "403": Case("status", ("_API_KEY",), {"status": 403}, ends_source=True),
    "cloudflare": Case("cloudflare", ("firewall blocks this address",), ends_source=True),
    "404": Case("status", ("_BASE_URL right",), {"status": 404}),
    "408": Case("status", ("status 408",), {"status": 408}),
    "429": Case("status", ("too many calls",), {"status": 429, "retry_after": "3600"}, ends_source=True),
    "429 without a wait": Case("status", ("too many calls",), {"status": 429}),
    "500": Case("status", ("status 500",), {"status": 500}),
    "502": Case("status", ("status 502",), {"status": 502, "html": "<html><title>Bad gateway</title></html>"}),
    "503": Case("status", ("status 503",), {"status": 503}),
    "ok429": Case("ok429", ("too many calls", "saying 429")),
    "truncate": Case("truncate", ("broke off",)),
    "reset": Case("reset", ("broke off",)),
    "slow": Case("slow", ("no whole answer within",)),
    "drip": Case("drip", ("no whole answer within",)),
    "garbage": Case("garbage", ("expected JSON, got HTML",)),
    "cutjson": Case("cutjson", ("expected JSON", "cut off", "not valid JSON")),
    "notlist": Case("notlist", ('an object with "data"',)),
    "empty": Case("empty", ("empty list", 'expected an object with "rates"')),
    "shrink": Case("shrink", ("shrank from", 'expected an object with "rates"'), {"keep": 0.5}),
    "badrows": Case("badrows", ("expected an object",), {"share": 0.1}, costs_rows=True),
    "times": Case("times", ("expected an object",), {"share": 0.1}, costs_rows=True),
    "rename": Case("rename", ("is missing from 100% of the rows", 'expected an object with "rates"')),
    "giant": Case("giant", ("larger than",), {"megabytes": 3}),
    "redirect": Case("redirect", ("redirected to 127.0.0.2, which is not followed",), {"to": "http://127.0.0.2:9/elsewhere"}),
}


@pytest.fixture(scope="module")
async def filled(postgres: Cluster) -> AsyncIterator[Database]:
    """A database in which one good run has been, and which can be put back to that."""
    db = await Database.open(postgres.url(await postgres.create()), make_settings())
    async with scene(db) as first:
        assert (await run_once(first.ingest, "start")).status == "succeeded"
    await save(db)
    yield db
    await db.close()


@pytest.fixture
async def after_a_run(filled: Database) -> Database:
    """The database as the good run left it."""
    await restore(filled)
    return filled


def _strike(here: Scene, stream: str, case: Case) -> None:
    options = dict(case.options)
    if case.mode == "rename":
        options |= {"field": FIELDS.get(stream, "id"), "to": "renamed"}
    # /coins is where CoinPaprika's list is, and the beginning of two paths of CoinGecko's.
    here.upstream.strike(case.mode, STREAMS[stream][0], source="" if stream == "both" else stream.partition(".")[0], **options)


def _expected(name: str, stream: str) -> str:
    case = FAULTS[name]
    if case.costs_rows and stream != "coingecko.rates":
        return "succeeded"
    # A 429 that does not say how long means a minute at CoinGecko: longer than is waited for here.
    ends = case.ends_source or (name in {"429 without a wait", "ok429"} and stream.startswith("coingecko"))
    if ends and stream in {"coingecko.list", "coinpaprika.coins"}:
        return "failed"  # they are asked first
    return STREAMS[stream][1]


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_costs_what_it_strikes_and_nothing_else(after_a_run: Database, name: str, stream: str) -> None:
    """The outcome and the one line of log name it, nothing is lost or deactivated, the other source is as fresh as ever."""
    case = FAULTS[name]
    bounds = {"request_timeout_seconds": 0.4, "request_attempts_max": 1} if case.mode in {"slow", "drip"} else {}
    async with scene(after_a_run, **bounds) as here:
        before = await state(here.db)
        here.pass_time(DAY)
        _strike(here, stream, case)

        with structlog.testing.capture_logs() as lines:
            summary = await run_once(here.ingest, "schedule")

        after, sources = await state(here.db), {s.source: s for s in summary.sources}
        struck = set(sources) if stream == "both" else {stream.partition(".")[0]}
        outcome = _expected(name, stream)
        if stream == "both" and case.costs_rows:
            outcomes = {"coingecko": "degraded", "coinpaprika": "succeeded"}  # the rates are no list of rows
        else:
            outcomes = {source: outcome if source in struck else "succeeded" for source in sources}
        assert {s: summary.outcome for s, summary in sources.items()} == outcomes, sources
        troubled = [source for source in sources if outcomes[source] != "succeeded"]
        for source in troubled:
            assert any(words in (sources[source].error or "") for words in case.said), sources[source].error
        told = sorted((line["source"], line["event"]) for line in lines if line["log_level"] not in {"debug", "info"})
        assert told == [(source, "source.trouble") for source in sorted(troubled)]
        _check_nothing_lost(before, after)
        for source in set(sources) - struck:
            assert await here.fresh(source)
        if case.costs_rows and stream.endswith((".markets", ".tickers", "both")):
            assert sum(s.rows_rejected for s in sources.values()) > 0
        if outcomes[source := next(iter(struck))] == "failed":
            assert _quotes_of(after, source) == _quotes_of(before, source)
        if stream == "both":
            here.upstream.faults.clear()
            here.pass_time(timedelta(hours=2))
            assert (await run_once(here.ingest, "schedule")).status == "succeeded"
            assert [await here.fresh(source) for source in sources] == [True, True]


def _check_nothing_lost(before: dict[str, list[Any]], after: dict[str, list[Any]]) -> None:
    """Every listing is there and as active as it was, every contract, and every coin still has a price."""
    for what in ("listings", "contracts", "coins"):
        assert after[what] == before[what], what
    assert [row[0] for row in after["prices"]] == [row[0] for row in before["prices"]]


def _quotes_of(rows: dict[str, list[Any]], source: str) -> list[Any]:
    return [row for row in rows["latest_quotes"] if row[0] == source]
