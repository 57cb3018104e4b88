"""`kasparro export` as a process of its own, on a real database."""

import asyncio
import csv
import io
import os
import stat
import sys
from pathlib import Path

import msgspec
import pytest

from kasparro.store.migrate import migrate
from kasparro.store.pool import Database
from tests.api.conftest import api_over
from tests.api.factory import Market
from tests.conftest import Cluster, make_settings

pytestmark = pytest.mark.slow


async def export_as_process(*arguments: str, **environment: str) -> tuple[int | None, bytes, str]:
    """Exit code, stdout, stderr."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "kasparro", "export", *arguments),
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), "KASPARRO_DATA_DIR": "/nonexistent", **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode, out, err.decode()


async def _fill(db: Database) -> None:
    market = Market(db)
    await market.coin("b-coin", 2.5, sources=("coingecko", "coinpaprika"), market_cap=9.0, name='Coin "b", here', flags=("thin", "stale"))
    await market.coin("a-coin", 1e-18)
    await market.coin("unpriced")


async def test_mappings_are_those_of_the_api(db: Database, database_url: str, tmp_path: Path) -> None:
    """The file is /mappings.csv byte by byte, with the permissions of any new file, and nothing else is left in the folder."""
    await _fill(db)
    async with api_over(db, make_settings()) as api:
        await api.refresh()
        _, expected, _ = await api.get("/mappings.csv")
    file = tmp_path / "mappings.csv"

    code, out, err = await export_as_process("mappings", "-o", str(file), DATABASE_URL=database_url)

    assert (code, out) == (0, b""), err
    assert file.read_bytes() == expected
    assert [p.name for p in tmp_path.iterdir()] == ["mappings.csv"]
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(file.stat().st_mode) == 0o666 & ~umask


async def test_coins_and_prices(db: Database, database_url: str) -> None:
    """All coins by id, and the prices of those that have one; numbers decode to what was stored, in either format."""
    await _fill(db)

    _, coins, _ = await export_as_process("coins", "--format", "ndjson", DATABASE_URL=database_url)
    _, prices, _ = await export_as_process("prices", "-o", "-", DATABASE_URL=database_url)

    rows = [msgspec.json.decode(line) for line in coins.splitlines()]
    assert [(row["id"], row["latest_price_usd"]) for row in rows] == [("a-coin", 1e-18), ("b-coin", 2.5), ("unpriced", None)]
    read = list(csv.DictReader(io.StringIO(prices.decode())))
    assert [(row["coin_id"], float(row["value_usd"]), row["market_cap_usd"]) for row in read] == [
        ("a-coin", 1e-18, ""), ("b-coin", 2.5, "9.0"),
    ]  # fmt: skip
    assert (read[1]["sources_used"], read[1]["flags"]) == ("coingecko coinpaprika", "thin stale")
    assert read[1]["observed_at"] == "2026-03-01T12:00:00Z"


async def test_a_running_embedded_server_is_used_and_left(postgres: Cluster, session_folder: Path) -> None:
    """With no DATABASE_URL, that of the data folder; it works on when the command has ended."""
    database = await Database.open(postgres.url("kasparro"), make_settings())
    folder = str(session_folder / "embedded")
    try:
        code, _, err = await export_as_process("mappings", KASPARRO_DATA_DIR=folder)
        assert code == 1
        assert "kasparro migrate" in err

        await migrate(database.connection)
        await _fill(database)
        code, out, err = await export_as_process("mappings", KASPARRO_DATA_DIR=folder)

        assert code == 0, err
        assert len(out.splitlines()) == 5
        async with database.connection() as conn:
            assert await conn.fetchval("SELECT count(*) FROM coins") == 3
    finally:
        await database.close()


@pytest.mark.parametrize(
    ("output", "said"), [("/nonexistent/x.csv", "No such file"), ("/", "directory")]
)  # fmt: skip
async def test_what_cannot_be_written_is_said(db: Database, database_url: str, output: str, said: str) -> None:
    """Exit code 1 and a sentence that names the file, no traceback."""
    await _fill(db)
    code, _, err = await export_as_process("coins", "-o", output, DATABASE_URL=database_url)
    assert code == 1
    assert f"cannot write {output}" in err
    assert said in err
    assert "Traceback" not in err


async def test_a_failed_export_leaves_the_old_file(database_url: str, tmp_path: Path) -> None:
    """Where nothing was published yet it fails, says what to do, and touches no file."""
    file = tmp_path / "coins.csv"
    file.write_text("old")

    code, _, err = await export_as_process("coins", "-o", str(file), DATABASE_URL=database_url)

    assert code == 1
    assert "run-etl" in err
    assert file.read_text() == "old"


async def test_parquet_without_its_library_names_the_extra(tmp_path: Path) -> None:
    """A clear message and the exit code of wrong usage, before any database is asked."""
    (tmp_path / "pyarrow.py").write_text("raise ImportError")
    path = os.pathsep.join([str(tmp_path), *sys.path])
    code, _, err = await export_as_process("coins", "--format", "parquet", "-o", str(tmp_path / "x"), PYTHONPATH=path)

    assert code == 2
    assert "kasparro[parquet]" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("coins", "--format", "parquet"), "-o FILE"),
        (("coins", "--all"), "belong to history"),
        (("history",), "--coins ID,ID or --all"),
        (("history", "--all", "--coins", "a"), "--coins ID,ID or --all"),
        (("history", "--all", "--from", "yesterday"), "2026-01-31"),
    ],
)
async def test_wrong_usage_is_said(arguments: tuple[str, ...], said: str) -> None:
    """Exit code 2 and what to write instead."""
    code, _, err = await export_as_process(*arguments)
    assert code == 2
    assert said in err


async def test_coins_as_parquet(db: Database, database_url: str, tmp_path: Path) -> None:
    """The same rows as in any other format, with their types: times with a zone, lists as lists, null where nothing is known."""
    parquet = pytest.importorskip("pyarrow.parquet")
    await _fill(db)

    code, _, err = await export_as_process("coins", "--format", "parquet", "-o", str(tmp_path / "coins.parquet"), DATABASE_URL=database_url)

    assert code == 0, err
    rows = parquet.read_table(tmp_path / "coins.parquet").to_pylist()
    assert [(row["id"], row["latest_price_usd"], row["sources"]) for row in rows] == [
        ("a-coin", 1e-18, ["coingecko"]), ("b-coin", 2.5, ["coingecko", "coinpaprika"]), ("unpriced", None, ["coingecko"]),
    ]  # fmt: skip
    assert rows[1]["observed_at"].isoformat() == "2026-03-01T12:00:00+00:00"
