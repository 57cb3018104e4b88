"""What a month of quotes costs: `make bench-history`. 20 million, as the default schedule writes them, in a database of its own.

It takes some minutes and 5 GB of disk, which are given back at the end; `ARGS='--quotes 2000000'` is smaller. What is asked stands
in `history_queries.py`.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import asyncpg

from kasparro.demo.answers import Answers
from kasparro.demo.market import made_market
from kasparro.records import Quote
from kasparro.settings import load
from kasparro.store import history as stored
from kasparro.store import partitions, prices, quotes, raw_pages
from kasparro.store.embedded import open_embedded
from kasparro.store.migrate import migrate
from kasparro.store.pool import Database
from tests.benchmarks import history_queries as sql
from tests.benchmarks.report import Bound, Line, Topic, say, show, write

QUOTES = 20_000_000
OFTEN, LISTINGS = 2_000, 21_600  # listings that are quoted every five minutes, and all of them
OFTEN_SECONDS, SELDOM_SECONDS = 300, 20_100  # 2,000 * 288 and 19,600 * 4.3: 660,000 quotes a day
A_DAY = OFTEN * 86_400 // OFTEN_SECONDS + (LISTINGS - OFTEN) * 86_400 // SELDOM_SECONDS
EARLY = 1_000_000  # how many quotes are "few"
RUN_ROWS = (("coinpaprika", 2_000), ("coingecko", 250))  # of an ordinary run on the free plans
BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)
KEPT_DAYS, HOURLY_DAYS, RAW_DAYS, RAW_MEGABYTES = 30, 90, 3, 500  # the settings' defaults
# CoinGecko's calls in thirty days, as docs/budget.md measured them; 231 of them are for the slow streams.
PLANS = {"keyless": 180_898, "demo": 9_490, "basic": 94_940, "analyst": 474_741, "lite": 682_786}
SLOW_CALLS, BATCH_ROWS, TICKERS_CALLS, TICKERS_ROWS = 231, 250, 8_640, 2_000
SAMPLES, WARM_UP = 100, 10
POINTS_MAX = 10_000


class History:
    """A database that fills, a day at a time."""

    def __init__(self, database: Database) -> None:
        self._database, self._random, self._run_id = database, Random(1), 1
        self.days = 0
        self.load_seconds = 0.0

    async def prepare(self) -> None:
        """Everything but history: listings, coins and what stands published."""
        async with self._database.connection() as conn:
            for statement in sql.MARKET:
                await conn.execute(statement.format(often=OFTEN, listings=LISTINGS))

    async def add_day(self) -> None:
        """A day's quotes, in the order in which runs bring them."""
        began, day = time.perf_counter(), BEGIN + self.days * DAY
        async with self._database.connection() as conn:
            await quotes.make_partitions(conn, [day.date()])
            await conn.execute(sql.QUOTES_OF_A_DAY, day, OFTEN, LISTINGS, OFTEN_SECONDS, SELDOM_SECONDS, timeout=600)
        self.days += 1
        self.load_seconds += time.perf_counter() - began

    async def add_prices(self, days: int) -> None:
        """As many prices as quotes, for a few of the days: enough to weigh them."""
        async with self._database.connection() as conn:
            for day in (BEGIN + n * DAY for n in range(days)):
                await partitions.make(conn, ["prices"], [day.date()])
                await conn.execute(sql.PRICES_OF_A_DAY, day, OFTEN, LISTINGS, OFTEN_SECONDS, SELDOM_SECONDS, timeout=600)

    async def add_candles(self) -> None:
        """A year of daily candles and a month of hourly ones, of the listings that are quoted often."""
        async with self._database.connection() as conn:
            await conn.execute(sql.DAILY, BEGIN, OFTEN, timeout=600)
            for day in (BEGIN + n * DAY for n in range(self.days)):
                await partitions.make(conn, ["candles_hourly"], [day.date()])
                await conn.execute(sql.HOURLY_OF_A_DAY, day, OFTEN, timeout=600)

    async def settle(self) -> None:
        """Let the planner know, and write out what is still to be written: nothing of it is what is measured."""
        async with self._database.connection() as conn:
            await conn.execute("VACUUM ANALYZE", timeout=600)
            await conn.execute("CHECKPOINT", timeout=600)

    async def run_milliseconds(self) -> float:
        """What the quotes of an ordinary run and their candles take to be written, on a day that begins: the median of 30."""
        day = BEGIN + self.days * DAY
        async with self._database.write() as conn:
            await quotes.make_partitions(conn, [day.date()])
        taken = []
        for n in range(WARM_UP + 30):
            now = day + timedelta(seconds=(n + 1) * OFTEN_SECONDS)
            self._run_id += 1
            parts = [(source, self._quotes(source, rows, now)) for source, rows in RUN_ROWS]
            began = time.perf_counter()
            for source, some in parts:
                async with self._database.write() as conn:
                    await quotes.write(conn, source, some, run_id=self._run_id, kept_from=BEGIN, fetched_at=now, now=now)
            taken.append(1_000 * (time.perf_counter() - began))
        async with self._database.connection() as conn:
            for table in ("quotes", "candles_hourly"):
                await partitions.drop(conn, table, day.date(), lock_wait_seconds=1)
            await conn.execute("DELETE FROM candles_daily WHERE opens_at = $1", day)
        return median(taken[WARM_UP:])

    def _quotes(self, source: str, rows: int, at: datetime) -> list[Quote]:
        raw = json.dumps({"id": "made", "last_updated": at.isoformat(), "text": "x" * 700}).encode()
        first = 1 if source == "coinpaprika" else OFTEN + 1
        return [
            Quote(
                source_id=f"made-{n}",
                observed_at=at,
                price=1.0 + self._random.random(),
                market_cap=1e9,
                volume_24h=1e6,
                ath_price=None,
                ath_at=None,
                raw=raw,
            )
            for n in range(first, first + rows)
        ]

    async def milliseconds(self, ask: Callable[[asyncpg.Connection, int], Awaitable[Any]]) -> tuple[float, float, float]:
        """Median and 95th percentile of what a question about a listing takes, and the rows of its answers."""
        taken, rows = [], 0
        async with self._database.connection() as conn:
            for n in range(WARM_UP + SAMPLES):
                listing = self._random.randrange(1, OFTEN - 100)
                began = time.perf_counter()
                found = await ask(conn, listing)
                taken.append(1_000 * (time.perf_counter() - began))
                rows = len(found)
                if n == WARM_UP - 1:
                    taken.clear()
        return median(taken), sorted(taken)[int(0.95 * len(taken))], rows

    async def drop_milliseconds(self) -> float:
        """What it takes to give up the oldest day, median of five. Readers wait for less: files are deleted after the locks are gone."""
        taken = []
        for n in range(min(5, self.days - 1)):
            began = time.perf_counter()
            async with self._database.write() as conn:
                await partitions.drop(conn, "quotes", (BEGIN + n * DAY).date(), lock_wait_seconds=1)
            taken.append(1_000 * (time.perf_counter() - began))
        return median(taken)

    async def bytes_each(self, table: str) -> float:
        """Bytes that a row takes with its indexes."""
        async with self._database.connection() as conn:
            return float(await conn.fetchval(sql.BYTES, table) / await conn.fetchval(f"SELECT count(*) FROM {table}"))


