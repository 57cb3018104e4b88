"""A source that is away for a day: what is served meanwhile, what is said, and how it comes back."""

import random
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
import structlog

from kasparro.catalog.catalog import CatalogHolder
from kasparro.ingest.judge import PersonsJudge
from kasparro.ingest.run import run_once
from kasparro.pricing.staleness import STALE_AFTER
from kasparro.schedule import Runner
from kasparro.serving.dependencies import Dependencies
from kasparro.serving.readers import Readers
from kasparro.serving.standing import health_of
from kasparro.store.pool import Database
from tests.ingest.scene import Scene, scene

EVERY = timedelta(minutes=15)
OTHER = {"coingecko": "coinpaprika", "coinpaprika": "coingecko"}


class Watch:
    """What the service shows while time passes."""

    def __init__(self, here: Scene) -> None:
        self.here = here
        self.catalog = CatalogHolder(here.db, here.clock, list(here.ingest.settings.sources))
        self.services = Dependencies(
            settings=here.ingest.settings, clock=here.clock, catalog=self.catalog, database=here.db, runner=Runner(here.ingest),
            random=random.Random(1), outlooks=here.ingest, manners=here.ingest.http.manners, readers=Readers(self.catalog),
            judge=PersonsJudge(here.ingest.identity, here.db, here.ingest.settings, here.clock),
        )  # fmt: skip

    async def run(self) -> str:
        """The next scheduled run, and the catalog after it; the run's status."""
        self.here.pass_time(EVERY)
        summary = await run_once(self.here.ingest, "schedule")
        # The times of a run are the database's, whose clock does not jump along.
        async with self.here.db.connection() as conn:
            times = "UPDATE runs SET started_at = $2, finished_at = $2 WHERE run_id = $1"
            await conn.execute(times, summary.run_id, self.here.clock.now())
        await self.catalog.refresh()
        return summary.status

    def stale(self) -> dict[str, int]:
        """How many of the coins that only one source prices are stale, by that source."""
        prices = [entry for entry in self.catalog.current.entries.values() if entry.price is not None]
        return Counter(entry.sources[0] for entry in prices if "stale" in entry.price.flags and len(entry.sources) == 1)

    def served(self) -> set[str]:
        """The coins that /data serves."""
        entries = self.catalog.current.entries
        return {entries[key].coin_id for key in self.catalog.current.orders.rank}

    def calls(self, source: str) -> int:
        """How many calls came to a source so far."""
        return sum(seen.source == source for seen in self.here.upstream.requests)


@pytest.fixture
async def watch(db: Database) -> AsyncIterator[Watch]:
    """A service after two good runs."""
    async with scene(db, refresh_seconds=int(EVERY.total_seconds())) as here:
        found = Watch(here)
        assert [await found.run(), await found.run()] == ["succeeded", "succeeded"]
        yield found


@pytest.mark.parametrize(("source", "mode"), [("coingecko", "reset"), ("coinpaprika", "status")])
async def test_a_source_is_away_for_a_day(watch: Watch, source: str, mode: str) -> None:
    """All coins stay served, stale once an hour has passed and not before; it is named with since when, and looked at now and then."""
    served, last_seen = watch.served(), watch.here.upstream.observed_at
    fault = watch.here.upstream.strike(mode, source=source, status=503)
    calls, began = watch.calls(source), None
    with structlog.testing.capture_logs() as lines:
        for _ in range(96):
            assert await watch.run() == "degraded"
            began = began or watch.here.clock.now()
            assert watch.served() == served
            assert watch.stale()[OTHER[source]] == 0
            _check_health(watch, source, began)
            old = watch.here.clock.now() - last_seen > STALE_AFTER
            alone = {e.coin_id for e in watch.catalog.current.entries.values() if e.price is not None and e.sources == (source,)}
            assert watch.stale()[source] == (len(alone) if old else 0)
    told = Counter((line["event"], line.get("source")) for line in lines if line["log_level"] not in {"debug", "info"})
    assert told == {("source.trouble", source): 96}
    assert watch.calls(source) - calls <= 5 + 96

    fault.times = 0
    calls = watch.calls(source)
    assert await watch.run() == "succeeded"
    assert watch.stale() == {}
    assert watch.calls(source) - calls <= 10
    health = health_of(watch.services)
    assert (health.status, health.sources[source].breaker, health.sources[source].troubled_since) == ("ok", "closed", None)


def _check_health(watch: Watch, source: str, began: datetime) -> None:
    health = health_of(watch.services)
    one, other = health.sources[source], health.sources[OTHER[source]]
    assert (health.status, one.status, other.status) == ("degraded", "failed", "ok")
    assert [reason.partition(":")[0] for reason in health.reasons] == [source]
    assert one.troubled_since is not None
    assert abs(one.troubled_since - began) < timedelta(minutes=1)
    assert f"since {one.troubled_since:%Y-%m-%d %H:%M}" in health.reasons[0]
    assert one.breaker_since is None or one.breaker_since >= began - timedelta(minutes=1)


async def test_both_sources_are_away_for_a_day(watch: Watch) -> None:
    """Everything stays served and becomes stale; both come back in the first run after it."""
    served = watch.served()
    watch.here.upstream.strike("reset")
    for _ in range(96):
        assert await watch.run() == "failed"
        assert watch.served() == served
    assert all("stale" in e.price.flags for e in watch.catalog.current.entries.values() if e.price is not None)
    assert {s.breaker for s in health_of(watch.services).sources.values()} == {"open"}

    watch.here.upstream.faults.clear()
    assert await watch.run() == "succeeded"
    assert watch.stale() == {}
