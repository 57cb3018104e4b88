"""What is kept for how long, and dropping what is not."""

from collections.abc import Sequence
from datetime import date, timedelta

import asyncpg

from kasparro import logs
from kasparro.ingest.part import Tools
from kasparro.store import changes, drift, partitions, raw_pages, runs
from kasparro.store.kept import first_kept, hourly_days

log = logs.get()

_CHANGE_DAYS = 365  # what has become of coins is told for so long: some 100 rows a day, and one for each coin of the first run
_DRIFT_DAYS = 90  # a finding that was not made again for so long is forgotten
_LOCK_WAIT_SECONDS = 0.05  # what a reader may have to wait behind us
_DAYS_MAX = 400  # dropped by one run, of one table


async def retain(tools: Tools, run_id: int) -> None:
    """Drop what is older than it is to be kept. Raises RunLostError where the run was taken over.

    Quotes are rolled up as they are written, so that none is dropped before. A day goes only where our clock and the database's agree
    that it is old: one of them may be wrong, and nothing brings a day back.
    """
    settings, now = tools.settings, tools.clock.now()
    async with tools.database.write() as conn:
        await runs.renew_lease(conn, run_id, settings.lease_seconds)
        await raw_pages.delete_old(conn, now - timedelta(days=max(1, settings.raw_days)), settings.raw_megabytes * 1_000_000)
        await drift.delete_old(conn, now - timedelta(days=_DRIFT_DAYS))
        await changes.delete_old(conn, now - timedelta(days=_CHANGE_DAYS))
        earlier = min(now, await runs.database_clock(conn))
        # Prices as long as quotes: they are what was made of them.
        kept = {"quotes": settings.quote_days, "prices": settings.quote_days, "candles_hourly": hourly_days(settings)}
        first = {table: first_kept(earlier, days).date() for table, days in kept.items()}
        old = {table: [day for day in await partitions.days(conn, table) if day < first[table]] for table in kept}
    for table, days in old.items():
        await _drop(tools, run_id, table, days[:_DAYS_MAX])


async def _drop(tools: Tools, run_id: int, table: str, days: Sequence[date]) -> None:
    """A transaction a day. Where somebody is at work on the table for longer than a moment, the next run goes on."""
    for day in days:
        try:
            async with tools.database.write() as conn:
                await runs.renew_lease(conn, run_id, tools.settings.lease_seconds)
                await partitions.drop(conn, table, day, lock_wait_seconds=_LOCK_WAIT_SECONDS)
        except asyncpg.LockNotAvailableError:
            log.info("retention.postponed", run_id=run_id, table=table, day=day.isoformat(), message="a reader is at work on it")
            return
        log.info("retention.dropped", run_id=run_id, table=table, day=day.isoformat())
