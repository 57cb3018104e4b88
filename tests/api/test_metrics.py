"""Metrics: what they say, what a restart leaves of them, and that docs/metrics.md and /metrics tell of the same ones."""

import asyncio
import re
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from prometheus_client.parser import text_string_to_metric_families

from kasparro.api.metrics import KEPT_SECONDS
from kasparro.settings import Settings
from kasparro.sources.manners import Manners
from kasparro.store.pool import Database
from tests.api.conftest import Server, api_over
from tests.api.factory import NOW, Market

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
BOTH = {"coingecko": "succeeded", "coinpaprika": "succeeded"}
# Labels that every histogram has.
OF_HISTOGRAMS = {"le"}


class Documented(NamedTuple):
    """What a name stands for."""

    kind: str
    labels: frozenset[str]


async def _filled(market: Market) -> None:
    """Something for every metric to tell."""
    await market.coin("bitcoin", 1.0, sources=("coingecko", "coinpaprika"))
    await market.coin("doubtful", 1.0)
    await market.judge("coingecko", "doubtful", "bitcoin", "unsure")
    await market.run(status="degraded", outcomes={"coingecko": "succeeded", "coinpaprika": "failed"}, error="refused", age=600)
    await market.run(outcomes=BOTH, age=60)
    await market.execute(
        "INSERT INTO budgets VALUES ('coinpaprika', $1, 42), ('coinpaprika', $2, 8)",
        NOW.date().replace(day=1),
        NOW.date() - timedelta(days=40),
    )
    await market.execute(
        "INSERT INTO checkpoints (stream, part, ordinal, sweep, committed_at, rows, ids, weight, laid_at)"
        " VALUES ('coingecko.markets', 'batch:0', 0, 1, $1, 250, array_fill('x'::text, ARRAY[250]), 1, $1)",
        NOW - timedelta(minutes=4),
    )
    await market.execute("INSERT INTO checkpoints (stream, part, ordinal) VALUES ('coingecko.markets', 'page:2', 1)")
    await market.execute(
        "INSERT INTO rejects (run_id, stream, part, reason, row_text, recorded_at)"
        " VALUES (1, 'coingecko.markets', 'page:1', 'no_id', '', $1)",
        NOW - timedelta(hours=1),
    )
    await market.execute(
        "INSERT INTO drift (stream, field, kind, verdict, share, first_seen_at, last_seen_at, run_id)"
        " VALUES ('coingecko.markets', 'name', 'missing', 'warn', 0.5, $1, $1, 1)",
        NOW - timedelta(hours=1),
    )


