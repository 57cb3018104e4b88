"""Candles: whatever comes in whatever order, they equal a recount from the raw rows."""

import os
import random
from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from kasparro.records import Listing, Quote
from kasparro.store import candles, listings, partitions, quotes
from kasparro.store.pool import Database
from tests.conftest import Cluster, make_settings

# Berlin sets its clocks on at one o'clock UTC of the second day: its day has 23 hours.
FIRST = datetime(2026, 3, 28, tzinfo=UTC)
DAYS = [FIRST.date() + timedelta(days=n) for n in range(4)]
LAST = FIRST + timedelta(days=4, microseconds=-1)
IDS = [f"coin-{n}" for n in range(6)]


@pytest.fixture
async def berlin(postgres: Cluster) -> AsyncIterator[Database]:
    """A database whose sessions are in a time zone with summer time."""
    name = await postgres.create()
    await postgres._execute(f"ALTER DATABASE {name} SET timezone = 'Europe/Berlin'")
    database = await Database.open(postgres.url(name), make_settings())
    async with database.write() as conn:
        assert await conn.fetchval("SHOW timezone") == "Europe/Berlin"
        await quotes.make_partitions(conn, DAYS)
        found = [Listing(source="coingecko", source_id=i, symbol=i, name=i, active=True) for i in IDS]
        await listings.write(conn, "coingecko", found, FIRST, run_id=1, authoritative=True)
    yield database
    await database.close()
    await postgres.drop(name)


def quote(source_id: str, at: datetime, price: float, market_cap: float | None = None) -> Quote:
    """A quote of a listing."""
    return Quote(
        source_id=source_id, price=price, observed_at=at, market_cap=market_cap, volume_24h=None,
        ath_price=None, ath_at=None, raw=b"{}",
    )  # fmt: skip


async def write(conn: Any, rows: list[Quote], *, fetched_at: datetime = FIRST, is_replayed: bool = False) -> None:
    """Write quotes as a run would."""
    await quotes.write(
        conn, "coingecko", rows, run_id=1, kept_from=FIRST, fetched_at=fetched_at, now=FIRST + timedelta(days=9), is_replayed=is_replayed
    )


def recount(rows: list[Any], span: timedelta, origin: datetime) -> dict[tuple[int, datetime], tuple[Any, ...]]:
    """The candles that raw rows make, counted in the plainest way."""
    buckets = defaultdict(list)
    for row in sorted(rows, key=lambda row: row["observed_at"]):
        opens_at = origin + (row["observed_at"] - origin) // span * span
        buckets[row["listing_id"], opens_at].append(row)
    return {
        key: (
            some[0]["price"], max(r["price"] for r in some), min(r["price"] for r in some), some[-1]["price"], len(some),
            some[-1]["market_cap"], some[-1]["volume_24h"],
        )
        for key, some in buckets.items()
    }  # fmt: skip


async def assert_equal_to_a_recount(database: Database, origin: datetime = FIRST) -> None:
    """Every candle there should be is there as it should be, and none else. `origin` is some midnight UTC."""
    async with database.connection() as conn:
        raw = await conn.fetch("SELECT * FROM quotes")
        for table, span in (("candles_hourly", timedelta(hours=1)), ("candles_daily", timedelta(days=1))):
            rows = await conn.fetch(f"SELECT * FROM {table}")
            assert {(r["listing_id"], r["opens_at"]): tuple(r)[2:] for r in rows} == recount(raw, span, origin)


