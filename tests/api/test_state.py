"""Health, runs, stats, metrics, documentation and /admin."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from kasparro.catalog import catalog
from kasparro.catalog.catalog import CatalogHolder
from kasparro.errors import RetryError, RunOpenError
from kasparro.records import RunSummary, SourceSummary
from kasparro.serving import answering
from kasparro.sources.breaker import Moment
from kasparro.sources.manners import Manners
from kasparro.store.pool import Database
from kasparro.web import runs
from tests.api.conftest import TOKEN, Server
from tests.api.factory import NOW, Market

BEARER = {"Authorization": f"Bearer {TOKEN}"}
BOTH = {"coingecko": "succeeded", "coinpaprika": "succeeded"}


@pytest.mark.smoke
async def test_health_is_ok_when_all_is_well(api: Server, market: Market) -> None:
    """Both sources succeeded lately and there is something to serve."""
    await market.coin("bitcoin", 1.0)
    await market.run(outcomes=BOTH, age=60)
    await api.refresh()

    status, health, _ = await api.get("/health")

    assert (status, health["status"], health["reasons"]) == (200, "ok", [])
    assert health["last_run"]["status"] == "succeeded"
    assert health["sources"]["coingecko"] == {
        "status": "ok", "last_success_at": "2026-03-01T11:59:00Z", "troubled_since": None, "last_error": None,
        "breaker": "closed", "breaker_since": None, "breaker_reason": None,
    }  # fmt: skip
    assert (await api.get("/health/ready"))[0] == 200


@pytest.mark.parametrize("outcome", ["failed", "degraded", "skipped"])
async def test_health_names_a_source_that_did_not_succeed(api: Server, market: Market, outcome: str) -> None:
    """Its last outcome degrades the service, with the reason; the last success is remembered."""
    await market.coin("bitcoin", 1.0)
    await market.run(outcomes=BOTH, age=600)
    await market.run(status="degraded", outcomes={**BOTH, "coinpaprika": outcome}, error="refused: try later", age=300)
    await api.refresh()

    status, health, _ = await api.get("/health")

    assert (status, health["status"]) == (200, "degraded")
    assert any("coinpaprika" in reason and outcome in reason and "refused" in reason for reason in health["reasons"])
    assert health["sources"]["coinpaprika"]["last_error"] == "refused: try later"
    assert health["sources"]["coinpaprika"]["troubled_since"] == (None if outcome == "skipped" else "2026-03-01T11:55:00Z")
    assert health["sources"]["coinpaprika"]["last_success_at"] == "2026-03-01T11:50:00Z"
    assert health["sources"]["coingecko"]["status"] == "ok"


async def test_health_says_since_when_a_source_is_in_trouble(api: Server, market: Market) -> None:
    """Since the first run after its last success, not since the newest; a later success ends it."""
    await market.run(outcomes=BOTH, age=900)
    for age in (600, 300):
        await market.run(status="degraded", outcomes={**BOTH, "coinpaprika": "failed"}, error="refused", age=age)
    await api.refresh()
    _, health, _ = await api.get("/health")
    assert health["sources"]["coinpaprika"]["troubled_since"] == "2026-03-01T11:50:00Z"
    assert any("coinpaprika" in reason and "since 2026-03-01 11:50:00 UTC" in reason for reason in health["reasons"])

    await market.run(outcomes=BOTH, age=10)
    await api.refresh()
    assert (await api.get("/health"))[1]["sources"]["coinpaprika"]["troubled_since"] is None


async def test_a_source_that_is_left_alone_shows(api: Server, market: Market) -> None:
    """In /health with since when and why, and in the metrics; the pace that it bears shows, too."""
    manners = Manners(10)
    error = RetryError("CoinGecko answered status 429", code="rate_limited", retry_after_seconds=600)
    now = Moment(at=NOW, monotonic=0.0)
    manners.failed(error, now)
    manners.asked_to_wait(error, now)
    api.services.manners["coingecko"] = manners  # type: ignore[index]  # a dict in tests

    gecko = (await api.get("/health"))[1]["sources"]["coingecko"]
    assert (gecko["breaker"], gecko["breaker_since"]) == ("open", "2026-03-01T12:00:00Z")
    assert "429" in gecko["breaker_reason"]
    text = (await api.get("/metrics"))[1].decode()
    assert 'kasparro_source_breaker{source="coingecko"} 1.0' in text
    assert 'kasparro_source_calls_per_minute{source="coingecko"} 7.0' in text


async def test_a_run_that_had_nothing_to_ask_is_no_trouble(api: Server, market: Market) -> None:
    """A restart shortly after a run asks for nothing; the service is as well as it was."""
    await market.coin("bitcoin", 1.0)
    await market.run(outcomes=BOTH, age=60)
    await market.run(outcomes=dict.fromkeys(BOTH, "skipped"), age=10)
    await api.refresh()

    assert (await api.get("/health"))[1]["status"] == "ok"


async def test_a_source_of_which_the_plan_asks_nothing_for_a_while_is_well(api: Server, market: Market) -> None:
    """A small plan has runs between its calls; they count for as good as one that asked."""
    await market.coin("bitcoin", 1.0)
    await market.run(outcomes=BOTH, age=4 * 300)
    await market.run(outcomes=dict.fromkeys(BOTH, "skipped"), age=10)
    await api.refresh()

    assert (await api.get("/health"))[1]["status"] == "ok"


async def test_health_degrades_after_three_intervals_without_a_success(api: Server, market: Market) -> None:
    """Nothing has failed; but nobody has succeeded either."""
    await market.coin("bitcoin", 1.0)
    await market.run(outcomes=BOTH)
    await api.refresh()

    api.clock.advance(3 * 300)
    assert (await api.get("/health"))[1]["status"] == "ok"
    api.clock.advance(1)
    assert (await api.get("/health"))[1]["status"] == "degraded"


async def test_health_is_down_and_fast_without_a_database(api: Server, market: Market) -> None:
    """503 once a poll has failed, at once for each request; the catalog is served on, and all is well when it is back."""
    await market.coin("bitcoin", 1.0)
    await api.refresh()
    follower = asyncio.create_task(api.services.catalog.follow(0.01))
    holder = api.services.catalog
    read = holder._read_pulse

    async def refused() -> None:
        raise ConnectionRefusedError("refused")  # noqa: EM101

    holder._read_pulse = refused  # type: ignore[assignment, method-assign]  # the poll alone loses its database
    await _until(lambda: holder.database_error is not None)
    started = time.perf_counter()
    status, health, _ = await api.get("/health")
    assert (status, health["status"], health["database"]) == (503, "down", "down")
    assert time.perf_counter() - started < 0.5
    assert (await api.get("/data"))[1][0]["id"] == "bitcoin"

    holder._read_pulse = read  # type: ignore[method-assign]
    await _until(lambda: holder.database_error is None)
    assert (await api.get("/health"))[0] == 200
    follower.cancel()
    await asyncio.gather(follower, return_exceptions=True)


@pytest.mark.slow
async def test_health_is_down_while_the_database_hangs(api: Server, market: Market, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that has stopped without a word: 503 at once for each request, and all is well when it goes on."""
    monkeypatch.setattr(catalog, "PULSE_TIMEOUT_SECONDS", 0.3)
    await market.coin("bitcoin", 1.0)
    await market.run(outcomes=BOTH)
    follower = asyncio.create_task(api.services.catalog.follow(0.05))
    holder = api.services.catalog
    await _until(lambda: holder.standing is not None and holder.current.version == 1 and holder.current.complete)
    async with _hanging(db):
        await _until(lambda: api.services.catalog.database_error is not None)
        started = time.perf_counter()
        assert [(await api.get("/health"))[0] for _ in range(20)] == [503] * 20
        assert (await api.get("/data"))[1][0]["id"] == "bitcoin"
        assert time.perf_counter() - started < 2
    await _until(lambda: api.services.catalog.database_error is None)
    assert (await api.get("/health"))[1]["status"] == "ok"
    follower.cancel()
    await asyncio.gather(follower, return_exceptions=True)


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.mark.slow
async def test_nobody_waits_for_long_while_the_database_hangs(
    api: Server, market: Market, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What only the database knows is 503, on a page as in JSON; a page that is good without it comes without."""
    monkeypatch.setattr(answering, "GET_SECONDS_MAX", 4.0)
    monkeypatch.setattr(runs, "_WAITED_SECONDS", 0.5)
    await market.coin("bitcoin", 1.0)
    await market.run(outcomes=BOTH)
    await api.refresh()
    html = {"headers": {"Accept": "text/html"}}
    asked = {
        ("/runs", 503): {},
        ("/stats", 503): {},
        ("/changes", 503): {},
        ("/coins/bitcoin/history", 503): {},
        ("/pages/runs", 503): html,
        ("/pages/runs/1", 503): html,
        ("/pages/coins/bitcoin", 200): html,
        ("/", 200): html,
    }
    async with _hanging(db):
        started = time.perf_counter()
        answers = await asyncio.gather(*(api.get(path, **options) for (path, _), options in asked.items()))
        assert time.perf_counter() - started < 9
    for (path, expected), (status, body, headers) in zip(asked, answers, strict=True):
        assert status == expected, path
        assert (headers["content-type"].startswith("text/html")) is (asked[path, expected] is html), path
        assert isinstance(body, bytes) or body["code"] == "database_unavailable", path


@asynccontextmanager
async def _hanging(db: Database) -> AsyncIterator[None]:
    """The server and all that serve a connection stop without a word until the end of the block."""
    async with db.connection() as conn:
        backends = [row["pid"] for row in await conn.fetch("SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'")]
    stopped = [_parent(backends[0]), *backends]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)


async def _until(condition: object) -> None:
    async with asyncio.timeout(5):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.01)


async def test_following_takes_over_what_is_published(api: Server, market: Market) -> None:
    """Without being asked, within an interval; a run that begins shows in /health."""
    follower = asyncio.create_task(api.services.catalog.follow(0.01))
    await market.coin("bitcoin", 1.0)
    await _until(lambda: api.services.catalog.current.version == 1)
    await market.run(status="running")
    holder: CatalogHolder = api.services.catalog
    await _until(lambda: holder.standing is not None and holder.standing.last_run is not None)
    assert (await api.get("/health"))[1]["last_run"]["status"] == "running"
    follower.cancel()
    await asyncio.gather(follower, return_exceptions=True)


async def test_runs(api: Server, market: Market) -> None:
    """Newest first, with what each source did; a run at work has no end."""
    ended = await market.run(status="degraded", outcomes={"coingecko": "succeeded", "coinpaprika": "failed"}, error="no", age=60)
    working = await market.run(status="running")

    _, runs, _ = await api.get("/runs")
    _, one, _ = await api.get(f"/runs/{ended}")

    assert [run["id"] for run in runs] == [working, ended]
    assert runs[0]["finished_at"] is None
    assert runs[1] == one
    assert (one["trigger"], one["status"], one["finished_at"]) == ("schedule", "degraded", "2026-03-01T11:59:00Z")
    assert one["sources"]["coinpaprika"] == {
        "outcome": "failed", "error": "no", "calls": 3, "parts": 2, "rows_received": 100, "rows_written": 90, "rows_revised": 5,
        "rows_rejected": 1, "duration_seconds": 1.5,
    }  # fmt: skip
    assert len((await api.get("/runs?limit=1"))[1]) == 1


async def test_stats(api: Server, market: Market) -> None:
    """Figures per source, its budget, coverage and staleness, and totals."""
    await market.coin("bitcoin", 1.0)
    await market.run(outcomes=BOTH, age=60)
    await market.execute("INSERT INTO budgets VALUES ('coinpaprika', $1, 42)", NOW.date().replace(day=1))
    await market.execute(
        "INSERT INTO checkpoints (stream, part, ordinal, sweep, committed_at, rows, ids, weight, laid_at)"
        " VALUES ('coingecko.markets', 'batch:0', 0, 1, $1, 250, array_fill('x'::text, ARRAY[250]), 1, $1)",
        NOW - timedelta(minutes=4),
    )
    await market.execute("INSERT INTO checkpoints (stream, part, ordinal) VALUES ('coingecko.markets', 'page:2', 1)")
    await api.refresh()

    status, stats, _ = await api.get("/stats")

    assert status == 200
    gecko, paprika = stats["sources"]["coingecko"], stats["sources"]["coinpaprika"]
    assert gecko["last_day"]["rows_received"] == 100
    assert (gecko["coverage"][0]["parts_committed"], gecko["coverage"][0]["share"]) == (1, 0.5)
    assert gecko["staleness"]["quoted"] == 1
    assert (paprika["budget"]["used"], paprika["budget"]["left"]) == (42, 20_000 - 42)
    assert (paprika["budget"]["reserved"], paprika["budget"]["resets_at"]) == (1_000, "2026-04-01T00:00:00Z")
    assert 42 < paprika["budget"]["expected"] < 19_000
    assert (gecko["budget"]["limit"], gecko["budget"]["left"], gecko["budget"]["reserved"]) == (None, None, None)
    assert gecko["budget"]["calls_per_day"] > 24 * 12
    assert gecko["tiers"] == [
        {"first": 1, "last": 250, "interval_seconds": 300.0, "staleness_mean_seconds": 240.0, "staleness_max_seconds": 240.0}
    ]
    assert paprika["tiers"] == []
    assert stats["totals"]["coins"] == 1


async def test_the_root_names_what_there_is(api: Server) -> None:
    """Name, version, status, links and whose data it is."""
    _, root, _ = await api.get("/")
    assert root["name"] == "kasparro"
    assert {"data", "health", "docs"} <= set(root["links"])
    assert {a["source"] for a in root["attribution"]} == {"coingecko", "coinpaprika"}


async def test_the_documentation_asks_no_outside_address(api: Server) -> None:
    """The page, and all that it loads, come from here; no script stands in the page."""
    status, page, headers = await api.get("/docs")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    text = page.decode()
    assert "http:" not in text
    assert "https:" not in text
    assert "<script>" not in text
    assert "script-src 'self'" in headers["Content-Security-Policy"]
    for name in ("swagger-ui.css", "swagger-ui-bundle.js", "ours.css", "start.js", "favicon-32x32.png"):
        assert f"/docs/{name}" in text
        got, body, file_headers = await api.get(f"/docs/{name}")
        assert got == 200
        assert body
        assert (await api.get(f"/docs/{name}", headers={"If-None-Match": file_headers["ETag"]}))[0] == 304


async def test_the_openapi_document_knows_every_operation(api: Server) -> None:
    """3.1, with every path that the API answers but the page's own files."""
    _, document, _ = await api.get("/openapi.json")
    assert document["openapi"].startswith("3.1")
    assert set(document["paths"]) == {
        "/", "/data", "/coins", "/coins/{coin_id}", "/coins/{coin_id}/history", "/coins/{coin_id}/candles", "/prices", "/stream",
        "/changes", "/mappings", "/mappings.csv", "/resolve",
        "/export/coins.csv", "/export/coins.ndjson", "/export/prices.csv", "/export/prices.ndjson",
        "/health", "/health/live", "/health/ready", "/stats", "/runs", "/runs/compare", "/compare-runs", "/runs/{run_id}", "/anomalies",
        "/metrics", "/docs", "/openapi.json", "/admin/run-etl", "/admin/judgements", "/admin/judgements/{judgement_id}",
    }  # fmt: skip


async def test_a_run_is_begun(api: Server) -> None:
    """202 with its id and place; the body says which sources and whether all of it."""
    status, body, headers = await api.request("POST", "/admin/run-etl", headers=BEARER)
    assert (status, body, headers["Location"]) == (202, {"run_id": 7}, "/runs/7")
    await api.request("POST", "/admin/run-etl", headers=BEARER, json={"sources": ["coinpaprika"], "full": True})
    assert api.runner.asked == [("admin", None, False), ("admin", ("coinpaprika",), True)]


async def test_a_second_run_is_409(api: Server) -> None:
    """With the id of the one that works."""
    api.runner.error = RunOpenError(41)
    status, body, _ = await api.request("POST", "/admin/run-etl", headers=BEARER)
    assert (status, body["code"], body["run_id"]) == (409, "run_open", 41)


async def test_waiting_for_a_run(api: Server) -> None:
    """200 with the summary once it has ended, or 202 when waiting takes too long; the run goes on."""
    waiting = asyncio.create_task(api.request("POST", "/admin/run-etl?wait=true", headers=BEARER))
    await _until(lambda: api.runner.handle is not None)
    assert api.runner.handle is not None
    api.runner.handle.done.set_result(_summary())
    status, body, _ = await waiting
    assert (status, body["run_id"], body["status"]) == (200, 7, "succeeded")
    assert body["sources"]["coingecko"]["rows_written"] == 9

    status, body, _ = await api.request("POST", "/admin/run-etl?wait=true", headers=BEARER)
    assert (status, body) == (202, {"run_id": 7})
    assert not api.runner.handle.done.cancelled()


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "invalid_body"),
        (b"\xff\xfe", 400, "invalid_body"),
        (b"[]", 400, "invalid_parameter"),
        (b'{"full": "yes"}', 400, "invalid_parameter"),
        (b'{"sources": []}', 400, "invalid_parameter"),
        (b'{"sources": ["binance"]}', 400, "invalid_parameter"),
        (b'{"unknown": 1}', 400, "invalid_parameter"),
        (b"x" * 70_000, 413, "body_too_large"),
        (b"  ", 202, None),
    ],
)
async def test_a_bad_body_is_refused(api: Server, body: bytes, status: int, code: str | None) -> None:
    """Nothing is begun."""
    got, answer, _ = await api.request("POST", "/admin/run-etl", headers=BEARER, data=body)
    assert (got, answer.get("code")) == (status, code)
    assert len(api.runner.asked) == (1 if status == 202 else 0)


def _summary() -> RunSummary:
    return RunSummary(
        run_id=7, trigger="admin", status="succeeded", started_at=NOW - timedelta(seconds=3), finished_at=NOW,
        sources=(SourceSummary(source="coingecko", outcome="succeeded", calls=2, rows_written=9, duration_seconds=3.0),),
    )  # fmt: skip
