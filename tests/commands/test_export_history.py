"""`kasparro export history`: the quotes and candles of coins, on a real database."""

import csv
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from kasparro.store.pool import Database
from tests.api.factory import Market
from tests.commands.test_export import export_as_process

DAY = datetime(2026, 3, 1, tzinfo=UTC)


async def _fill(db: Database) -> None:
    """Two coins, of which one has two listings, with three quotes and two candles for each listing."""
    market = Market(db)
    await market.coin("b-coin", 2.5, sources=("coingecko", "coinpaprika"))
    await market.coin("a-coin", 1.0)
    async with db.write() as conn:
        for day in range(3):
            at = DAY + timedelta(days=day)
            await conn.execute("SELECT make_day_partition('quotes', $1)", at.date())
            await conn.execute("SELECT make_day_partition('candles_hourly', $1)", at.date())
            await conn.execute(
                """INSERT INTO quotes (listing_id, run_id, observed_at, price, market_cap, fetched_at, recorded_at)
                   SELECT listing_id, 1, $1, listing_id + 0.1, NULL, $1, $1 FROM listings ON CONFLICT DO NOTHING""",
                at,
            )
            for table in ("candles_hourly", "candles_daily"):
                await conn.execute(
                    f"INSERT INTO {table} SELECT listing_id, $1, 1, 3, 0.5, 2, 7 FROM listings",
                    at,
                )


async def test_history_is_read_through_the_judgements(db: Database, database_url: str) -> None:
    """Each quote of each listing that is judged to be the coin, by coin, listing and time; numbers decode to what is stored."""
    await _fill(db)

    code, out, err = await export_as_process("history", "--coins", "b-coin,a-coin", "--format", "ndjson", DATABASE_URL=database_url)

    assert code == 0, err
    rows = [msgspec.json.decode(line) for line in out.splitlines()]
    async with db.connection() as conn:
        stored = await conn.fetch("""
            SELECT c.coin_id, l.source, q.observed_at, q.price FROM quotes q JOIN listings l USING (listing_id)
            JOIN judgements j USING (listing_id) JOIN coins c USING (coin_key) ORDER BY 1, 2, 3""")
    assert len(rows) >= 9
    assert [(r["coin_id"], r["source"], datetime.fromisoformat(r["observed_at"]), r["price_usd"]) for r in rows] == [
        tuple(row) for row in stored
    ]


@pytest.mark.parametrize("interval", ["1h", "1d"])
async def test_candles_of_a_span(db: Database, database_url: str, interval: str) -> None:
    """From one time on to before another, of all coins, with a header line."""
    await _fill(db)

    arguments = ("history", "--all", "--interval", interval, "--from", "2026-03-02", "--to", "1772496000")  # 2026-03-03
    code, out, err = await export_as_process(*arguments, DATABASE_URL=database_url)

    assert code == 0, err
    rows = list(csv.DictReader(io.StringIO(out.decode())))
    assert [(r["coin_id"], r["source"]) for r in rows] == [("a-coin", "coingecko"), ("b-coin", "coingecko"), ("b-coin", "coinpaprika")]
    assert {(r["opens_at"], r["open_usd"], r["high_usd"], r["low_usd"], r["close_usd"], r["samples"]) for r in rows} == {
        ("2026-03-02T00:00:00Z", "1.0", "3.0", "0.5", "2.0", "7")
    }


async def test_history_as_parquet(db: Database, database_url: str, tmp_path: Path) -> None:
    """The same rows, in row groups; a span without any is a file without rows."""
    parquet = pytest.importorskip("pyarrow.parquet")
    await _fill(db)
    arguments = ("history", "--all", "--interval", "1d", "--format", "parquet", "-o")

    code, _, err = await export_as_process(*arguments, str(tmp_path / "all.parquet"), DATABASE_URL=database_url)
    none, _, _ = await export_as_process(*arguments, str(tmp_path / "none.parquet"), "--from", "2030-01-01", DATABASE_URL=database_url)

    assert (code, none) == (0, 0), err
    table = parquet.read_table(tmp_path / "all.parquet")
    assert (table.num_rows, table.schema.field("samples").type) == (9, "int64")
    assert parquet.read_table(tmp_path / "none.parquet").num_rows == 0


async def test_an_unknown_coin_is_named(db: Database, database_url: str, tmp_path: Path) -> None:
    """Nothing is written of the others, and an alias is as good as an id."""
    await _fill(db)
    file = tmp_path / "history.csv"

    code, _, err = await export_as_process("history", "--coins", "a-coin,nobody", "-o", str(file), DATABASE_URL=database_url)

    assert (code, file.exists()) == (1, False)
    assert "nobody" in err