async def _text(api: Server) -> str:
    await api.refresh()
    status, body, headers = await api.get("/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return str(body.decode())


def _series(text: str) -> dict[str, float]:
    return {series: float(value) for series, _, value in (line.rpartition(" ") for line in text.splitlines() if line[0] != "#")}


def _lines(text: str, *beginnings: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(beginnings)]


def _page() -> dict[str, Documented]:
    rows = re.findall(r"^\| `([a-z_]+)` \| (\w+) \| ([^|]*)\|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len({name for name, *_ in rows}) == len(rows), "a metric has two rows"
    return {name: Documented(kind, frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


async def test_requests_are_counted_by_route_template(api: Server, market: Market) -> None:
    """Whatever is asked for, the labels stay bounded: no id and no unknown path becomes one."""
    await market.coin("bitcoin", 1.0)
    await api.refresh()
    await api.get("/coins/bitcoin")
    await api.get("/coins/nothing-here")
    await api.get("/no/such/path")

    text = await _text(api)

    assert 'kasparro_http_requests_total{method="GET",route="/coins/{coin_id}",status_class="2xx"} 1.0' in text
    assert "nothing-here" not in text
    assert 'route="unmatched"' in text


async def test_what_the_database_remembers_is_told(api: Server, market: Market) -> None:
    """Runs, rows, calls, budgets, last successes, staleness, rejects and drift, per source and stream."""
    await _filled(market)

    told = _series(await _text(api))

    for series, value in (
        ('kasparro_runs_total{status="succeeded",trigger="schedule"}', 1.0),
        ('kasparro_run_last_end_timestamp_seconds{status="succeeded"}', NOW.timestamp() - 60),
        ('kasparro_source_outcomes_total{outcome="failed",source="coinpaprika"}', 1.0),
        ('kasparro_source_rows_total{source="coingecko",what="written"}', 180.0),
        ('kasparro_source_run_seconds_bucket{le="1.0",source="coingecko"}', 0.0),
        ('kasparro_source_run_seconds_bucket{le="2.5",source="coingecko"}', 2.0),
        ('kasparro_source_run_seconds_bucket{le="+Inf",source="coingecko"}', 2.0),
        ('kasparro_source_run_seconds_sum{source="coingecko"}', 3.0),
        ('kasparro_source_calls_total{source="coinpaprika"}', 50.0),
        ('kasparro_source_month_calls{source="coinpaprika"}', 42.0),
        ('kasparro_source_month_calls_limit{source="coinpaprika"}', 20000.0),
        ('kasparro_source_last_success_timestamp_seconds{source="coinpaprika"}', NOW.timestamp() - 60),
        ('kasparro_source_last_failure_timestamp_seconds{source="coinpaprika"}', NOW.timestamp() - 600),
        ('kasparro_source_healthy{source="coinpaprika"}', 1.0),
        ('kasparro_source_staleness_max_seconds{source="coingecko",tier="1"}', 240.0),
        ('kasparro_source_listings{source="coingecko",state="quoted"}', 2.0),
        ('kasparro_stream_parts{stream="coingecko.markets"}', 2.0),
        ('kasparro_stream_parts_committed{stream="coingecko.markets"}', 1.0),
        ('kasparro_stream_rejects_last_day{reason="no_id",stream="coingecko.markets"}', 1.0),
        ('kasparro_stream_drift_last_day{stream="coingecko.markets",verdict="warn"}', 1.0),
        ("kasparro_judgements_unsure", 1.0),
        ("kasparro_catalog_version", 3.0),
        ("kasparro_catalog_published_version", 3.0),
        ("kasparro_database_up", 1.0),
    ):  # fmt: skip
        assert told[series] == value, series
    # The plan states no number for it: there is nothing to compare with.
    assert 'kasparro_source_month_calls_limit{source="coingecko"}' not in told


async def test_restart_loses_nothing_but_what_is_the_process_s_own(
    db: Database, api_settings: Settings, api: Server, market: Market
) -> None:
    """Another process on the same database tells the same of runs, rows, calls and budgets."""
    await _filled(market)
    kept = ("kasparro_run", "kasparro_source", "kasparro_stream", "kasparro_judgements", "kasparro_catalog")
    before = _lines(await _text(api), *kept)
    async with api_over(db, api_settings) as another:
        after = _lines(await _text(another), *kept)

    assert len(before) > 50
    assert after == before


async def test_several_scrapers_cost_the_database_one_reading(api: Server, market: Market) -> None:
    """Within a few seconds the figures are those that were read; later they are read anew."""
    await market.run(outcomes=BOTH)
    first = _lines(await _text(api), "kasparro_runs_total")
    await market.run(outcomes=BOTH)
    at_once = _lines(await _text(api), "kasparro_runs_total")
    await api.clock.sleep(KEPT_SECONDS)
    later = _lines(await _text(api), "kasparro_runs_total")

    assert [line.rpartition(" ")[2] for line in (*first, *at_once, *later)] == ["1.0", "1.0", "2.0"]


async def test_those_that_ask_at_once_wait_for_one_reading(api: Server, market: Market) -> None:
    """However long it takes: connections for readers are few, and whoever asks for coins needs them as well."""
    await market.run(outcomes=BOTH)
    await api.refresh()
    async with api.services.database.write() as conn:
        await conn.execute("LOCK TABLE runs")
        asked = [asyncio.create_task(api.get("/metrics")) for _ in range(4)]
        waiting = (
            "SELECT count(*) FROM pg_locks JOIN pg_database AS d ON d.oid = database WHERE NOT granted AND datname = current_database()"
        )
        while not await conn.fetchval(waiting):
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.2)
        reading = await conn.fetchval(waiting)

    told = [_series(body.decode()) for _, body, _ in await asyncio.gather(*asked)]

    assert reading == 1
    assert [one['kasparro_runs_total{status="succeeded",trigger="schedule"}'] for one in told] == [1, 1, 1, 1]


async def test_another_database_behind_the_address_is_counted_from_its_beginning(api: Server, market: Market) -> None:
    """Only new runs are read, but none of the old ones is told on where a backup of before them was put in their place."""
    for _ in range(3):
        await market.run(outcomes=BOTH)
    await _text(api)
    await market.execute("DELETE FROM runs WHERE run_id > 1")
    await api.clock.sleep(KEPT_SECONDS)

    told = _series(await _text(api))

    assert told['kasparro_runs_total{status="succeeded",trigger="schedule"}'] == 1
    assert told['kasparro_source_rows_total{source="coingecko",what="written"}'] == 90


async def test_run_at_work_is_counted_when_it_has_ended(api: Server, market: Market) -> None:
    """A run that is open is no part of the figures, and is not missed later."""
    await market.run(outcomes=BOTH)
    at_work = await market.run(status="running")
    first = _series(await _text(api))
    await market.execute("UPDATE runs SET status = 'failed', finished_at = $2, open = false WHERE run_id = $1", at_work, NOW)
    await api.clock.sleep(KEPT_SECONDS)
    later = _series(await _text(api))

    failed = 'kasparro_runs_total{status="failed",trigger="schedule"}'
    assert (first.get(failed), later[failed]) == (None, 1)


@pytest.mark.parametrize("is_known", [True, False])
async def test_metrics_are_told_while_the_database_is_away(api: Server, market: Market, is_known: bool) -> None:
    """The process's own and the last figures that were read, with when that was; the outage shows."""
    await market.run(outcomes=BOTH)
    await _text(api)
    await api.services.database.close()
    await api.clock.sleep(KEPT_SECONDS)
    api.services.catalog.database_error = "gone" if is_known else None

    status, body, _ = await api.get("/metrics")

    told = _series(body.decode())
    assert status == 200
    assert told["kasparro_database_up"] == (0 if is_known else 1)
    assert told['kasparro_runs_total{status="succeeded",trigger="schedule"}'] == 1
    assert told["kasparro_database_read_timestamp_seconds"] == NOW.timestamp()


async def test_page_and_metrics_tell_of_the_same_ones(api: Server, market: Market) -> None:
    """Every metric that is served is in docs/metrics.md with its type and labels, and the page knows no other."""
    await _filled(market)
    manners = Manners(10)
    api.services.manners["coingecko"] = manners  # type: ignore[index]  # a dict in tests
    await api.get("/coins/bitcoin")

    served: dict[str, Documented] = {}
    for family in text_string_to_metric_families(await _text(api)):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {label for sample in family.samples for label in sample.labels}
        served[name] = Documented(family.type, frozenset(labels - OF_HISTOGRAMS))

    assert served == _page()


async def test_prometheus_finds_no_fault_with_the_names(api: Server, market: Market) -> None:
    """Units, endings and helps are as Prometheus's own linter wants them."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    await _filled(market)
    text = await _text(api)
    checked = await asyncio.to_thread(
        subprocess.run, [promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (checked.stdout, checked.stderr, checked.returncode) == ("", "", 0)
