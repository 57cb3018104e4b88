"""What runs were like, compared with one another."""

from datetime import datetime

import asyncpg

from kasparro.clock import Clock, in_pieces
from kasparro.records import RunSummary
from kasparro.serving.deviations import REMEMBERED, Anomaly, of_runs
from kasparro.store import run_history

RUN_ID_MAX = run_history.RUN_ID_MAX
_RUNS_MAX = 5_000  # of a span; three days with a run a minute are 4,320


async def odd_since(conn: asyncpg.Connection, clock: Clock, since: datetime) -> list[Anomaly]:
    """What was odd in the runs that ended since a time."""
    facts = await run_history.read_facts(conn, since, RUN_ID_MAX, REMEMBERED, _RUNS_MAX)
    return await in_pieces(of_runs(facts, since), clock)


async def odd_in(conn: asyncpg.Connection, clock: Clock, run: RunSummary) -> list[Anomaly]:
    """What was odd in one run, against those before it."""
    facts = await run_history.read_facts(conn, run.finished_at or clock.now(), run.run_id, REMEMBERED, 1)
    return [found for found in await in_pieces(of_runs(facts, run.started_at), clock) if found.run_id == run.run_id]
