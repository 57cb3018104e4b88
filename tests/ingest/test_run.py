"""A run from end to end."""

import asyncio
import gc
import weakref

import pytest
import structlog

from kasparro.clock import FakeClock
from kasparro.errors import RunLostError, RunOpenError
from kasparro.ingest.identity import Settledness
from kasparro.ingest.run import Ingest, Run, run_once
from kasparro.records import RunSummary
from kasparro.store.pool import Database
from tests.ingest.conftest import state
from tests.upstream.server import Upstream


def written(summary: RunSummary) -> int:
    """Rows that a run wrote or revised."""
    return sum(s.rows_written + s.rows_revised for s in summary.sources)


def outcomes(summary: RunSummary) -> dict[str, str]:
    """The outcome of each source."""
    return {s.source: s.outcome for s in summary.sources}


async def checkpoints(db: Database) -> dict[str, int]:
    """The sweep in which each part was last committed."""
    async with db.connection() as conn:
        return {f"{r['stream']} {r['part']}": r["sweep"] for r in await conn.fetch("SELECT stream, part, sweep FROM checkpoints")}


@pytest.mark.smoke
async def test_a_first_run_stores_everything_and_serves_the_newest_quote(ingest: Ingest, db: Database, upstream: Upstream) -> None:
    """Every listing, contract and quote; each coin's price is one of its listings' quotes, to the last bit."""
    summary = await run_once(ingest, "command")

    assert (summary.status, outcomes(summary)) == ("succeeded", {"coingecko": "succeeded", "coinpaprika": "succeeded"})
    async with db.connection() as conn:
        listings = dict(await conn.fetch("SELECT source, count(*) FROM listings GROUP BY source"))
        newest = await conn.fetch("""
            SELECT p.value, (array_agg(q.price ORDER BY q.observed_at DESC, l.source))[1] AS newest
            FROM latest_prices p JOIN judgements j ON j.coin_key = p.coin_key AND j.verdict = 'same' AND j.superseded_at IS NULL
            JOIN latest_quotes q ON q.listing_id = j.listing_id JOIN listings l ON l.listing_id = j.listing_id
            GROUP BY p.coin_key, p.value""")
        alone = await conn.fetchval("""SELECT count(*) FROM listings l WHERE NOT EXISTS
            (SELECT FROM judgements j WHERE j.listing_id = l.listing_id AND j.verdict = 'same' AND j.superseded_at IS NULL)""")
    assert listings == {"coingecko": 660, "coinpaprika": 400}
    assert len(newest) > 600
    assert all(row["value"] == row["newest"] for row in newest)
    assert alone == 0


async def test_a_run_leaves_nothing_behind(ingest: Ingest) -> None:
    """It goes with its last reference: in a cycle it would keep the ids of all batches until the collector looks."""
    run = Run(ingest, await ingest.open("command"), "command", ingest.sources, full=False, observe=None)
    left = weakref.ref(run)
    gc.disable()
    try:
        await ingest.to_end(run)
        del run
        assert left() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("full", [False, True])
async def test_the_same_answers_twice_write_nothing(ingest: Ingest, db: Database, *, full: bool) -> None:
    """Neither by the digest of a body, nor row by row where everything is looked at again."""
    await run_once(ingest, "command")
    before = await state(db)
    async with db.connection() as conn:
        version = await conn.fetchval("SELECT version FROM catalog_version")

    summary = await run_once(ingest, "command", full=full)

    assert written(summary) == 0
    assert await state(db) == before
    async with db.connection() as conn:
        assert await conn.fetchval("SELECT version FROM catalog_version") == version
        assert await conn.fetchval("SELECT max(listing_id) - count(*) FROM listings") == 0


