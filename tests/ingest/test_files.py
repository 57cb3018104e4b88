"""A folder of CSV files as the third source, from end to end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from kasparro import app
from kasparro.clock import Clock, SystemClock
from kasparro.ingest.replay import replay
from kasparro.ingest.run import Ingest, run_once
from kasparro.sources.http import HttpClient
from kasparro.store.pool import Database
from tests.api.conftest import api_over
from tests.ingest.conftest import settings_for, state
from tests.ingest.scene import LaterClock
from tests.ingest.test_run import checkpoints, outcomes, written
from tests.upstream.server import Upstream

HEADER = "id,symbol,name,price_usd,observed_at,market_cap_usd,volume_24h_usd,contracts"


class Folder:
    """A folder whose files a test writes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.observed_at = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)

    def write(self, file: str, *rows: str) -> None:
        """Put a file in its place as a whole; `{at}` in a row is the time of observation."""
        unfinished = self.path / f"{file}.part"
        unfinished.write_text("\n".join([HEADER, *rows]).replace("{at}", self.observed_at.isoformat()) + "\n")
        unfinished.rename(self.path / file)


@asynccontextmanager
async def over(db: Database, upstream: Upstream, folder: Folder, clock: Clock | None = None) -> AsyncIterator[Ingest]:
    """An ingestion with all sources that there are."""
    settings = settings_for(upstream, KASPARRO_FILES_DIR=str(folder.path))
    clock = clock or SystemClock()
    http = HttpClient(settings, clock, Random(1))
    try:
        yield Ingest(settings, clock, db, http, app.make_sources(settings))
    finally:
        await http.close()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """An empty folder."""
    return Folder(tmp_path)


async def rows(db: Database, sql: str, *arguments: object) -> list[tuple[Any, ...]]:
    """What a query answers."""
    async with db.connection() as conn:
        return [tuple(row) for row in await conn.fetch(sql, *arguments)]


MATCHED = """
    SELECT c.coin_id, l.symbol, l.name, q.price, l.source_id FROM coins c JOIN judgements j USING (coin_key)
    JOIN listings l USING (listing_id) JOIN latest_quotes q USING (listing_id)
    WHERE j.verdict = 'same' AND j.superseded_at IS NULL AND l.source = 'coingecko' AND c.coin_key IN
          (SELECT coin_key FROM judgements j JOIN listings l USING (listing_id)
           WHERE l.source = 'coinpaprika' AND j.verdict = 'same' AND j.superseded_at IS NULL)
    ORDER BY q.market_cap DESC NULLS LAST LIMIT 1"""
ON_ETHEREUM = """
    SELECT c.coin_id, l.symbol, k.address, q.price FROM coins c JOIN judgements j USING (coin_key) JOIN listings l USING (listing_id)
    JOIN listing_contracts k ON k.source = l.source AND k.source_id = l.source_id JOIN latest_quotes q USING (listing_id)
    WHERE l.source = 'coingecko' AND k.platform = 'ethereum' AND j.verdict = 'same' AND j.superseded_at IS NULL
    ORDER BY q.market_cap DESC NULLS LAST, c.coin_id LIMIT 1"""


async def test_a_coin_of_three_sources_is_one_coin(db: Database, upstream: Upstream, folder: Folder) -> None:
    """It is found by name and symbol, or by its contract; one that only a file knows is a coin of its own, and /data shows them all."""
    folder.write("mine.csv", "my-own,MYO,My Very Own,2.5,{at},1e9,5e6,")
    async with over(db, upstream, folder) as ingest:
        first = await run_once(ingest, "command")
        coin_id, symbol, name, price, _ = (await rows(db, MATCHED))[0]
        other_id, other_symbol, address, other_price = (await rows(db, ON_ETHEREUM))[0]
        folder.write(
            "theirs.csv",
            f"one,{symbol},{name},{price!r},{{at}},,,",
            f"two,{other_symbol},Another Name,{other_price!r},{{at}},,,ethereum:{address.upper().replace('0X', '0x')}",
        )
        second = await run_once(ingest, "command")
        async with api_over(db, ingest.settings) as api:
            await api.refresh()
            shown = {row["id"]: row for row in (await api.get("/data?limit=1000"))[1]}
            of_files = (await api.get("/data?source=files"))[1]
            health = (await api.get("/health"))[1]

    assert outcomes(first) == outcomes(second) == dict.fromkeys(["coingecko", "coinpaprika", "files"], "succeeded")
    assert shown[coin_id]["sources"] == ["coingecko", "coinpaprika", "files"]
    assert "files" in shown[other_id]["sources"]
    assert shown["my-own"]["sources"] == ["files"]
    assert (shown["my-own"]["latest_price_usd"], shown["my-own"]["symbol"]) == (2.5, "MYO")
    assert {row["id"] for row in of_files} == {coin_id, other_id, "my-own"}
    assert health["sources"]["files"]["status"] == "ok"


