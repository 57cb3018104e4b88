"""Sees to it that raw rows have candles that were written without: by an earlier version, or put into the table by a person.

Every quote of a run has its candles made right in the transaction that writes it, so that no kill can part them.
"""

from kasparro import logs
from kasparro.ingest.part import Tools
from kasparro.store import candles, partitions, runs

log = logs.get()


async def roll_up_missing(tools: Tools, run_id: int) -> None:
    """Roll up every day that has raw rows and no candle at all, a transaction each. Raises RunLostError where the run was taken over.

    A day must not begin to have candles before: it would look as if it had them all.
    """
    async with tools.database.read() as conn:
        days = await partitions.days(conn, "quotes")
    for day in days:
        async with tools.database.write() as conn:
            await partitions.make(conn, ["candles_hourly"], [day])
            if await candles.roll_up_day(conn, day):
                log.info("candles.rolled_up", run_id=run_id, day=day.isoformat())
            await runs.renew_lease(conn, run_id, tools.settings.lease_seconds)