async def test_moved_prices_are_new_quotes(ingest: Ingest, db: Database, upstream: Upstream) -> None:
    """One row per new observed_at; identity stays."""
    await run_once(ingest, "command")
    before = await state(db)
    upstream.tick()

    summary = await run_once(ingest, "command")

    after = await state(db)
    assert written(summary) > 0
    assert len(after["quotes"]) > len(before["quotes"])
    assert [after[x] for x in ("listings", "coins")] == [before[x] for x in ("listings", "coins")]
    assert [row[2:] for row in after["prices"]] != [row[2:] for row in before["prices"]]


async def test_a_refresh_is_published_once(ingest: Ingest, db: Database, upstream: Upstream) -> None:
    """Where the market is known, whichever source answers first waits some seconds for the others."""
    await run_once(ingest, "command")
    async with db.connection() as conn:
        before = await conn.fetchval("SELECT version FROM catalog_version")
        upstream.tick()

        await run_once(ingest, "command")

        assert await conn.fetchval("SELECT version FROM catalog_version") == before + 1


@pytest.mark.parametrize(("known", "first"), [(True, 3.0), (False, 0.0)])
async def test_when_what_sources_answer_is_published(ingest: Ingest, monkeypatch: pytest.MonkeyPatch, *, known: bool, first: float) -> None:
    """Of a known market after 3 s, of another one at once; then at most every so many seconds, and nothing where nothing came."""
    run = Run(ingest, await ingest.open("command"), "command", ingest.sources, full=False, observe=None)
    run.clock = clock = FakeClock()
    published: list[float] = []

    async def publish(*, final: bool) -> bool:
        published.append(clock.monotonic())
        return not final

    monkeypatch.setattr(run.publisher, "publish", publish)
    monkeypatch.setattr(run, "settledness", lambda: Settledness(listed=frozenset(), quoted=frozenset(), complete=known))
    publishing = asyncio.create_task(run._publish_while_working())
    for _ in range(3):
        run._changed.set()
        for _ in range(10):
            await asyncio.sleep(0)
    clock.advance(100)
    run._changed.set()
    for _ in range(10):
        await asyncio.sleep(0)
    publishing.cancel()

    apart = run.settings.publish_seconds
    assert published == [first, first + apart, first + 2 * apart, first + 2 * apart + 100]


@pytest.mark.smoke
async def test_the_published_history_has_a_row_for_each_price_that_moved(ingest: Ingest, db: Database, upstream: Upstream) -> None:
    """And none where a coin costs what it cost, from the same listing. Of one source: of two, whoever comes first is published first."""
    asked = "SELECT coin_key, value, listing_id FROM {} ORDER BY coin_key"
    told: list[tuple[set[tuple[object, ...]], int]] = []
    for _ in range(2):
        await run_once(ingest, "command", sources=["coingecko"], full=True)
        upstream.move(0, 60)
        await run_once(ingest, "command", sources=["coingecko"], full=True)  # the same prices, seen a minute later
        async with db.connection() as conn:
            latest = {tuple(row) for row in await conn.fetch(asked.format("latest_prices"))}
            told.append((latest, await conn.fetchval("SELECT count(*) FROM prices")))
        upstream.tick()
    async with db.connection() as conn:
        history = [tuple(row) for row in await conn.fetch(asked.format("prices"))]

    (first, first_rows), (second, rows) = told
    assert first_rows == len(first)
    assert rows == first_rows + len(second - first)
    assert len(second - first) > len(first) / 2
    assert set(history) == first | second


async def test_one_source_down_costs_the_other_nothing(ingest: Ingest, upstream: Upstream) -> None:
    """The run is degraded, not failed, and says why in words."""
    upstream.strike("status", "/tickers", status=402)

    summary = await run_once(ingest, "command")

    assert (summary.status, outcomes(summary)) == ("degraded", {"coingecko": "succeeded", "coinpaprika": "failed"})
    assert "402" in (summary.sources[1].error or "")


