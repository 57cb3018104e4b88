"""What `kasparro export history` needs of memory, over a million quotes of a thousand coins."""

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from kasparro.store.pool import Database

pytestmark = pytest.mark.torture

MEGABYTES_MAX = 150
MEASURED = """
import atexit, resource, sys
atexit.register(lambda: print("most kB:", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr))
from kasparro.__main__ import main
main()
"""


async def _fill(db: Database) -> int:
    """A thousand coins of two listings, two days, every five minutes; the number of quotes."""
    async with db.write() as conn:
        await conn.execute("""
            INSERT INTO listings (source, source_id, symbol, name, active, first_seen_at, last_seen_at, evidence_run_id)
            SELECT s, 'c' || n, 'C' || n, 'Coin ' || n, true, now(), now(), 1
            FROM generate_series(1, 1000) AS n, unnest(ARRAY['coingecko', 'coinpaprika']) AS s""")
        await conn.execute("""
            INSERT INTO coins (coin_id, symbol, name, created_at, version)
            SELECT 'c' || n, 'C' || n, 'Coin ' || n, now(), 1 FROM generate_series(1, 1000) AS n""")
        await conn.execute("""
            INSERT INTO judgements (listing_id, coin_key, verdict, rule, confidence, evidence, created_at, version)
            SELECT l.listing_id, c.coin_key, 'same', 'made up', 1, '{}', now(), 1
            FROM listings AS l JOIN coins AS c ON c.coin_id = l.source_id""")
        await conn.execute("SELECT make_day_partition('quotes', date '2026-10-01' + n) FROM generate_series(0, 1) AS n")
        answer: str = await conn.execute("""
            INSERT INTO quotes
            SELECT listing_id, 1, timestamptz '2026-10-01 00:00Z' + n * interval '5 min', (n + listing_id) / 3.0, 1e9, 1e6, now(), now()
            FROM listings, generate_series(0, 575) AS n""")
    return int(answer.rsplit(maxsplit=1)[-1])


@pytest.mark.parametrize("file_format", ["csv", "ndjson", "parquet"])
async def test_memory_does_not_grow_with_the_history(db: Database, database_url: str, tmp_path: Path, file_format: str) -> None:
    """A thousand coins' whole history is written in under 150 MB, in every format."""
    if file_format == "parquet":
        pytest.importorskip("pyarrow")
    quotes, file = await _fill(db), tmp_path / "history"

    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", MEASURED, "export", "history", "--all", "--format", file_format, "-o", str(file)),
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), "DATABASE_URL": database_url},
        stderr=asyncio.subprocess.PIPE,
    )
    _, err = await process.communicate()

    assert process.returncode == 0, err
    most = re.search(r"most kB: (\d+)", err.decode())
    assert most is not None
    assert int(most[1]) / 1024 < MEGABYTES_MAX
    if file_format != "parquet":
        with file.open("rb") as lines:
            assert sum(1 for _ in lines) == quotes + (file_format == "csv")
