"""A coin's series: what the server does to answer, over some hundred thousand rows."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from kasparro.store import queries, quotes
from kasparro.store.pool import Database
from tests.conftest import Cluster, make_settings

NOW = datetime(2026, 3, 10, tzinfo=UTC)
DAY = timedelta(days=1)
LISTINGS, DAYS = 2_000, 5


@pytest.fixture(scope="module")
async def grown(postgres: Cluster) -> AsyncIterator[Database]:
    """A database with five days of 2,000 listings, 240,000 quotes, and a year of daily candles of some."""
    name = await postgres.create()
    database = await Database.open(postgres.url(name), make_settings())
    async with database.write() as conn:
        await quotes.make_partitions(conn, [(NOW - DAY * n).date() for n in range(DAYS + 1)])
        await conn.execute(
            "INSERT INTO quotes SELECT l, 1, $1::timestamptz - n * interval '1 hour', 1, 1, 1, $1, $1"
            " FROM generate_series(1, $2::integer) AS n, generate_series(1, $3::integer) AS l",
            NOW, 24 * DAYS, LISTINGS,
        )  # fmt: skip
        for table, step, count, listings in (("candles_hourly", "1 hour", 24 * DAYS, LISTINGS), ("candles_daily", "24 hours", 400, 500)):
            await conn.execute(
                f"INSERT INTO {table} SELECT l * 2 - 1, $1::timestamptz - n * interval '{step}', 1, 1, 1, 1, 1"
                " FROM generate_series(1, $2::integer) AS n, generate_series(1, $3::integer) AS l",
                NOW, count, listings,
            )  # fmt: skip
        await conn.execute("INSERT INTO exchange_rates SELECT 'coingecko', 'c' || n % 60, $1::timestamptz - n * interval '1 minute', 1"
                           " FROM generate_series(1, 60000) AS n", NOW)  # fmt: skip
    async with database.connection() as conn:
        await conn.execute("ANALYZE")
    yield database
    await database.close()
    await postgres.drop(name)


async def plan(conn: asyncpg.Connection, sql: str, *arguments: str, mode: str) -> tuple[list[dict[str, Any]], float]:
    """The nodes of a query's plan and the milliseconds that carrying it out took. What it wrote is undone."""

    def flat(node: dict[str, Any]) -> list[dict[str, Any]]:
        return [node, *(below for child in node.get("Plans", ()) for below in flat(child))]

    transaction = conn.transaction()
    await transaction.start()
    try:
        await conn.execute(f"SET LOCAL plan_cache_mode = {mode}")
        await conn.execute(f"PREPARE asked AS {sql}")
        literals = ", ".join(f"'{argument}'" for argument in arguments)
        (explained,) = json.loads(await conn.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE asked({literals})"))
    finally:
        await transaction.rollback()
        await conn.execute("DEALLOCATE asked")
    return flat(explained["Plan"]), explained["Execution Time"]


IDS = "{7,1007}"
THREE_DAYS, FIVE_DAYS, YEAR = (str(NOW - DAY * n) for n in (3, 5, 365))
END, MOST = str(NOW), "10001"
ASKED = [
    ("history", "select_quotes", (IDS, THREE_DAYS, END, MOST)),
    ("history", "select_spans", (IDS, THREE_DAYS, END, MOST, "300")),
    ("history", "select_hourly_candles", (IDS, FIVE_DAYS, END, MOST)),
    ("history", "select_daily_candles", (IDS, YEAR, END, MOST)),
    ("history", "has_rates", ("c7",)),
    ("history", "select_rates", ("c7", f"{{{THREE_DAYS},{END}}}", "{coingecko,coinpaprika}")),
    ("candles", "roll_up_hours", (IDS, f"{{{THREE_DAYS},{THREE_DAYS}}}", THREE_DAYS, str(NOW - DAY * 3 + timedelta(hours=1)))),
    ("candles", "roll_up_days", (IDS, f"{{{THREE_DAYS},{THREE_DAYS}}}", THREE_DAYS, str(NOW - DAY * 2))),
]


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize(("noun", "name", "arguments"), ASKED, ids=[name for _, name, _ in ASKED])
async def test_no_table_is_read_from_end_to_end(grown: Database, noun: str, name: str, arguments: tuple[str, ...], mode: str) -> None:
    """One coin's series and its roll-up go by index, and leave alone the days that they are not asked for."""
    async with grown.connection() as conn:
        nodes, milliseconds = await plan(conn, queries.load(noun)[name], *arguments, mode=mode)
    read = [node["Node Type"] for node in nodes if "Relation Name" in node and node["Actual Loops"]]
    assert "Seq Scan" not in read
    days = {node["Relation Name"] for node in nodes if node.get("Relation Name", "").startswith("quotes_") and node["Actual Loops"]}
    assert len(days) <= 4
    assert milliseconds < 200  # some; a machine that has much else to do is allowed for