async def test_both_refused_is_a_failed_run_with_one_line_per_source(ingest: Ingest, upstream: Upstream) -> None:
    """The person on call reads one line per source and one for the run."""
    await upstream.stop()

    with structlog.testing.capture_logs() as lines:
        summary = await run_once(ingest, "command")

    await upstream.start()
    assert summary.status == "failed"
    told = [(line["event"], line.get("source")) for line in lines if line["log_level"] != "debug"]
    assert sorted(told, key=str) == [("run.finished", None), ("source.trouble", "coingecko"), ("source.trouble", "coinpaprika")]


@pytest.mark.parametrize("mode", ["empty", "garbage", "notlist", "truncate"])
async def test_an_answer_that_is_no_market_changes_nothing(ingest: Ingest, db: Database, upstream: Upstream, mode: str) -> None:
    """Failure never looks like success: nothing is deactivated, the last good data stays served, the checkpoint stays."""
    await run_once(ingest, "command")
    before, committed = await state(db), await checkpoints(db)
    upstream.tick()
    upstream.strike(mode, "/tickers")
    ingest.settings = ingest.http._settings = _one_attempt(ingest)

    summary = await run_once(ingest, "command", sources=["coinpaprika"])

    assert outcomes(summary) == {"coinpaprika": "failed"}
    assert await state(db) == before
    assert await checkpoints(db) == committed


def _one_attempt(ingest: Ingest):  # noqa: ANN202  # settings
    import msgspec  # noqa: PLC0415

    return msgspec.structs.replace(ingest.settings, request_attempts_max=1)


async def test_a_list_that_shrank_deactivates_nothing_until_a_person_says_so(ingest: Ingest, db: Database, upstream: Upstream) -> None:
    """Half of a list is a fault, unless `--full` takes a person's word for it."""
    await run_once(ingest, "command")
    async with db.connection() as conn:
        await conn.execute("UPDATE checkpoints SET committed_at = committed_at - interval '2 days' WHERE stream = 'coingecko.list'")
    upstream.strike("shrink", "/coins/list", keep=0.5)

    summary = await run_once(ingest, "command", sources=["coingecko"])

    assert outcomes(summary) == {"coingecko": "degraded"}
    assert "shrank from 660 rows to 330" in (summary.sources[0].error or "")
    async with db.connection() as conn:
        assert await conn.fetchval("SELECT count(*) FROM listings WHERE source = 'coingecko' AND NOT active") == 0
        await run_once(ingest, "command", sources=["coingecko"], full=True)
        assert await conn.fetchval("SELECT count(*) FROM listings WHERE source = 'coingecko' AND NOT active") == 330


async def test_bad_rows_cost_themselves(ingest: Ingest, db: Database, upstream: Upstream) -> None:
    """They are kept with their reasons and counted; the others are stored."""
    upstream.strike("badrows", "/tickers", share=0.1)

    summary = await run_once(ingest, "command")

    paprika = summary.sources[1]
    assert paprika.outcome == "succeeded"
    assert paprika.rows_rejected > 0
    async with db.connection() as conn:
        assert await conn.fetchval("SELECT count(*) FROM rejects WHERE stream = 'coinpaprika.tickers'") == paprika.rows_rejected


async def test_a_limit_in_mid_sweep_is_gone_on_from(ingest: Ingest, db: Database, upstream: Upstream) -> None:
    """The next run asks for the pages that are missing, and for no other."""
    upstream.strike("status", "/coins/markets", page=2, status=429, retry_after="3600", times=1)
    first = await run_once(ingest, "command")
    asked = upstream.count("/coins/markets")

    second = await run_once(ingest, "command")

    assert outcomes(first)["coingecko"] == "degraded"
    assert outcomes(second)["coingecko"] == "succeeded"
    assert upstream.count("/coins/markets", page=1) == 1
    assert upstream.count("/coins/markets") == asked + 2


async def test_a_second_run_is_told_of_the_first(ingest: Ingest) -> None:
    """One run at a time."""
    run_id = await ingest.open("command")

    with pytest.raises(RunOpenError) as caught:
        await ingest.open("admin")

    assert caught.value.run_id == run_id