async def _speed(history: History, early: float, late: float) -> Topic:
    now = BEGIN + history.days * DAY
    hundred = list(range(1, 101))

    async def raw(conn: asyncpg.Connection, listing_ids: Sequence[int], span: timedelta) -> list[Any]:
        return await stored.quotes(conn, listing_ids, now - span, now, POINTS_MAX)

    async def candles(conn: asyncpg.Connection, interval: str, listings: Sequence[Sequence[int]], span: timedelta) -> list[Any]:
        return [c for ids in listings for c in await stored.candles(conn, interval, ids, now - span, now, POINTS_MAX)]

    questions: list[tuple[str, Callable[[asyncpg.Connection, int], Awaitable[Any]], float | None]] = [
        ("one coin's day, raw", lambda c, n: raw(c, [n], DAY), None),
        ("its three days, raw", lambda c, n: raw(c, [n], 3 * DAY), 5.0),
        ("its month, raw", lambda c, n: raw(c, [n], 30 * DAY), None),
        ("its month by the hour", lambda c, n: candles(c, "1h", [[n]], 30 * DAY), None),
        ("its year by the day", lambda c, n: candles(c, "1d", [[n]], 365 * DAY), 5.0),
        ("100 coins' day by the hour", lambda c, n: candles(c, "1h", [[n + i] for i in hundred], DAY), None),
        ("100 coins' month by the day", lambda c, n: candles(c, "1d", [[n + i] for i in hundred], 30 * DAY), None),
        ("newest quotes of 100 coins", lambda c, n: quotes.of_coins(c, [n + i for i in hundred]), None),
        ("newest prices of 100 coins", lambda c, n: prices.latest(c, [n + i for i in hundred]), None),
    ]
    lines = []
    for what, ask, most in questions:
        middle, high, rows = await history.milliseconds(ask)
        bounds = [] if most is None else [Bound(middle, most, f"{most:g} ms")]
        lines.append(Line(what, {"ms": middle, "ms, 95 %": high, "rows": rows}, bounds))
    lines += [
        Line("a run's quotes, few rows", {"ms": early, "rows": sum(rows for _, rows in RUN_ROWS)}),
        Line("a run's quotes, all rows", {"ms": late, "rows": sum(rows for _, rows in RUN_ROWS)}, [Bound(late / early, 1.3, "1.3 x few")]),
    ]
    dropped = await history.drop_milliseconds()
    lines.append(Line("dropping a day", {"ms": dropped, "rows": A_DAY}, [Bound(dropped, 50.0, "50 ms")]))
    return Topic(f"With {history.days * A_DAY:,} quotes in {history.days} days", lines, [f"few: {_early_days() * A_DAY:,} quotes"])


