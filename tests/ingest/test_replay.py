"""What was kept is parsed again: it heals what a parser had missed, and nothing else moves."""

import asyncio
import os
import sys
import zlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from kasparro.ingest.replay import replay
from kasparro.ingest.run import Ingest, run_once
from kasparro.records import Page, Pieces, Reject, Request, RunSummary
from kasparro.sources.coingecko import LIST, MARKETS, CoinGecko
from kasparro.sources.coinpaprika import COINS, TICKERS
from kasparro.store import raw_pages
from kasparro.store.pool import Database
from kasparro.store.run_history import read_standing
from tests.conftest import Cluster, make_settings
from tests.ingest.conftest import make_ingest, state
from tests.upstream.server import Upstream

EVER = datetime(1970, 1, 1, tzinfo=UTC)
# What must not move where nobody is asked and nothing is mended.
STANDS = {
    "checkpoints": "SELECT * FROM checkpoints ORDER BY stream, part",
    "budgets": "SELECT * FROM budgets ORDER BY source, month",
    "raw_pages": "SELECT raw_page_id, sha256 FROM raw_pages ORDER BY raw_page_id",
    "rates": "SELECT * FROM exchange_rates ORDER BY source, currency, observed_at",
    "rejects": "SELECT run_id, stream, part, source_id, reason, row_text FROM rejects ORDER BY 1, 2, 3, 4, 5, 6",
    "version": "SELECT version FROM catalog_version",
    "prices": "SELECT coin_key, published_at, value FROM prices ORDER BY 1, 2",
}


class ForgetfulGecko(CoinGecko):
    """A source whose parser rejects every third coin, and takes every price for twice what it is."""

    def parse(self, request: Request, body: bytes, fetched_at: datetime) -> Pieces[Page]:
        """See Source."""
        page = yield from super().parse(request, body, fetched_at)
        lost = {listing.source_id for i, listing in enumerate(page.listings) if i % 3 == 2}
        page.listings = [x for x in page.listings if x.source_id not in lost]
        page.contracts = [x for x in page.contracts if x.source_id not in lost]
        page.quotes = [msgspec.structs.replace(q, price=q.price * 2) for q in page.quotes if q.source_id not in lost]
        page.rejects += [Reject(source_id=source_id, reason="forgotten", row=b"{}") for source_id in sorted(lost)]
        return page


async def stands(db: Database) -> dict[str, list[tuple[Any, ...]]]:
    """The tables of STANDS."""
    async with db.connection() as conn:
        return {name: [tuple(row) for row in await conn.fetch(sql)] for name, sql in STANDS.items()}


async def served(db: Database) -> list[tuple[Any, ...]]:
    """The listings of each coin with its price. Its id is left out: it is given once, by what was known then."""
    async with db.connection() as conn:
        rows = await conn.fetch("""
            SELECT array_agg(l.source || ' ' || l.source_id ORDER BY l.source, l.source_id), p.value, p.observed_at
            FROM judgements j JOIN listings l USING (listing_id) LEFT JOIN latest_prices p USING (coin_key)
            WHERE j.verdict = 'same' AND j.superseded_at IS NULL GROUP BY j.coin_key, p.value, p.observed_at ORDER BY 1""")
    return [tuple(row) for row in rows]


async def replayed(ingest: Ingest, *streams: str) -> RunSummary:
    """A replay of everything, or of some streams."""
    return await replay(ingest, since=EVER, streams=streams or [s.name for source in ingest.sources for s in source.streams])


def written(summary: RunSummary) -> int:
    """Rows that a run wrote or revised."""
    return sum(s.rows_written + s.rows_revised for s in summary.sources)


async def list_again(ingest: Ingest, db: Database) -> None:
    """A run that asks for the lists though a day has not passed."""
    async with db.connection() as conn:
        await conn.execute("UPDATE checkpoints SET committed_at = committed_at - interval '2 days' WHERE stream = $1", LIST)
    await run_once(ingest, "command")


