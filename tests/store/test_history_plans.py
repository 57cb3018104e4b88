"""What is read of history is read by index, however long it has become."""

from datetime import UTC, datetime, timedelta
from typing import Any

from kasparro.store import queries

ROWS = 20_000
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)


async def _plan(conn: Any, noun: str, name: str, *arguments: Any) -> str:
    """How the server answers a named query."""
    return "\n".join(row[0] for row in await conn.fetch(f"EXPLAIN (COSTS OFF) {queries.load(noun)[name]}", *arguments))


async def test_changes_are_read_by_index(rolled_back: Any) -> None:
    """A page in its order, without a sort; the place of a time; how many follow a version."""
    await rolled_back.execute(
        f"""INSERT INTO changes (version, changed_at, kind, coin_key, symbol, name, sources)
            SELECT n / 50, now() - make_interval(secs => {ROWS} - n), 'new', n, 'M', 'Made', '{{}}' FROM generate_series(1, {ROWS}) AS n"""
    )
    await rolled_back.execute(
        f"""INSERT INTO coins (coin_id, symbol, name, created_at, version)
            SELECT 'made-' || n, 'M', 'Made', now(), 1 FROM generate_series(1, {ROWS}) AS n"""
    )
    await rolled_back.execute("ANALYZE changes, coins")
    now: datetime = await rolled_back.fetchval("SELECT now()")
    page = await _plan(rolled_back, "changes", "select_changes", 350, 2**63 - 1, 100)
    place = await _plan(rolled_back, "changes", "select_version_at", now)
    assert "Index Scan using changes_pkey" in page
    assert "Index Scan Backward using changes_by_time" in place
    assert "Seq Scan" not in page + place + await _plan(rolled_back, "changes", "count_changes", 390)


async def test_hourly_prices_of_some_coins_are_read_by_index(rolled_back: Any) -> None:
    """In each day's partition, by the coins that are chosen, and no other row."""
    for day in (BEGIN, BEGIN + timedelta(days=1)):
        await rolled_back.execute("SELECT make_day_partition('prices', $1)", day.date())
    await rolled_back.execute(
        f"""INSERT INTO prices (coin_key, listing_id, published_at, observed_at, value, confidence, method)
            SELECT n % 500, 1, $1::timestamptz + make_interval(hours => n / 500), $1, 1, 1, 'only'
            FROM generate_series(0, {ROWS} - 1) AS n""",
        BEGIN,
    )
    await rolled_back.execute("ANALYZE prices")
    plan = await _plan(rolled_back, "prices", "select_hourly_prices", 100, "disagree", BEGIN)
    assert "Seq Scan on prices_" not in plan, plan


async def test_the_last_week_of_a_page_of_coins_is_read_by_index(rolled_back: Any) -> None:
    """In each day's partition, by the listings that are shown, and no other row."""
    for day in range(9):
        await rolled_back.execute("SELECT make_day_partition('candles_hourly', $1)", (BEGIN + timedelta(days=day)).date())
    await rolled_back.execute(
        f"""INSERT INTO candles_hourly (listing_id, opens_at, open, high, low, close, samples)
            SELECT n % 2000, $1::timestamptz + make_interval(hours => n / 2000), 1, 1, 1, 1, 1
            FROM generate_series(0, {ROWS * 20} - 1) AS n""",
        BEGIN,
    )
    await rolled_back.execute("ANALYZE candles_hourly")
    plan = await _plan(rolled_back, "history", "select_recent_closes", list(range(100)), list(range(100)), BEGIN + timedelta(days=1))
    assert "Seq Scan on candles_hourly_" not in plan, plan


async def test_runs_to_compare_with_are_read_by_index(rolled_back: Any) -> None:
    """The newest of very many, and what their sources did."""
    await rolled_back.execute(
        f"""INSERT INTO runs (trigger, status, owner_host, owner_process, started_at, finished_at, lease_until, open)
            SELECT 'schedule', 'succeeded', 'h', 'p', at, at, at, false
            FROM generate_series(1, {ROWS}) AS n, LATERAL (SELECT now() - make_interval(mins => 5 * ({ROWS} - n))) AS t (at)"""
    )
    await rolled_back.execute(
        """INSERT INTO run_sources (run_id, source, outcome, calls, parts, rows_received, rows_written, rows_revised, rows_rejected,
               duration_seconds)
           SELECT run_id, s, 'succeeded', 1, 1, 1, 1, 0, 0, 1 FROM runs, unnest(ARRAY['coingecko', 'coinpaprika']) AS s"""
    )
    await rolled_back.execute("ANALYZE runs, run_sources")
    day: datetime = await rolled_back.fetchval("SELECT now() - interval '1 day'")
    plan = await _plan(rolled_back, "run_history", "select_run_facts", day, 2**31 - 1, 200, 400)
    assert "Seq Scan" not in plan, plan
