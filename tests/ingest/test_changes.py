"""What has become of coins, over real runs."""

from datetime import timedelta
from random import Random

import msgspec
import pytest

from kasparro.catalog.catalog import CatalogHolder
from kasparro.clock import SystemClock
from kasparro.ingest.judge import PersonsJudge
from kasparro.ingest.run import Ingest, run_once
from kasparro.store import changes
from kasparro.store.changes import Change
from kasparro.store.pool import Database
from tests.ingest.scene import Scene, scene
from tests.upstream.server import Upstream

ALL = 10_000


async def told(db: Database, version: int = 0) -> list[Change]:
    """What was told after a version."""
    async with db.read() as conn:
        return await changes.read(conn, version, 2**63 - 1, ALL)


async def version(db: Database) -> int:
    """The catalog's version now."""
    async with db.connection() as conn:
        return int(await conn.fetchval("SELECT version FROM catalog_version"))


@pytest.fixture
def judge(ingest: Ingest) -> PersonsJudge:
    """Hears a person."""
    return PersonsJudge(ingest.identity, ingest.database, ingest.settings, SystemClock())


async def test_every_coin_is_new_once(ingest: Ingest, db: Database, upstream: Upstream) -> None:
    """What the first run finds is new, in the order of publications; moved prices are no change."""
    await run_once(ingest, "command")
    found = await told(db)
    async with db.connection() as conn:
        living = {row[0] for row in await conn.fetch("SELECT coin_id FROM coins WHERE merged_into IS NULL")}
    new = [c.coin_id for c in found if c.kind == "new"]
    assert len(new) == len(set(new))
    assert living <= set(new) | {c.coin_id for c in found if c.kind == "split"}
    assert [(c.version, c.change_id) for c in found] == sorted((c.version, c.change_id) for c in found)
    bitcoin = next(c for c in found if c.coin_id == "bitcoin")
    assert (bitcoin.was, bitcoin.now.symbol, bitcoin.other_id) == (None, "BTC", None)

    before = await version(db)
    upstream.tick()
    await run_once(ingest, "command")
    assert await version(db) > before
    assert await told(db, before) == []


async def test_another_name_or_symbol_is_a_change(db: Database) -> None:
    """With what the coin was called and what it is called."""
    async with scene(db) as at:
        await _first_day(at)
        before = await version(db)
        at.upstream.renamed, at.upstream.symbols = {"tether": "Tethered"}, {"solana": "sun"}
        await _next_day(at)

        found = {c.coin_id: c for c in await told(db, before) if c.kind == "renamed"}
    assert set(found) == {"tether", "solana"}
    assert [(s.symbol, s.name) for s in (found["tether"].was, found["tether"].now) if s] == [("USDT", "Tether"), ("USDT", "Tethered")]
    assert [s.symbol for s in (found["solana"].was, found["solana"].now) if s] == ["SOL", "SUN"]


async def test_a_coin_that_sources_delist_does_not_go_silently(db: Database) -> None:
    """One of two sources: delisted. All of them: vanished, and returned when one lists it again."""
    async with scene(db) as at:
        await _first_day(at)
        before = await version(db)
        at.upstream.removed = {"solana", "tether", "usdt-tether"}
        await _next_day(at)
        gone = {c.coin_id: (c.kind, c.reason, c.was and c.was.sources, c.now.sources) for c in await told(db, before)}

        before = await version(db)
        at.upstream.removed = {"solana"}
        await _next_day(at)
        back = {c.coin_id: (c.kind, c.reason) for c in await told(db, before)}
    both = ("coingecko", "coinpaprika")
    assert gone["solana"] == ("delisted", "delisted", both, ("coinpaprika",))
    assert gone["tether"] == ("vanished", "delisted", both, ())
    assert back["tether"] == ("returned", "listed")
    assert "solana" not in back


