"""What must hold of a database after any number of kills."""

from typing import Any

import asyncpg

from kasparro.store.pool import Database
from tests.torture.moving import MovingUpstream

# What must never be found in a log: a fault of ours that was caught somewhere, or that nobody caught.
FAULTS = ("run.fault", "source.fault", "catalog.refresh_failed", "catalog.poll_failed")


async def assert_one_run_at_a_time(conn: asyncpg.Connection) -> int:
    """No two runs are open, and no run began before the one before it ended; how many runs there are."""
    assert await conn.fetchval("SELECT count(*) FROM runs WHERE open") <= 1
    overlapping = await conn.fetch("""
        SELECT run_id, status, started_at, finished_at, before FROM (
            SELECT *, max(finished_at) OVER (ORDER BY run_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM runs
        ) AS r WHERE before > started_at""")
    assert not overlapping, overlapping
    return int(await conn.fetchval("SELECT count(*) FROM runs"))


async def assert_quotes_were_served(db: Database, upstream: MovingUpstream) -> int:
    """Every stored quote is one that the upstream told, at the time that it told; how many there are."""
    async with db.connection() as conn:
        rows = await conn.fetch("SELECT l.source, l.source_id, q.observed_at, q.price FROM quotes q JOIN listings l USING (listing_id)")
    keys = [(r["source"], r["source_id"], r["observed_at"]) for r in rows]
    assert len(set(keys)) == len(keys)
    wrong = [(key, row["price"]) for key, row in zip(keys, rows, strict=True) if row["price"] not in upstream.served.get(key, ())]
    assert not wrong, wrong[:5]
    return len(keys)


async def assert_no_part_is_lost(conn: asyncpg.Connection) -> None:
    """Every known part of every stream is in the newest sweep of its stream."""
    behind = await conn.fetch("""
        SELECT stream, part, sweep FROM checkpoints c
        WHERE sweep = 0 OR sweep < (SELECT max(sweep) FROM checkpoints AS o WHERE o.stream = c.stream)""")
    assert not behind, behind


async def sweeps(conn: asyncpg.Connection) -> dict[tuple[str, str], int]:
    """The sweep in which every part was last committed."""
    return {(row["stream"], row["part"]): row["sweep"] for row in await conn.fetch("SELECT stream, part, sweep FROM checkpoints")}


def assert_log_is_clean(lines: list[dict[str, Any]]) -> None:
    """No line tells of a fault of ours, and none is a stray traceback."""
    faults = [line for line in lines if line["event"] in FAULTS]
    assert not faults, faults[:3]
    stray = [n for n, line in enumerate(lines) if line["event"] == "text" and ("Traceback" in line["text"] or "never" in line["text"])]
    assert not stray, [line.get("text", line["event"]) for line in lines[stray[0] : stray[0] + 40]]
