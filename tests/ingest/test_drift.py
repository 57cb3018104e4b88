"""A source that changed its answers: what is refused, what stays, and where it shows."""

from datetime import timedelta

import structlog

from kasparro.ingest.run import Ingest, run_once
from kasparro.serving.drift import drift_by_source
from kasparro.store.pool import Database
from tests.ingest.conftest import state
from tests.ingest.scene import scene
from tests.ingest.test_run import checkpoints, outcomes
from tests.upstream.server import Upstream


async def test_a_renamed_price_fails_the_source_and_suggests_the_name(db: Database) -> None:
    """Its checkpoint does not move, nothing is lost or deactivated, and the finding is stored and told once."""
    async with scene(db) as here:
        for _ in range(2):  # a first run may lay out the next ones' parts
            await run_once(here.ingest, "schedule")
            here.pass_time(timedelta(hours=1))
        before, committed = await state(db), await checkpoints(db)
        here.upstream.strike("rename", "/coins/markets", field="current_price", to="spot")

        with structlog.testing.capture_logs() as lines:
            summary = await run_once(here.ingest, "schedule")

    assert outcomes(summary) == {"coingecko": "failed", "coinpaprika": "succeeded"}
    assert "current_price is missing from 100% of the rows; spot may have taken its place (score 0.9" in (summary.sources[0].error or "")
    after, moved = await state(db), await checkpoints(db)
    assert {k: v for k, v in moved.items() if "markets" in k} == {k: v for k, v in committed.items() if "markets" in k}
    assert after["listings"] == before["listings"]
    assert [q for q in after["latest_quotes"] if q[0] == "coingecko"] == [q for q in before["latest_quotes"] if q[0] == "coingecko"]
    assert [p[0] for p in after["prices"]] == [p[0] for p in before["prices"]]
    told = [line for line in lines if line["event"] == "source.drift"]
    assert [(line["field"], line["suggestion"], line["log_level"]) for line in told if line["kind"] == "missing"] == [
        ("current_price", "spot", "info")
    ]
    async with db.read() as conn:
        [missing, new] = sorted((await drift_by_source(conn))["coingecko"], key=lambda d: d.kind)
    assert (missing.stream, missing.field, missing.suggestion, new.field) == ("coingecko.markets", "current_price", "spot", "spot")
    assert missing.score is not None
    assert missing.score >= 0.8


async def test_a_renamed_price_in_a_ticker_is_found_as_well(ingest: Ingest, db: Database, upstream: Upstream) -> None:
    """The whole object of quotes under another name; the other source is asked as ever."""
    await run_once(ingest, "command")
    upstream.tick()
    upstream.strike("rename", "/tickers", field="quotes", to="prices")

    summary = await run_once(ingest, "command")

    assert outcomes(summary) == {"coingecko": "succeeded", "coinpaprika": "failed"}
    async with db.read() as conn:
        missing = next(d for d in (await drift_by_source(conn))["coinpaprika"] if d.kind == "missing")
    assert (missing.field, missing.suggestion) == ("quotes", "prices")
    assert missing.score is not None
    assert missing.score >= 0.8


async def test_a_list_without_its_platforms_takes_no_contract_back(ingest: Ingest, db: Database, upstream: Upstream) -> None:
    """A field that went is not a thousand contracts withdrawn."""
    await run_once(ingest, "command")
    before = await state(db)
    upstream.strike("rename", "/coins/list", field="platforms", to="chains")

    summary = await run_once(ingest, "command", full=True)

    assert outcomes(summary)["coingecko"] == "degraded"
    assert (await state(db))["contracts"] == before["contracts"]


async def test_a_field_that_is_only_missed_degrades_the_source(ingest: Ingest, db: Database, upstream: Upstream) -> None:
    """The prices are taken all the same; the run says what is missing, in one line."""
    await run_once(ingest, "command")
    upstream.tick()
    upstream.strike("rename", "/coins/markets", field="market_cap", to="cap")

    with structlog.testing.capture_logs() as lines:
        summary = await run_once(ingest, "command")

    assert outcomes(summary)["coingecko"] == "degraded"
    assert "market_cap is missing" in (summary.sources[0].error or "")
    assert [line["event"] for line in lines if line["log_level"] == "warning"] == ["source.trouble"]
    newest = upstream.observed_at
    assert {q[2] for q in (await state(db))["latest_quotes"] if q[0] == "coingecko"} == {newest}


async def test_a_new_field_is_noted_once(ingest: Ingest, db: Database, upstream: Upstream) -> None:
    """It costs nothing, and is told when it is first seen."""
    upstream.strike("rename", "/coins/markets", field="image", to="icon")
    told = []
    for _ in range(2):
        with structlog.testing.capture_logs() as lines:
            summary = await run_once(ingest, "command", full=True)
        assert outcomes(summary)["coingecko"] == "succeeded"
        told += [line["field"] for line in lines if line["event"] == "source.drift"]
    assert told == ["icon"]
    async with db.read() as conn:
        [new] = (await drift_by_source(conn))["coingecko"]
    assert (new.kind, new.verdict, new.field, new.run_id) == ("new", "accept", "icon", 2)
