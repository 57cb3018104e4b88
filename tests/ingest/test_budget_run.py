"""Runs that ask by batches and count what they spend, against a real database."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from kasparro.ingest.run import Ingest, run_once
from kasparro.records import RunSummary
from kasparro.store.pool import Database
from tests.upstream.server import Upstream

MONTH = datetime.now(UTC).date().replace(day=1)


def one_attempt(ingest: Ingest, source: str = "coingecko", **limits: int) -> None:
    """Let calls not be repeated, and a source have other limits."""
    sources = dict(ingest.settings.sources)
    sources[source] = msgspec.structs.replace(sources[source], **limits)
    ingest.settings = ingest.http._settings = msgspec.structs.replace(ingest.settings, request_attempts_max=1, sources=sources)


async def spent(db: Database, source: str = "coingecko") -> int:
    """Calls counted against this month."""
    async with db.connection() as conn:
        return await conn.fetchval("SELECT calls FROM budgets WHERE source = $1 AND month = $2", source, MONTH) or 0


async def age(db: Database, by: timedelta, stream: str = "%") -> None:
    """Let parts have been committed, and batches laid, so much earlier."""
    async with db.connection() as conn:
        await conn.execute(
            "UPDATE checkpoints SET committed_at = committed_at - $1::interval, laid_at = laid_at - $1::interval WHERE stream LIKE $2",
            by,
            stream,
        )


def asked(upstream: Upstream) -> list[list[str]]:
    """The ids that markets were asked for since the last look."""
    found = [r.query["ids"].split(",") for r in upstream.requests if "ids" in r.query]
    upstream.requests.clear()
    return found


def of(summary: RunSummary, source: str = "coingecko") -> tuple[str, str | None]:
    """A source's outcome and its reason."""
    return next((s.outcome, s.error) for s in summary.sources if s.source == source)


async def test_after_the_first_sweep_the_market_is_asked_for_by_batches(ingest: Ingest, db: Database, upstream: Upstream) -> None:
    """Every active listing is in one batch, those that trade most in the first, and another process asks for the same ones."""
    await run_once(ingest, "schedule")
    pages = upstream.count("/coins/markets")
    assert asked(upstream) == []

    await run_once(ingest, "command", full=True)
    first = asked(upstream)
    await run_once(ingest, "command", full=True)

    assert asked(upstream) == first
    volumes = {r["id"]: r["total_volume"] for r in upstream.market.gecko_markets}
    ids = [i for some in first for i in some]
    assert pages == 3
    assert sorted(ids) == sorted(r["id"] for r in upstream.market.gecko_list)
    assert [len(some) for some in first] == [250, 250, 100, 60]
    assert [volumes[i] for i in ids[:600]] == sorted(volumes.values(), reverse=True)


async def test_a_scheduled_run_asks_for_what_is_due(ingest: Ingest, db: Database, upstream: Upstream) -> None:
    """Shortly after a run for nothing; when the interval has passed, for the batches, whose prices are then the newest."""
    await run_once(ingest, "schedule")
    await run_once(ingest, "schedule")
    assert upstream.count("/coins/markets") == 3
    upstream.tick(2)
    await age(db, timedelta(minutes=6))

    summary = await run_once(ingest, "schedule")

    assert of(summary) == ("succeeded", None)
    assert [len(some) for some in asked(upstream)] == [250, 250, 100]
    async with db.connection() as conn:
        price = await conn.fetchval(
            "SELECT price FROM latest_quotes JOIN listings USING (listing_id) WHERE source = 'coingecko' AND source_id = 'bitcoin'"
        )
    assert price == upstream.price("bitcoin")


async def test_a_new_listing_joins_a_batch_in_the_next_run(ingest: Ingest, db: Database, upstream: Upstream) -> None:
    """The list brings it, its price is asked for at once, and the others' batches stay as they are."""
    upstream.removed.add("bitcoin")
    upstream.changed()
    await run_once(ingest, "command")
    await run_once(ingest, "command")
    upstream.removed.clear()
    upstream.changed()
    await age(db, timedelta(days=2), "coingecko.list")
    await run_once(ingest, "schedule")
    asked(upstream)

    await run_once(ingest, "schedule")

    assert asked(upstream) == [["bitcoin"]]


