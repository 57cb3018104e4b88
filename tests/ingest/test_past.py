"""The past that sources tell afterwards, from files and from a backfill, on the real database."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from kasparro.errors import AbortError, SkipError
from kasparro.ingest.past import Imported, backfill, take_body
from kasparro.ingest.run import Ingest, run_once
from kasparro.store.pool import Database
from tests.upstream.server import Upstream

NOW = datetime.now(UTC)
MIDNIGHT = NOW.replace(hour=0, minute=0, second=0, microsecond=0)


async def _listing(db: Database, source: str = "coingecko", source_id: str = "bitcoin") -> int:
    async with db.write() as conn:
        listing_id: int = await conn.fetchval(
            """INSERT INTO listings (source, source_id, symbol, name, active, first_seen_at, last_seen_at, evidence_run_id)
               VALUES ($1, $2, 'BTC', 'Bitcoin', true, now(), now(), 1) RETURNING listing_id""",
            source, source_id,
        )  # fmt: skip
        return listing_id


def _chart(points: list[tuple[datetime, float]]) -> bytes:
    return json.dumps({"prices": [[int(at.timestamp() * 1000), price] for at, price in points]}).encode()


async def _stored(db: Database) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    async with db.connection() as conn:
        quotes = await conn.fetch("SELECT listing_id, observed_at, price FROM quotes ORDER BY 1, 2")
        days = await conn.fetch("SELECT listing_id, opens_at, open, high, low, close, samples FROM candles_daily ORDER BY 1, 2")
    return [tuple(r) for r in quotes], [tuple(r) for r in days]


async def test_new_points_become_quotes_and_old_ones_daily_candles(ingest: Ingest, db: Database) -> None:
    """By whether raw quotes of their day are kept; the same payload again writes nothing."""
    listing_id = await _listing(db)
    old = MIDNIGHT - timedelta(days=200)
    points = [(old + timedelta(hours=h), price) for h, price in [(1, 3.0), (2, 9.0), (3, 1.0), (4, 5.0)]]
    points += [(MIDNIGHT - timedelta(days=30), 6.0), (NOW - timedelta(hours=1), 7.0)]
    # Milliseconds are all that the payload has.
    points = [(at.replace(microsecond=at.microsecond // 1000 * 1000), price) for at, price in points]

    first = await take_body(ingest, "coingecko", "bitcoin", _chart(points))
    stored = await _stored(db)
    again = await take_body(ingest, "coingecko", "bitcoin", _chart(points))

    assert (first.points, first.quotes, first.days) == (6, 2, 1)
    assert (again.points, again.quotes, again.days) == (6, 0, 0)
    rolled_up = [(listing_id, at.replace(hour=0, minute=0, second=0, microsecond=0), *[price] * 4, 1) for at, price in points[4:]]
    assert stored == (
        [(listing_id, at, price) for at, price in points[4:]],
        [(listing_id, old, 3.0, 9.0, 1.0, 5.0, 4), *rolled_up],
    )
    assert await _stored(db) == stored


async def test_what_is_known_better_stays(ingest: Ingest, db: Database) -> None:
    """A candle of more samples and a quote of the same time are never replaced; a candle of fewer samples is."""
    listing_id = await _listing(db)
    old, recent = MIDNIGHT - timedelta(days=100), MIDNIGHT - timedelta(days=1)
    later = old + timedelta(days=1)
    async with db.write() as conn:
        candles = "INSERT INTO candles_daily VALUES ($1, $2, 1, 1, 1, 1, 24), ($1, $3, 1, 1, 1, 1, 1)"
        await conn.execute(candles, listing_id, old, later)
        await conn.execute("SELECT make_day_partition('quotes', $1)", recent.date())
        await conn.execute("INSERT INTO quotes VALUES ($1, 1, $2, 1, NULL, NULL, now(), now())", listing_id, recent)

    hour = timedelta(hours=1)
    points = [(old, 2.0), (old + hour, 2.0), (later, 2.0), (later + hour, 3.0), (recent, 2.0)]
    done = await take_body(ingest, "coingecko", "bitcoin", _chart(points))

    assert (done.quotes, done.days) == (0, 1)
    assert await _stored(db) == (
        [(listing_id, recent, 1.0)],
        [(listing_id, old, 1.0, 1.0, 1.0, 1.0, 24), (listing_id, old + timedelta(days=1), 2.0, 3.0, 2.0, 3.0, 2)],
    )


async def test_an_unknown_listing_is_refused(ingest: Ingest) -> None:
    """The past of a listing that no source has named belongs to nobody."""
    with pytest.raises(SkipError, match="run-etl"):
        await take_body(ingest, "coingecko", "nobody", _chart([(NOW, 1.0)]))


async def _backfill(ingest: Ingest, source: int, days: int, top: int, *, again: bool = False) -> list[Imported]:
    return [done async for done in backfill(ingest, ingest.sources[source], days, top, again=again)]


async def _calls(db: Database) -> dict[str, int]:
    async with db.connection() as conn:
        return dict(await conn.fetch("SELECT source, calls FROM budgets"))


async def test_a_backfill_asks_once_for_what_is_traded_most(ingest: Ingest, db: Database, upstream: Upstream) -> None:
    """Of each source, counting its calls; a second time nothing is asked, more listings are gone on with, and newest prices stay."""
    await run_once(ingest, "command")
    before = await _calls(db)
    async with db.connection() as conn:
        newest = await conn.fetch("SELECT * FROM latest_quotes ORDER BY listing_id")
    upstream.requests.clear()

    gecko, paprika = await _backfill(ingest, 0, 60, 3), await _backfill(ingest, 1, 365, 2)

    assert [r.path.rpartition("/")[2] for r in upstream.requests] == ["market_chart"] * 3 + ["historical"] * 2
    assert all(done.error is None and done.points > 0 and done.quotes > 0 and done.days > 0 for done in gecko + paprika)
    assert await _calls(db) == {"coingecko": before["coingecko"] + 3, "coinpaprika": before["coinpaprika"] + 2}
    assert await _backfill(ingest, 0, 60, 3) == []
    assert len(await _backfill(ingest, 0, 60, 4)) == 1
    again = await _backfill(ingest, 0, 60, 1, again=True)
    assert [(done.quotes, done.days) for done in again] == [(0, 0)]
    async with db.connection() as conn:
        assert await conn.fetch("SELECT * FROM latest_quotes ORDER BY listing_id") == newest
    upstream.requests.clear()
    await run_once(ingest, "command", full=True)
    assert not [r for r in upstream.requests if r.path.endswith(("market_chart", "historical"))]


async def test_a_backfill_ends_with_the_month_and_goes_on(ingest: Ingest, db: Database) -> None:
    """It stops before the call that the month does not have, says when it goes on, and asks then for what is left."""
    await run_once(ingest, "command")
    used = (await _calls(db))["coingecko"]
    plenty = ingest.settings
    ours = msgspec.structs.replace(plenty.sources["coingecko"], calls_per_month=used + 2)
    ingest.settings = msgspec.structs.replace(plenty, sources=plenty.sources | {"coingecko": ours})
    done: list[Imported] = []

    async def gather() -> None:
        async for one in backfill(ingest, ingest.sources[0], 30, 5, again=False):
            done.append(one)  # noqa: PERF401  # what came before the error counts

    with pytest.raises(AbortError, match="calls are spent"):
        await gather()
    ingest.settings = plenty
    rest = await _backfill(ingest, 0, 30, 5)

    assert (len(done), len(rest), (await _calls(db))["coingecko"]) == (2, 3, used + 5)
    assert {one.source_id for one in done}.isdisjoint(one.source_id for one in rest)


async def test_a_listing_without_past_costs_itself(ingest: Ingest, db: Database, upstream: Upstream) -> None:
    """Its error is told and the next one is asked; three in a row end it, and what was asked for in vain is asked for again."""
    await run_once(ingest, "command")
    upstream.strike("status", path="", status=404, times=1)

    first = await _backfill(ingest, 0, 30, 2)

    assert [done.error is None for done in first] == [False, True]
    assert len(await _backfill(ingest, 0, 30, 2)) == 1