@pytest.fixture
async def other_db(postgres: Cluster) -> AsyncIterator[Database]:
    """A second database, for what an undisturbed run comes to."""
    name = await postgres.create()
    database = await Database.open(postgres.url(name), make_settings())
    yield database
    await database.close()
    await postgres.drop(name)


async def test_a_mended_parser_comes_to_what_it_would_have_come_to(ingest: Ingest, db: Database, other_db: Database) -> None:
    """Listings, contracts, quotes, what is one coin and what it costs are as if nothing had been broken; ids that were given stay."""
    broken = make_ingest(db, ingest.settings, ingest.http)
    broken.sources = (ForgetfulGecko(ingest.settings.sources["coingecko"]), broken.sources[1])
    await run_once(broken, "command")
    before = await stands(db)
    await run_once(make_ingest(other_db, ingest.settings, ingest.http), "command")
    expected = await state(other_db)
    assert await state(db) != expected

    summary = await replayed(ingest)

    assert (summary.trigger, summary.status) == ("replay", "succeeded")
    assert [(s.source, s.calls) for s in summary.sources] == [("coingecko", 0), ("coinpaprika", 0)]
    ended = await state(db)
    for what in ("listings", "contracts", "quotes", "latest_quotes"):
        assert ended[what] == expected[what], what
    assert await served(db) == await served(other_db)
    after = await stands(db)
    assert before["rejects"]
    assert after["rejects"] == []
    for what in ("checkpoints", "budgets", "raw_pages"):
        assert after[what] == before[what]


async def test_a_second_replay_writes_nothing(ingest: Ingest, db: Database, upstream: Upstream) -> None:
    """Nor does a first one where nothing was mended: not after moved prices, nor where a source corrected itself at one time."""
    upstream.strike("badrows", "/tickers", share=0.1)
    await run_once(ingest, "command")
    for minutes, seconds in ((1, 60), (1, 0), (-1, 0), (1, 60)):
        upstream.move(minutes, seconds)
        await run_once(ingest, "command")
    before, stood, calls = await state(db), await stands(db), len(upstream.requests)

    summaries = [await replayed(ingest), await replayed(ingest)]

    assert [written(s) for s in summaries] == [0, 0]
    assert sum(s.parts for s in summaries[0].sources) == len(stood["raw_pages"])
    assert await state(db) == before
    assert await stands(db) == stood
    assert len(upstream.requests) == calls


async def test_an_old_list_takes_nothing_back(ingest: Ingest, db: Database, upstream: Upstream) -> None:
    """What was renamed, listed and delisted since stays so, though the old list is parsed last but one."""
    late, gone, renamed = "bitcoin", "ethereum", "tether"
    upstream.removed = {late}
    await run_once(ingest, "command")
    upstream.removed, upstream.renamed = {gone}, {renamed: "Tethered"}
    upstream.changed()
    upstream.tick()
    await list_again(ingest, db)
    before = await state(db)
    assert ("coingecko", gone, "ETH", "Ethereum", False) in before["listings"]

    summary = await replayed(ingest)

    assert written(summary) == 0
    assert await state(db) == before


async def test_prices_do_not_go_back(ingest: Ingest, db: Database, upstream: Upstream) -> None:
    """Quotes that were lost come back as history; what is served stays the newest, and nothing older is published meanwhile."""
    await run_once(ingest, "command")
    upstream.tick()
    await run_once(ingest, "command")
    before, stood = await state(db), await stands(db)
    async with db.connection() as conn:
        await conn.execute("DELETE FROM quotes")

    summary = await replayed(ingest, MARKETS, TICKERS)

    assert written(summary) == len(before["quotes"])
    assert await state(db) == before
    assert (await stands(db))["prices"] == stood["prices"]


async def test_only_what_is_asked_for_is_read(ingest: Ingest, db: Database) -> None:
    """A stream, and a time to begin from."""
    await run_once(ingest, "command")

    of_coins = await replayed(ingest, COINS)
    of_later = await replay(ingest, since=datetime.now(UTC) + timedelta(hours=1), streams=[COINS])

    assert [(s.source, s.outcome, s.parts) for s in of_coins.sources] == [("coinpaprika", "succeeded", 1)]
    assert [(s.source, s.outcome, s.parts) for s in of_later.sources] == [("coinpaprika", "skipped", 0)]