async def test_batches_are_laid_anew_after_a_day(ingest: Ingest, db: Database, upstream: Upstream) -> None:
    """By what is traded then; what vanished from the list is asked for no more."""
    await run_once(ingest, "command")
    await run_once(ingest, "command")
    upstream.removed.update(["tether", "solana"])
    upstream.changed()
    await age(db, timedelta(days=2))
    await run_once(ingest, "command")
    asked(upstream)
    await age(db, timedelta(days=2))

    await run_once(ingest, "command")

    ids = {i for some in asked(upstream) for i in some}
    assert "bitcoin" in ids
    assert not ids & {"tether", "solana"}


@pytest.mark.parametrize("mode", ["shrink", "empty"])
async def test_a_shrunken_batch_is_refused(ingest: Ingest, db: Database, upstream: Upstream, mode: str) -> None:
    """Its checkpoint does not move, and the reason says so."""
    await run_once(ingest, "command")
    one_attempt(ingest)
    upstream.strike(mode, "/coins/markets")

    summary = await run_once(ingest, "command", sources=["coingecko"])

    outcome, error = of(summary)
    assert outcome == "failed"
    assert "batch:0: the answer " in (error or "")
    async with db.connection() as conn:
        assert await conn.fetchval("SELECT max(sweep) FROM checkpoints WHERE stream = 'coingecko.markets'") == 1


async def test_every_call_that_brought_an_answer_is_counted(ingest: Ingest, db: Database, upstream: Upstream) -> None:
    """Also where the answer was refused; calls that were refused or got no answer cost nothing."""
    await run_once(ingest, "command")
    first, calls = await spent(db), len([r for r in upstream.requests if r.source == "coingecko"])
    assert first == calls
    one_attempt(ingest)
    upstream.strike("empty", "/coins/markets", times=1)
    upstream.strike("status", "/coins/markets", times=1, status=500)

    summary = await run_once(ingest, "command", sources=["coingecko"])

    assert summary.sources[0].calls == 3
    assert await spent(db) == first + 2


async def test_calls_of_a_run_that_brought_nothing_are_counted_at_its_end(ingest: Ingest, db: Database, upstream: Upstream) -> None:
    """No commit counts them, since there is none."""
    one_attempt(ingest)
    upstream.strike("empty")

    summary = await run_once(ingest, "command", sources=["coingecko"])

    assert summary.sources[0].rows_written == 0
    assert await spent(db) == summary.sources[0].calls > 0


async def test_a_repeated_call_is_counted_where_it_was_answered(ingest: Ingest, db: Database, upstream: Upstream) -> None:
    """An answer in which an error hides was one that the source counts, too."""
    upstream.strike("garbage", "/exchange_rates", times=1)

    await run_once(ingest, "command", sources=["coingecko"])

    assert await spent(db) == len(upstream.requests) == 6


async def test_a_month_that_is_spent_says_what_to_do(ingest: Ingest, db: Database, upstream: Upstream) -> None:
    """The schedule leaves the last twentieth alone, a person may spend it, and nobody goes beyond the whole."""
    one_attempt(ingest, calls_per_month=100)
    async with db.connection() as conn:
        await conn.execute("INSERT INTO budgets VALUES ('coingecko', $1, 95)", MONTH)

    scheduled = await run_once(ingest, "schedule", sources=["coingecko"])
    assert upstream.requests == []
    by_hand = await run_once(ingest, "command", sources=["coingecko"])

    outcome, error = of(scheduled)
    assert outcome == "skipped"
    assert all(word in (error or "") for word in ("100 calls are spent", "COINGECKO_CALLS_PER_MONTH", "UTC", "kasparro run-etl"))
    assert of(by_hand)[0] == "succeeded"
    assert await spent(db) == 100
    assert of(await run_once(ingest, "command", sources=["coingecko"]))[0] == "skipped"
    assert await spent(db) == 100