@pytest.mark.parametrize("publish_seconds", [0.0, 15.0])
async def test_what_is_shown_of_a_coin_follows_its_listings(db: Database, publish_seconds: float) -> None:
    """Where nobody quotes it any more, a catalog that was read before shows that its listings are gone, however often the run published."""
    async with scene(db, publish_seconds=publish_seconds) as at:
        await _first_day(at)
        holder = CatalogHolder(db, at.clock, ["coingecko", "coinpaprika"])
        await holder.refresh()
        at.upstream.removed = {"tether", "usdt-tether"}
        at.upstream.strike("slow", "/contracts", seconds=1.0)
        await _next_day(at)
        await holder.refresh()
        assert _active(holder, "tether") == {"coingecko": False, "coinpaprika": False}


def _active(holder: CatalogHolder, coin_id: str) -> dict[str, bool]:
    """Which sources still list a coin, as the catalog shows it."""
    shown = holder.current.find(coin_id)
    assert shown is not None
    return {n.source: n.active for n in shown.listings}


async def test_what_a_run_left_that_died_is_told_by_the_next_one(db: Database) -> None:
    """It had stored that two listings are gone, and published nothing; the next run publishes while it works, and at its end."""
    async with scene(db) as at:
        await _first_day(at)
        holder = CatalogHolder(db, at.clock, ["coingecko", "coinpaprika"])
        await holder.refresh()
        before = await version(db)
        at.upstream.removed = {"tether", "usdt-tether"}
        async with db.connection() as conn:
            await conn.execute("""INSERT INTO runs (trigger, status, owner_host, owner_process, started_at, finished_at, lease_until, open)
                SELECT trigger, 'abandoned', owner_host, owner_process, started_at, finished_at, lease_until, false FROM runs""")
            await conn.execute("UPDATE listings SET active = false, evidence_run_id = 2 WHERE source_id = ANY($1)", at.upstream.removed)
        at.upstream.strike("slow", "/contracts", seconds=1.0)
        await _next_day(at)
        assert await version(db) > before + 1, "it published once only"
        assert [(c.coin_id, c.kind) for c in await told(db, before)] == [("tether", "vanished")]
        await holder.refresh()
        assert _active(holder, "tether") == {"coingecko": False, "coinpaprika": False}


async def test_a_coin_that_is_no_longer_quoted_does_not_go_silently(db: Database) -> None:
    """Its sources list it, but quote others only: vanished after two days. An outage of all silences nobody."""
    async with scene(db) as at:
        await _first_day(at)
        before = await version(db)
        at.upstream.strike("status")
        await _next_day(at, days=3)
        assert [c for c in await told(db, before) if c.kind == "vanished"] == []
        at.upstream.faults.clear()
        quoted = at.upstream.market
        alone = next(r["id"] for r in quoted.gecko_markets if quoted.kinds[r["id"]] == "alone")
        rows = [r for r in quoted.gecko_markets if r["id"] != alone]
        at.upstream.market = msgspec.structs.replace(quoted, gecko_markets=rows)
        at.upstream.changed()
        for _ in range(3):
            await _next_day(at)
        gone = [(c.kind, c.reason) for c in await told(db, before) if c.coin_id == alone]
        at.upstream.market = quoted
        at.upstream.changed()
        for _ in range(4):
            await _next_day(at)
        back = [(c.kind, c.reason) for c in await told(db, before) if c.coin_id == alone]
    assert gone == [("vanished", "unquoted")]
    assert back == [*gone, ("returned", "quoted")]


async def test_a_split_and_a_merge_name_the_other_coin_and_the_judgement(ingest: Ingest, db: Database, judge: PersonsJudge) -> None:
    """A person separates a listing, and takes it back: both are told at once, with what was said."""
    await run_once(ingest, "command")
    before = await version(db)

    said = await judge.say("coinpaprika", "eth-ethereum", "ethereum", "different", "for a test")
    (split,) = [c for c in await told(db, before) if c.kind == "split"]
    await judge.withdraw(said.judgement_id)
    (merged,) = [c for c in await told(db, before) if c.kind == "merged"]

    assert (split.coin_id, split.other_id, split.version) == ("eth-ethereum", "ethereum", said.catalog_version)
    assert split.judgement is not None
    assert (split.judgement.judgement_id, split.judgement.verdict, split.judgement.note) == (said.judgement_id, "different", "for a test")
    assert (merged.coin_id, merged.other_id) == ("eth-ethereum", "ethereum")
    assert merged.judgement is not None
    assert (merged.judgement.source_id, merged.judgement.verdict, merged.judgement.decided_by) == ("eth-ethereum", "same", "rule")
    assert [(c.kind, c.coin_id) for c in await told(db, before)] == [("split", "eth-ethereum"), ("merged", "eth-ethereum")]


