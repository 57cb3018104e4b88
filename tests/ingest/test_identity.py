"""Identity over real runs: what a change concerns is judged, and nothing else."""

import pytest

from kasparro.clock import SystemClock
from kasparro.ingest.identity import Identity, Judged, Settledness
from kasparro.ingest.publish import OutdatedError, Publication
from kasparro.ingest.run import Ingest, run_once
from kasparro.store.pool import Database
from tests.ingest.conftest import state
from tests.resolver.test_keys import entries
from tests.upstream.server import Upstream

ALL = frozenset({"coingecko", "coinpaprika"})
COMPLETE = Settledness(listed=ALL, quoted=ALL, complete=True)
IDENTITY = ("judgements", "coins")
# Renames, deaths and prices that part, as a run would leave them.
CHANGES = """
    WITH chosen AS (SELECT listing_id, row_number() OVER (ORDER BY md5(source || source_id)) AS n FROM listings),
    parted AS (UPDATE latest_quotes AS q SET price = q.price * 50 FROM chosen
               WHERE chosen.listing_id = q.listing_id AND n <= 60 AND n % 3 = 2)
    UPDATE listings AS l SET name = CASE WHEN n % 3 = 0 THEN l.name || ' Finance' ELSE l.name END,
                             active = CASE WHEN n % 3 = 1 THEN false ELSE l.active END, evidence_run_id = $1
    FROM chosen WHERE chosen.listing_id = l.listing_id AND n <= 60"""


async def run_count(db: Database) -> int:
    """The last run's id."""
    async with db.connection() as conn:
        return int(await conn.fetchval("SELECT max(run_id) FROM runs"))


def told(judged: Judged) -> tuple[object, ...]:
    """What judging changes, in an order of its own."""
    found = judged.resolution
    judgements = sorted((j.listing_id, j.coin_id, j.verdict, j.rule) for j in found.judgements)
    return judgements, sorted(found.superseded), sorted(found.coins, key=lambda c: c.coin_id)


async def rules(db: Database) -> bytes | None:
    """By which rules everything was judged."""
    async with db.connection() as conn:
        found: bytes | None = await conn.fetchval("SELECT rules FROM catalog_version")
    return found


async def test_a_change_is_judged_as_if_everything_were(ingest: Ingest, db: Database) -> None:
    """What is judged around changed listings is what judging all listings anew comes to."""
    await run_once(ingest, "command")
    last = await run_count(db)
    async with db.connection() as conn:
        await conn.execute(CHANGES, last + 1)
    around = await Identity(db, ingest.settings, SystemClock()).judge(COMPLETE, last + 1, last + 2, (), ())
    async with db.connection() as conn:
        await conn.execute("UPDATE catalog_version SET rules = 'others'")

    everything = await Identity(db, ingest.settings, SystemClock()).judge(COMPLETE, last + 1, last + 2, (), ())

    assert around is not None
    assert everything is not None
    assert around.rules is None
    assert everything.rules is not None
    assert told(around) == told(everything)
    assert around.resolution.superseded


async def test_a_run_without_news_judges_nothing(ingest: Ingest, db: Database, upstream: Upstream) -> None:
    """Prices that move together are no reason to look at identity."""
    await run_once(ingest, "command")
    before = await state(db)
    upstream.tick()

    await run_once(ingest, "command")

    after = await state(db)
    assert [after[name] for name in IDENTITY] == [before[name] for name in IDENTITY]


async def test_everything_is_judged_anew_by_other_rules(ingest: Ingest, db: Database) -> None:
    """An upgrade of the rules takes effect in the next run, once."""
    await run_once(ingest, "command")
    good, digest = await state(db), await rules(db)
    async with db.connection() as conn:
        await conn.execute("UPDATE catalog_version SET rules = 'older'")

    await run_once(ingest, "command", full=True)

    assert await rules(db) == digest
    after = await state(db)
    assert [after[name] for name in IDENTITY] == [good[name] for name in IDENTITY]


async def test_another_process_s_changes_are_seen(ingest: Ingest, db: Database) -> None:
    """The keys that a process keeps know of what other processes' runs changed since."""
    await run_once(ingest, "command")
    async with db.connection() as conn:
        moved = await conn.fetchval("""
            SELECT j.listing_id FROM judgements j JOIN listings l USING (listing_id) WHERE l.source = 'coinpaprika' AND j.rule <> 'own'
            AND NOT EXISTS (SELECT FROM latest_quotes q WHERE q.listing_id = j.listing_id)
            AND NOT EXISTS (SELECT FROM listing_contracts c WHERE c.source_id = l.source_id)
            AND j.verdict = 'same' AND j.superseded_at IS NULL ORDER BY 1 LIMIT 1""")
        await conn.execute(
            "INSERT INTO runs (trigger, status, owner_host, owner_process, started_at, finished_at, lease_until, open)"
            " VALUES ('schedule', 'succeeded', 'h', 'p', now(), now(), now(), false)"
        )
        await conn.execute(
            "UPDATE listings SET symbol = 'QQQQ', name = 'Nothing Alike At All', evidence_run_id = $2 WHERE listing_id = $1", moved,
            await run_count(db),
        )  # fmt: skip
    other = Identity(db, ingest.settings, SystemClock())

    judged = await other.judge(COMPLETE, await run_count(db), await run_count(db) + 1, (), ())
    same_process = await ingest.identity.judge(COMPLETE, await run_count(db), await run_count(db) + 1, (), ())

    assert (judged is None) == (same_process is None)
    if judged is not None and same_process is not None:
        assert judged.resolution == same_process.resolution