async def test_a_dead_process_holds_nobody_up(ingest: Ingest, db: Database) -> None:
    """A run of a process of this host that is gone is closed at once as abandoned."""
    dead = await ingest.open("command")
    async with db.connection() as conn:
        await conn.execute("UPDATE runs SET owner_process = '999999999:1'")

    summary = await run_once(ingest, "command")

    async with db.connection() as conn:
        assert await conn.fetchval("SELECT status FROM runs WHERE run_id = $1", dead) == "abandoned"
    assert summary.status == "succeeded"


async def test_a_run_that_was_taken_over_writes_nothing_more(ingest: Ingest, db: Database) -> None:
    """Fencing: every later transaction of it fails."""
    run_id = await ingest.open("command")
    async with db.connection() as conn:
        await conn.execute("UPDATE runs SET open = false, status = 'abandoned', finished_at = now()")

    with pytest.raises(RunLostError):
        await ingest.work(run_id, "command")

    assert (await state(db))["listings"] == []


async def test_an_interrupted_run_rolls_its_part_back_and_says_so(ingest: Ingest, db: Database, upstream: Upstream) -> None:
    """SIGTERM in mid-part: the row says `interrupted`, and the next run goes on."""
    upstream.strike("slow", "/coins/markets", page=2, seconds=30, times=1)
    run_id = await ingest.open("schedule")
    task = asyncio.create_task(ingest.work(run_id, "schedule"))
    while upstream.count("/coins/markets", page=2) == 0:
        await asyncio.sleep(0.02)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    async with db.connection() as conn:
        assert await conn.fetchval("SELECT status FROM runs WHERE run_id = $1", run_id) == "interrupted"
    summary = await run_once(ingest, "command")
    assert summary.status == "succeeded"
    assert upstream.count("/coins/markets", page=1) == 1


@pytest.mark.parametrize(("path", "page"), [("/coins/list", None), ("/coins/markets", 2), ("/coins/markets", 3)])
async def test_ids_do_not_depend_on_what_comes_last(ingest: Ingest, db: Database, upstream: Upstream, path: str, page: int | None) -> None:
    """No coin is minted while its listing at CoinGecko, or that one's price, is still to come: it bears the id of that one."""
    upstream.strike("slow", path, page=page, seconds=1, times=1)

    await run_once(ingest, "command")

    async with db.connection() as conn:
        wrong = await conn.fetch("""
            SELECT c.coin_id FROM coins c JOIN judgements j ON j.coin_key = c.coin_key AND j.verdict = 'same' AND j.superseded_at IS NULL
            JOIN listings l USING (listing_id)
            GROUP BY c.coin_id HAVING bool_or(l.source = 'coingecko')
            AND NOT bool_or(l.source = 'coingecko' AND c.coin_id IN (l.source_id, l.source_id || '-2'))""")
        merged = await conn.fetchval("SELECT count(*) FROM coins WHERE merged_into IS NOT NULL")
    assert wrong == []
    assert merged == 0


async def test_a_publication_that_was_lost_is_caught_up(ingest: Ingest, db: Database, upstream: Upstream) -> None:
    """Parts were committed and the process died before their prices were: the next run prices them, asking nothing new."""
    await run_once(ingest, "command")
    good = (await state(db))["prices"]
    async with db.connection() as conn:
        await conn.execute("DELETE FROM latest_prices")
        await conn.execute("UPDATE catalog_version SET published_run_id = 0")

    await run_once(ingest, "start")

    assert (await state(db))["prices"] == good


async def test_a_run_notes_how_much_of_each_source_is_covered(ingest: Ingest, db: Database) -> None:
    """Of the listings that are active when it ends, those that have a quote of the last day."""
    await run_once(ingest, "command")

    async with db.connection() as conn:
        counted = await conn.fetch("SELECT source, listings_active, listings_quoted FROM run_sources ORDER BY source")
    assert [tuple(row) for row in counted] == [("coingecko", 660, 600), ("coinpaprika", 395, 250)]