async def test_only_a_file_that_changed_is_read_again(db: Database, upstream: Upstream, folder: Folder) -> None:
    """Each file is a part with a digest and a row per file: the same again writes nothing, and a new price touches its file alone."""
    folder.write("a.csv", "a,AAA,Coin Aleph,1,{at},,,", "b,BBB,Coin Beth,2,{at},,,ethereum:0x1 solana:S")
    folder.write("c.csv", "c,CCC,Coin Gimel,3,{at},,,")
    async with over(db, upstream, folder) as ingest:
        await run_once(ingest, "command", sources=["files"])
        before = await state(db)
        again = await run_once(ingest, "command", sources=["files"])
        folder.observed_at += timedelta(seconds=30)
        folder.write("a.csv", "a,AAA,Coin Aleph,1.5,{at},,,", "b,BBB,Coin Beth,2,{at},,,solana:S")
        changed = await run_once(ingest, "command", sources=["files"])

    assert (written(again), again.status) == (0, "succeeded")
    assert before["contracts"] == [("files", "b", "ethereum", "0x1"), ("files", "b", "solana", "S")]
    assert [s.rows_written for s in changed.sources] == [3]  # two quotes, and a contract that is withdrawn
    assert (await state(db))["contracts"] == [("files", "b", "solana", "S")]
    assert {k: v for k, v in (await checkpoints(db)).items() if k.startswith("files")} == {
        "files.prices folder": 3,
        "files.prices a.csv": 3,
        "files.prices c.csv": 3,
    }
    assert await rows(db, "SELECT part, rows FROM checkpoints WHERE stream = 'files.prices' AND length(digest) = 32 ORDER BY part") == [
        ("a.csv", 2),
        ("c.csv", 1),
        ("folder", 0),
    ]


async def test_a_file_that_vanished_takes_nothing_with_it(db: Database, upstream: Upstream, folder: Folder) -> None:
    """Its part ends; its listings stay active with the last price, which grows stale. An empty folder is trouble and changes nothing."""
    folder.write("a.csv", "a,AAA,Coin Aleph,1,{at},,,")
    folder.write("b.csv", "b,BBB,Coin Beth,2,{at},,,")
    async with over(db, upstream, folder) as ingest:
        await run_once(ingest, "command", sources=["files"])
        (folder.path / "b.csv").unlink()
        fewer = await run_once(ingest, "command", sources=["files"])
        (folder.path / "a.csv").unlink()
        none = await run_once(ingest, "command", sources=["files"])

    assert (outcomes(fewer), outcomes(none)) == ({"files": "succeeded"}, {"files": "failed"})
    assert "no CSV file" in str(none.sources[0].error)
    assert set(await checkpoints(db)) == {"files.prices folder", "files.prices a.csv"}
    assert await rows(db, "SELECT source_id, active FROM listings ORDER BY 1") == [("a", True), ("b", True)]


async def test_a_bad_file_costs_the_others_nothing(db: Database, upstream: Upstream, folder: Folder) -> None:
    """It is refused with its name and reason, a bad row of a good file is kept as a reject, and one file cut short is not believed."""
    ten = [f"n{n},N{n},Number {n},1,{{at}},,," for n in range(10)]
    folder.write("good.csv", *ten, "bad,BAD,Bad,many,{at},,,")
    (folder.path / "other.csv").write_text("id;price\n1;2\n")
    async with over(db, upstream, folder) as ingest:
        summary = await run_once(ingest, "command", sources=["files"])
        folder.write("good.csv", *ten[:3])
        short = await run_once(ingest, "command", sources=["files"])

    assert summary.sources[0].outcome == "degraded"
    assert "other.csv" in str(summary.sources[0].error)
    assert await rows(db, "SELECT stream, part, source_id, reason FROM rejects") == [
        ("files.prices", "good.csv", "bad", "price is not a number")
    ]
    assert short.sources[0].outcome == "failed"
    assert await rows(db, "SELECT rows FROM checkpoints WHERE part = 'good.csv'") == [(11,)]


async def test_files_are_replayed_like_answers(db: Database, upstream: Upstream, folder: Folder) -> None:
    """What was read is kept as it was, and parsing it again finds nothing to write."""
    folder.write("a.csv", "a,AAA,Coin Aleph,1,{at},,,e:1")
    async with over(db, upstream, folder) as ingest:
        await run_once(ingest, "command", sources=["files"])
        before = await state(db)
        summary = await replay(ingest, since=datetime(1970, 1, 1, tzinfo=UTC), streams=["files.prices"])

    assert (summary.status, written(summary), await state(db)) == ("succeeded", 0, before)


async def test_every_scheduled_run_looks_at_every_file(db: Database, upstream: Upstream, folder: Folder) -> None:
    """Also at one that another file's trouble came before; a file that came meanwhile is read in the same run."""
    clock = LaterClock()
    folder.write("a.csv", "a,AAA,Coin Aleph,1,{at},,,")
    (folder.path / "broken.csv").write_text("nothing\n")
    async with over(db, upstream, folder, clock) as ingest:
        for number in range(2, 5):
            await run_once(ingest, "schedule", sources=["files"])
            clock.ahead += timedelta(seconds=300)
            folder.observed_at += timedelta(seconds=300)
            folder.write("a.csv", f"a,AAA,Coin Aleph,{number},{{at}},,,")
            folder.write(f"b{number}.csv", f"b{number},B{number},Coin Beth {number},1,{{at}},,,")
        last = await run_once(ingest, "schedule", sources=["files"])

    assert last.sources[0].outcome == "degraded"
    assert await rows(db, "SELECT price FROM quotes JOIN listings USING (listing_id) WHERE source_id = 'a' ORDER BY observed_at") == [
        (1.0,),
        (2.0,),
        (3.0,),
        (4.0,),
    ]
    assert await rows(db, "SELECT count(*) FROM listings") == [(4,)]