async def test_keys_that_are_made_anew_are_those_that_judging_everything_left(ingest: Ingest, db: Database) -> None:
    """Of every listing, contracts included: a process that has just started finds whom a change concerns."""
    await run_once(ingest, "command")
    other = Identity(db, ingest.settings, SystemClock())
    async with other._snapshot() as conn:
        made = await other._known_keys(conn, 1)

    assert ingest.identity._keys is not None
    assert entries(made) == entries(ingest.identity._keys)
    assert all(any(kind) for kinds in entries(made).values() for kind in kinds)


async def test_what_was_judged_on_another_state_is_not_written(ingest: Ingest, db: Database) -> None:
    """Somebody who publishes meanwhile is not overwritten: it is judged again."""
    await run_once(ingest, "command")
    last = await run_count(db)
    async with db.connection() as conn:
        await conn.execute(CHANGES, last + 1)
    judged = await ingest.identity.judge(COMPLETE, last + 1, last + 2, (), ())
    async with db.connection() as conn:
        await conn.execute("UPDATE catalog_version SET version = version + 1")

    with pytest.raises(OutdatedError):
        async with db.write() as conn:
            await Publication.begin(conn, ingest.settings, ingest.clock.now(), judged)


async def test_an_open_question_is_asked_again_with_the_course_of_both_prices(ingest: Ingest, db: Database) -> None:
    """Once an hour, by the last quote of each hour; a listing whose judgement is not open has no course."""
    await run_once(ingest, "command")
    async with db.connection() as conn:
        row = await conn.fetchrow("""
            SELECT j.listing_id, (SELECT c.coin_key FROM judgements c JOIN latest_quotes q USING (listing_id)
                                  WHERE c.listing_id <> j.listing_id AND c.superseded_at IS NULL ORDER BY c.listing_id LIMIT 1) AS coin_key
            FROM judgements j JOIN latest_quotes q USING (listing_id) WHERE j.superseded_at IS NULL ORDER BY 1 DESC LIMIT 1""")
        await conn.execute(
            "INSERT INTO judgements (listing_id, coin_key, verdict, rule, confidence, evidence, created_at, version)"
            " VALUES ($1, $2, 'unsure', 'text.name', 0.6, '{}', now(), 1)", row["listing_id"], row["coin_key"],
        )  # fmt: skip
        await conn.execute(
            "SELECT make_day_partition('quotes', d::date) FROM generate_series(now() - interval '2 days', now(), interval '1 day') AS d"
        )
        await conn.execute(
            "INSERT INTO quotes (listing_id, run_id, observed_at, price, fetched_at, recorded_at)"
            " SELECT $1, 1, date_trunc('hour', now()) - n * interval '20 minutes', 100 + n, now(), now() FROM generate_series(1, 30) AS n",
            row["listing_id"],
        )
    identity = Identity(db, ingest.settings, SystemClock())
    async with db.read(snapshot=True) as conn:
        asked = await identity._open(conn)
        again = await identity._open(conn)

    assert row["listing_id"] in asked
    assert len(asked) > 1
    assert again == set()
    course = identity._courses[row["listing_id"]]
    # Ten hours of three quotes each; the newest quote is of the last of them, or of the hour that has just begun.
    assert [price for _, price in course[:9]] == [100 + n for n in range(28, 3, -3)]
    assert len(course) in {10, 11}
    assert list(course) == sorted(course)


async def test_prices_at_the_ends_of_float64_do_not_stop_a_run(ingest: Ingest, db: Database, upstream: Upstream) -> None:
    """A coin whose sources say 1.8e308 and 1e-18 is judged like any other whose prices have parted."""
    await run_once(ingest, "command")
    async with db.connection() as conn:
        await conn.execute("""
            UPDATE latest_quotes AS q SET price = CASE WHEN l.source = 'coingecko' THEN 1.7976931348623157e308 ELSE 1e-18 END
            FROM listings AS l WHERE l.listing_id = q.listing_id AND l.source_id IN ('ethereum', 'eth-ethereum')""")
        quoted = [row["listing_id"] for row in await conn.fetch("SELECT listing_id FROM latest_quotes")]
    last = await run_count(db)

    judged = await Identity(db, ingest.settings, SystemClock()).judge(COMPLETE, last + 1, last + 1, (), quoted)

    assert judged is not None
    assert {j.coin_id for j in judged.resolution.judgements} >= {"ethereum"}