async def test_a_page_that_zlib_compressed_is_read_as_any_other(ingest: Ingest, db: Database) -> None:
    """Pages were kept so before; what is told of them stays the same."""
    await run_once(ingest, "command")
    async with db.connection() as conn:
        await conn.execute("DELETE FROM quotes")
        for page in await conn.fetch("SELECT raw_page_id, body FROM raw_pages"):
            kept = zlib.compress(raw_pages.decompressed(page["body"]), 1)
            await conn.execute("UPDATE raw_pages SET body = $2 WHERE raw_page_id = $1", page["raw_page_id"], kept)

    summary = await replayed(ingest)

    assert {s.source: s.outcome for s in summary.sources} == {"coingecko": "succeeded", "coinpaprika": "succeeded"}
    async with db.connection() as conn:
        assert await conn.fetchval("SELECT count(*) FROM quotes") == 350 + 250 + 250


@pytest.mark.parametrize("body", [raw_pages.compressed(b'{"no":"list"}'), raw_pages.compressed(b"[" * 100)[:-1], b"plain"])
async def test_a_page_that_cannot_be_used_costs_itself(ingest: Ingest, db: Database, body: bytes) -> None:
    """The run is degraded and names the page, what it holds or that it cannot be read; the others are written."""
    await run_once(ingest, "command")
    async with db.connection() as conn:
        await conn.execute("DELETE FROM quotes")
        await conn.execute("UPDATE raw_pages SET body = $1 WHERE stream = $2 AND part = 'page:2'", body, MARKETS)

    summary = await replayed(ingest)

    assert {s.source: s.outcome for s in summary.sources} == {"coingecko": "degraded", "coinpaprika": "succeeded"}
    assert f"{MARKETS} page:2 of run 1: " in (summary.sources[0].error or "")
    async with db.connection() as conn:
        assert await conn.fetchval("SELECT count(*) FROM quotes") == 350 + 250


async def test_a_replay_says_nothing_of_how_a_source_fares(ingest: Ingest, db: Database, upstream: Upstream) -> None:
    """A source that is down stays so for /health, whatever is read of what it once said."""
    await run_once(ingest, "command")
    upstream.strike("status", "/tickers", status=402)
    await run_once(ingest, "command")

    await replayed(ingest)

    async with db.read() as conn:
        standing = await read_standing(conn, ["coinpaprika"])
    assert standing.sources[0].outcome == "failed"
    assert standing.last_run is not None
    assert standing.last_run.trigger == "replay"


async def _command(url: str, *arguments: str) -> tuple[int | None, str, str]:
    """Exit code, stdout and stderr of `kasparro replay`."""
    environment = {"DATABASE_URL": url, "KASPARRO_DATA_DIR": "/nonexistent", "PATH": os.environ["PATH"]}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "kasparro", "replay", *arguments),
        env=environment | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def test_the_command_waits_for_no_run(ingest: Ingest, database_url: str) -> None:
    """Where a run works the command names it and exits with 4."""
    run_id = await ingest.open("command")

    code, _, err = await _command(database_url)

    assert code == 4
    assert f"run {run_id} is at work" in err


async def test_the_command_shows_what_it_did(ingest: Ingest, database_url: str) -> None:
    """The table of run-etl or its JSON; a stream that does not exist is a usage error that names those that do."""
    empty, _, nothing = await _command(database_url)
    await run_once(ingest, "command")
    code, out, _ = await _command(database_url, "--stream", MARKETS, "--since", "1")
    _, as_json, _ = await _command(database_url, "--json")
    usage, _, err = await _command(database_url, "--stream", "coingecko.market")

    assert (empty, code, usage) == (0, 0, 2)
    assert "no page was found" in nothing
    assert "nothing new" in out
    assert msgspec.json.decode(as_json)["trigger"] == "replay"
    assert "known are coingecko.list, coingecko.markets" in err