def _raw_bytes() -> tuple[float, float]:
    """Bytes of the stored answers of a batch and of the tickers, for each row, on the made-up market."""
    answers = Answers(made_market(2_000, 2_600, 2_000), BEGIN)
    answers.move(5, 300)
    batch = answers.gecko("/coins/markets", {"per_page": str(BATCH_ROWS)})
    tickers = answers.paprika("/tickers", {})
    each = [len(raw_pages.compressed(json.dumps(rows, separators=(",", ":")).encode())) / len(rows) for rows in (batch, tickers)]
    return each[0], each[1]


async def _disk(history: History) -> list[Topic]:
    quote, price = await history.bytes_each("quotes"), await history.bytes_each("prices")
    hourly, daily = await history.bytes_each("candles_hourly"), await history.bytes_each("candles_daily")
    batch, ticker = _raw_bytes()
    each = {
        "quote": quote,
        "price": price,
        "hourly candle": hourly,
        "daily candle": daily,
        "raw CoinGecko row": batch,
        "raw ticker": ticker,
    }
    lines = []
    for plan, calls in PLANS.items():
        gecko, paprika = (calls - SLOW_CALLS) * BATCH_ROWS, TICKERS_CALLS * TICKERS_ROWS
        raw = min(RAW_MEGABYTES * 1e6, RAW_DAYS / 30 * (gecko * batch + paprika * ticker))
        # A listing has a candle for each hour in which it was quoted: at most 24 a day.
        candles = OFTEN * 24 + min((LISTINGS - OFTEN) * 24, gecko / 30)
        figures = {
            "million quotes\na month": (gecko + paprika) / 1e6,
            "quotes\nGB": (gecko + paprika) / 30 * KEPT_DAYS * quote / 1e9,
            "prices\nGB a month": (gecko + paprika) * price / 1e9,
            "raw\nGB": raw / 1e9,
            "hourly\nGB": candles * HOURLY_DAYS * hourly / 1e9,
            "daily\nGB a year": LISTINGS * 365 * daily / 1e9,
        }
        lines.append(Line(plan, dict(figures)))
    notes = [
        "at most: a row that says nothing new is not written, and prices are not more than quotes",
        f"kept: quotes {KEPT_DAYS} days, hourly candles {HOURLY_DAYS}, raw answers {RAW_DAYS} days and {RAW_MEGABYTES} MB",
    ]
    return [
        Topic("Bytes of a row, with its indexes", [Line(what, {"bytes": value}) for what, value in each.items()]),
        Topic("Disk by CoinGecko's plan, CoinPaprika's free one beside it", lines, notes),
    ]


def _early_days() -> int:
    return -(-EARLY // A_DAY)


async def measure(total: int) -> list[Topic]:
    """Fill a database and ask it."""
    days = max(_early_days() + 2, round(total / A_DAY))
    with tempfile.TemporaryDirectory(prefix="kasparro-history-") as folder:
        server = await open_embedded(Path(folder), serve=False, durable=False)
        database = await Database.open(server.url, load({"KASPARRO_DATA_DIR": folder}))
        try:
            await migrate(database.connection)
            history = History(database)
            await history.prepare()
            early = 0.0
            while history.days < days:
                await history.add_day()
                say(f"  day {history.days} of {days}, {history.load_seconds:.0f} s")
                if history.days == _early_days():
                    await history.settle()
                    early = await history.run_milliseconds()
            await history.add_candles()
            await history.add_prices(2)
            say("  settling")
            await history.settle()
            disk = await _disk(history)
            return [await _speed(history, early, await history.run_milliseconds()), *disk]
        finally:
            await database.close()
            await server.close()


def main() -> None:
    """Measure and show."""
    parser = argparse.ArgumentParser(prog="make bench-history ARGS='...'", description=__doc__)
    parser.add_argument("--quotes", type=int, default=QUOTES, help=f"how many ({QUOTES:,})")
    parser.add_argument("--json", type=Path, metavar="FILE", help="all figures of this run")
    given = parser.parse_args(sys.argv[1:])
    topics = asyncio.run(measure(given.quotes))
    show(topics)
    if given.json is not None:
        write(topics, given.json)


if __name__ == "__main__":
    main()
