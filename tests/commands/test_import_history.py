"""`kasparro import-history` as a process of its own."""

import asyncio
import json
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kasparro.ingest.run import Ingest, run_once
from kasparro.store.pool import Database
from tests.ingest.conftest import ingest
from tests.upstream.fixtures import upstream
from tests.upstream.server import Upstream

__all__ = ["ingest", "upstream"]

pytestmark = pytest.mark.slow


async def _import(*arguments: str, **environment: str) -> tuple[int | None, str, str]:
    """Exit code, stdout, stderr."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "kasparro", "import-history", *arguments),
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), "KASPARRO_DATA_DIR": "/nonexistent", **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def test_files_and_a_backfill(ingest: Ingest, db: Database, database_url: str, upstream: Upstream, tmp_path: Path) -> None:
    """A line per listing says what was written; a file that is none is named, and those before it stay."""
    await run_once(ingest, "command")
    async with db.connection() as conn:
        source_id = await conn.fetchval("SELECT source_id FROM listings WHERE source = 'coingecko' ORDER BY 1 LIMIT 1")
    old = datetime.now(UTC) - timedelta(days=300)
    (tmp_path / "good.json").write_text(json.dumps({"prices": [[int(old.timestamp() * 1000), 1.5]]}))
    (tmp_path / "bad.json").write_text("{}")
    where = upstream.environment(DATABASE_URL=database_url)

    files = [str(tmp_path / name) for name in ("good.json", "bad.json")]
    code, out, err = await _import("--source", "coingecko", "--id", source_id, *files, **where)
    filled, told, _ = await _import("--backfill", "60", "--top", "2", **where)

    assert code == 1
    assert f"coingecko {source_id}: 1 points" in out
    assert "bad.json" in err
    assert "Traceback" not in err
    assert filled == 0, told
    assert [line.split()[0] for line in told.splitlines() if "daily candles written" in line] == ["coingecko"] * 2 + ["coinpaprika"] * 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "--backfill DAYS"),
        (("--source", "coingecko"), "--backfill DAYS"),
        (("--backfill", "366"), "1<=x<=365"),
        (("--backfill", "30", "--id", "bitcoin"), "takes no FILE and no --id"),
        (("--source", "files", "--backfill", "30"), "known are coingecko, coinpaprika"),
    ],
)
async def test_wrong_usage_is_said(arguments: tuple[str, ...], said: str) -> None:
    """Exit code 2 and what to write instead."""
    code, _, err = await _import(*arguments)
    assert code == 2
    assert said in err


async def test_a_run_of_an_unknown_source_is_wrong_usage() -> None:
    """`run-etl --source` takes the sources that are set up, and names them."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "kasparro", "run-etl", "--source", "files"),
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), "KASPARRO_DATA_DIR": "/nonexistent"},
        stderr=asyncio.subprocess.PIPE,
    )
    _, err = await process.communicate()

    assert process.returncode == 2
    assert b"unknown source files: known are coingecko, coinpaprika" in err
