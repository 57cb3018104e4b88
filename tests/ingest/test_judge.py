"""What a person says, over real runs."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from kasparro.clock import SystemClock
from kasparro.errors import NotKnownError, RefusedError
from kasparro.ingest.judge import PersonsJudge
from kasparro.ingest.run import Ingest, run_once
from kasparro.store.pool import Database
from tests.ingest.conftest import state
from tests.upstream.server import Upstream


@pytest.fixture
def judge(ingest: Ingest) -> PersonsJudge:
    """Hears a person."""
    return PersonsJudge(ingest.identity, ingest.database, ingest.settings, SystemClock())


async def coin_of(db: Database, source: str, source_id: str) -> str:
    """The coin that a listing is."""
    async with db.connection() as conn:
        found = await conn.fetch(
            """SELECT c.coin_id FROM judgements j JOIN listings l USING (listing_id) JOIN coins c USING (coin_key)
               WHERE l.source = $1 AND l.source_id = $2 AND j.verdict = 'same' AND j.superseded_at IS NULL""",
            source,
            source_id,
        )
    assert len(found) == 1
    return str(found[0]["coin_id"])


async def prices(db: Database) -> Mapping[str, Any]:
    """What stands published, by coin."""
    return {row[0]: row[1] for row in (await state(db))["prices"]}


async def quote(db: Database, source: str, source_id: str) -> float:
    """A listing's newest price."""
    async with db.connection() as conn:
        return float(
            await conn.fetchval(
                "SELECT q.price FROM latest_quotes q JOIN listings l USING (listing_id) WHERE l.source = $1 AND l.source_id = $2",
                source,
                source_id,
            )
        )


async def test_a_wrong_merge_is_undone_for_good(ingest: Ingest, db: Database, upstream: Upstream, judge: PersonsJudge) -> None:
    """Both coins show their own prices from then on, and the next ten runs leave it so; so does another set of rules."""
    upstream.observed_at -= timedelta(minutes=30)
    await run_once(ingest, "command")
    assert await coin_of(db, "coinpaprika", "eth-ethereum") == "ethereum"

    said = await judge.say("coinpaprika", "eth-ethereum", "ethereum", "different", "for a test")

    assert (said.coin_id, said.now_coin_id, said.note) == ("ethereum", "eth-ethereum", "for a test")
    for n in range(10):
        upstream.tick()
        if n == 5:
            async with db.connection() as conn:
                await conn.execute("UPDATE catalog_version SET rules = 'older'")
        await run_once(ingest, "command", full=n == 7)
        assert await coin_of(db, "coinpaprika", "eth-ethereum") == "eth-ethereum"
        assert await coin_of(db, "coingecko", "ethereum") == "ethereum"
        published = await prices(db)
        assert published["ethereum"] == await quote(db, "coingecko", "ethereum")
        assert published["eth-ethereum"] == await quote(db, "coinpaprika", "eth-ethereum")


async def test_a_word_that_is_withdrawn_leaves_it_to_the_rules(ingest: Ingest, db: Database, judge: PersonsJudge) -> None:
    """What was said is gone; the listings are one coin again, and the coin that was made meanwhile redirects."""
    await run_once(ingest, "command")
    said = await judge.say("coinpaprika", "eth-ethereum", "ethereum", "different", None)

    undone = await judge.withdraw(said.judgement_id)

    assert undone.now_coin_id == "ethereum"
    assert await coin_of(db, "coinpaprika", "eth-ethereum") == "ethereum"
    async with db.connection() as conn:
        merged = "SELECT m.coin_id FROM coins c JOIN coins m ON m.coin_key = c.merged_into WHERE c.coin_id = 'eth-ethereum'"
        assert await conn.fetchval(merged) == "ethereum"
    assert "eth-ethereum" not in await prices(db)
    with pytest.raises(NotKnownError):
        await judge.withdraw(said.judgement_id)