async def test_candles_equal_a_recount_whatever_comes_in_whatever_order(berlin: Database) -> None:
    """Late rows, revised rows, replays, rolled back transactions and a clock that jumps, in a time zone with summer time."""
    seed = int(os.environ.get("KASPARRO_TEST_SEED", random.SystemRandom().randrange(2**32)))
    print(f"KASPARRO_TEST_SEED={seed}")  # noqa: T201  # shown where the test fails
    chance = random.Random(seed)
    said: list[list[Quote]] = []
    for number in range(60):
        what = chance.random()
        if said and what < 0.2:
            rows = chance.choice(said)  # the same again
        elif said and what < 0.4:
            rows = [quote(q.source_id, q.observed_at, q.price * chance.uniform(0.5, 2)) for q in chance.choice(said)]
        else:
            at = FIRST + timedelta(seconds=chance.randrange(4 * 86_400))
            spread = chance.choice([0, 7_200, 90_000])
            times = {i: at + timedelta(seconds=chance.randint(0, spread)) for i in chance.sample(IDS, chance.randint(1, len(IDS)))}
            rows = [quote(i, min(t, LAST), chance.uniform(1, 9), chance.choice([None, 5.0])) for i, t in times.items()]
        said.append(rows)
        fails = chance.random() < 0.15
        try:
            async with berlin.write() as conn:
                await write(conn, rows, fetched_at=FIRST + timedelta(seconds=number), is_replayed=chance.random() < 0.3)
                if fails:
                    raise LookupError  # noqa: TRY301  # as if the process had died
        except LookupError:
            pass
        if number % 10 == 9:
            await assert_equal_to_a_recount(berlin)


async def test_candles_open_on_the_hour_and_day_of_utc(berlin: Database) -> None:
    """The day on which Berlin sets its clocks on has 24 hours here, from midnight UTC."""
    async with berlin.write() as conn:
        for n in range(24):
            await write(conn, [quote("coin-0", FIRST + timedelta(days=1, hours=n, minutes=30), 1.0 + n)])
        hours = await conn.fetch("SELECT opens_at FROM candles_hourly ORDER BY 1")
        days = await conn.fetch("SELECT opens_at, open, close, samples FROM candles_daily")
    assert [row["opens_at"] for row in hours] == [FIRST + timedelta(days=1, hours=n) for n in range(24)]
    assert [tuple(row) for row in days] == [(FIRST + timedelta(days=1), 1.0, 24.0, 24)]


async def test_a_candle_knows_more_than_what_is_left_of_its_raw_rows(berlin: Database) -> None:
    """A late row of a day that was dropped, as after a clock set back, takes nothing away from the candle."""
    async with berlin.write() as conn:
        for n in range(3):
            await write(conn, [quote("coin-0", FIRST + timedelta(minutes=n), 1.0 + n)])
        await partitions.drop(conn, "quotes", DAYS[0], lock_wait_seconds=1)
        await quotes.make_partitions(conn, DAYS)
        await write(conn, [quote("coin-0", FIRST + timedelta(minutes=9), 99.0)])
        for table in ("candles_hourly", "candles_daily"):
            assert tuple(await conn.fetchrow(f"SELECT high, samples FROM {table}")) == (3.0, 3)


async def test_a_day_without_candles_is_rolled_up_whole_and_once(berlin: Database) -> None:
    """Raw rows that were put in without candles get those that a recount has; a day that has candles is left alone."""
    async with berlin.write() as conn:
        await conn.execute(
            "INSERT INTO quotes SELECT 1 + n % 6, 1, $1::timestamptz + n * interval '97 seconds', 1 + n % 17, n, NULL, $1, $1"
            " FROM generate_series(0, 890) AS n",
            FIRST,
        )
        assert await candles.roll_up_day(conn, DAYS[0])
        assert not await candles.roll_up_day(conn, DAYS[0])
        assert not await candles.roll_up_day(conn, DAYS[2])
        await conn.execute("DELETE FROM quotes WHERE observed_at >= $1", FIRST + timedelta(days=1))
    await assert_equal_to_a_recount(berlin)


async def test_days_are_listed_and_dropped(berlin: Database) -> None:
    """A table's partitions are known by their days; dropping one that is not there does nothing."""
    async with berlin.write() as conn:
        assert await partitions.days(conn, "quotes") == DAYS
        assert await partitions.drop(conn, "quotes", DAYS[1], lock_wait_seconds=1)
        assert not await partitions.drop(conn, "quotes", DAYS[1], lock_wait_seconds=1)
        assert not await partitions.drop(conn, "quotes", date(2020, 1, 1), lock_wait_seconds=1)
        assert await partitions.days(conn, "quotes") == [DAYS[0], *DAYS[2:]]