async def test_a_listing_that_joins_another_coin_and_leaves_it_again(ingest: Ingest, db: Database, judge: PersonsJudge) -> None:
    """The coin that it was alone is merged by the person's word, and splits off under its old id when that is withdrawn."""
    await run_once(ingest, "command")
    async with db.connection() as conn:
        alone, own = await conn.fetchrow(
            """SELECT l.source_id, c.coin_id FROM listings l JOIN judgements j USING (listing_id) JOIN coins c USING (coin_key)
               WHERE l.source = 'coinpaprika' AND j.rule = 'own' AND j.verdict = 'same' AND j.superseded_at IS NULL ORDER BY 1 LIMIT 1"""
        )
    before = await version(db)

    said = await judge.say("coinpaprika", alone, "bitcoin", "same", None)
    await judge.withdraw(said.judgement_id)

    found = [(c.kind, c.coin_id, c.other_id, c.judgement and c.judgement.judgement_id) for c in await told(db, before) if c.coin_id == own]
    assert found == [("merged", own, "bitcoin", said.judgement_id), ("split", own, "bitcoin", said.judgement_id)]


async def test_who_follows_knows_what_there_is(db: Database) -> None:
    """After days of renames, delistings and new judgements: each coin's name, what it became, and whether anybody lists it."""
    random = Random(3)
    async with scene(db) as at:
        await _first_day(at)
        ids = [row["id"] for row in at.upstream.market.gecko_list + at.upstream.market.paprika_coins]
        for day in range(4):
            at.upstream.removed = set(random.sample(ids, 15))
            at.upstream.renamed |= {i: f"Called {day} {i}" for i in random.sample(ids, 20)}
            await _next_day(at)
    known: dict[str, Change] = {}
    there: set[str] = set()
    for change in await told(db):
        last = known.get(change.coin_id)
        if last is not None and change.was is not None:  # what comes in one version is told against the one before
            assert change.was.name == (last.was.name if last.version == change.version and last.was else last.now.name)
        known[change.coin_id] = change
        there.discard(change.coin_id)
        if change.kind != "merged" and change.now.sources:
            there.add(change.coin_id)
    async with db.connection() as conn:
        coins = await conn.fetch("""
            SELECT c.coin_id, c.symbol, c.name, c.merged_into IS NOT NULL AS is_merged, EXISTS (
                SELECT FROM judgements j JOIN listings l USING (listing_id)
                WHERE j.coin_key = c.coin_key AND j.verdict = 'same' AND j.superseded_at IS NULL AND l.active) AS is_there
            FROM coins c""")
    assert {(c.coin_id, c.now.symbol, c.now.name) for c in known.values()} == {(c["coin_id"], c["symbol"], c["name"]) for c in coins}
    assert there == {c["coin_id"] for c in coins if c["is_there"]}
    assert {c["coin_id"] for c in coins if c["is_merged"]} <= {c.coin_id for c in await told(db) if c.kind == "merged"}


async def test_what_is_old_is_forgotten(ingest: Ingest, db: Database, upstream: Upstream) -> None:
    """After a year."""
    await run_once(ingest, "command")
    async with db.connection() as conn:
        await conn.execute("UPDATE changes SET changed_at = changed_at - interval '366 days' WHERE change_id % 2 = 0")
    upstream.tick()
    await run_once(ingest, "command")
    assert all(c.change_id % 2 for c in await told(db))


async def _first_day(at: Scene) -> None:
    await run_once(at.ingest, "command")


async def _next_day(at: Scene, days: int = 1) -> None:
    at.pass_time(timedelta(days=days))
    await run_once(at.ingest, "command", full=True)