async def test_a_person_joins_what_the_rules_keep_apart(ingest: Ingest, db: Database, upstream: Upstream, judge: PersonsJudge) -> None:
    """The listing's own coin becomes the other one, for every run; withdrawn, it has its coin again under its id."""
    await run_once(ingest, "command")
    gecko, paprika = upstream.market.different[0]
    theirs = await coin_of(db, "coinpaprika", paprika)
    async with db.connection() as conn:
        alone = await conn.fetchval(
            """SELECT l.source_id FROM listings l JOIN judgements j USING (listing_id)
               WHERE l.source = 'coinpaprika' AND j.rule = 'own' AND j.verdict = 'same' AND j.superseded_at IS NULL ORDER BY 1 LIMIT 1"""
        )
    target = await coin_of(db, "coingecko", gecko)
    before = await coin_of(db, "coinpaprika", alone)

    said = await judge.say("coinpaprika", alone, target, "same", None)

    assert said.now_coin_id == target
    upstream.tick()
    await run_once(ingest, "command")
    assert await coin_of(db, "coinpaprika", alone) == target
    assert before not in await prices(db)
    async with db.connection() as conn:
        merged = "SELECT m.coin_id FROM coins c JOIN coins m ON m.coin_key = c.merged_into WHERE c.coin_id = $1"
        assert await conn.fetchval(merged, before) == target
    assert (await judge.withdraw(said.judgement_id)).now_coin_id == before
    assert await coin_of(db, "coinpaprika", paprika) == theirs


async def test_a_word_before_the_lists_are_complete_stands(ingest: Ingest, db: Database, upstream: Upstream, judge: PersonsJudge) -> None:
    """Everything that rules said is then computed from nothing; what a person said is not."""
    upstream.strike("status", "/coins/markets", page=2, status=429, retry_after="3600", times=1)
    await run_once(ingest, "command")
    await judge.say("coinpaprika", "eth-ethereum", "ethereum", "different", None)

    await run_once(ingest, "command")

    assert await coin_of(db, "coinpaprika", "eth-ethereum") == "eth-ethereum"
    assert await coin_of(db, "coingecko", "ethereum") == "ethereum"


async def test_what_cannot_be_followed_is_refused_and_nothing_is_written(ingest: Ingest, db: Database, judge: PersonsJudge) -> None:
    """An unknown listing or coin, a rule's judgement, a word against another word, a listing that is all of its coin."""
    await run_once(ingest, "command")
    await judge.say("coinpaprika", "eth-ethereum", "ethereum", "different", None)
    before = await state(db)
    async with db.connection() as conn:
        of_a_rule = await conn.fetchval("SELECT judgement_id FROM judgements WHERE superseded_at IS NULL AND decided_by = 'rule' LIMIT 1")

    for source_id, coin_id, code in (("nothing", "ethereum", "listing_unknown"), ("eth-ethereum", "nothing", "coin_unknown")):
        with pytest.raises(NotKnownError) as unknown:
            await judge.say("coinpaprika", source_id, coin_id, "same", None)
        assert unknown.value.code == code
    with pytest.raises(RefusedError) as refused:
        await judge.withdraw(of_a_rule)
    assert refused.value.code == "judgement_of_a_rule"
    with pytest.raises(RefusedError) as contradicted:
        await judge.say("coingecko", "ethereum", "eth-ethereum", "same", None)
    assert contradicted.value.code == "judgement_contradicts"
    with pytest.raises(RefusedError):
        await judge.say("coinpaprika", "eth-ethereum", "eth-ethereum", "different", None)
    assert await state(db) == before


async def test_the_last_word_on_a_listing_and_a_coin_counts(ingest: Ingest, db: Database, judge: PersonsJudge) -> None:
    """A person who changes their mind need not withdraw what they said first."""
    await run_once(ingest, "command")
    await judge.say("coinpaprika", "eth-ethereum", "ethereum", "different", None)

    said = await judge.say("coinpaprika", "eth-ethereum", "ethereum", "same", None)

    assert said.now_coin_id == "ethereum"
    async with db.connection() as conn:
        stands = await conn.fetch("SELECT verdict FROM judgements WHERE decided_by = 'person' AND superseded_at IS NULL")
    assert [row["verdict"] for row in stands] == ["same"]
