"""Looks whether an answer still has the fields that are expected, before it is used, and keeps what it finds."""

from kasparro import logs
from kasparro.clock import Clock, in_pieces
from kasparro.errors import SkipError
from kasparro.ingest.outcome import SourceWork
from kasparro.records import Drift, Request
from kasparro.settings import Settings
from kasparro.sources import drift
from kasparro.sources.expected import EXPECTED
from kasparro.store import drift as drift_table
from kasparro.store import runs
from kasparro.store.pool import Database

log = logs.get()


async def check(database: Database, settings: Settings, clock: Clock, run_id: int, work: SourceWork, request: Request, body: bytes) -> None:
    """Raise SkipError where a field is gone without which the answer is not what it was.

    What is found is stored in a transaction of its own, so that it stays when the part is not committed, and told once per run.
    """
    expected = EXPECTED.get(request.stream)
    if expected is None:
        return
    sampled = await in_pieces(drift.sample(expected, body), clock)
    found = drift.examine(expected, sampled)
    if not found:
        return
    ids = drift.wanted(expected, sampled, found)
    if ids:
        async with database.read(timeout_seconds=settings.command_timeout_seconds) as conn:
            known = await drift_table.known_values(conn, request.source, ids)
        found = drift.suggest(expected, sampled, found, known)
    else:
        found = drift.suggest(expected, sampled, found, {})
    await _keep(database, settings, clock, run_id, work, request, found)
    grave = [one for one in found if one.verdict == "reject"]
    if grave:
        raise SkipError(drift.words(grave[0]), code="drift")
    work.warnings += [f"{request.stream} {request.part}: {drift.words(one)}" for one in found if one.verdict == "warn"]


async def _keep(
    database: Database, settings: Settings, clock: Clock, run_id: int, work: SourceWork, request: Request, found: list[Drift]
) -> None:
    untold = [one for one in found if (request.stream, one.field, one.kind) not in work.drifted]
    if not untold:
        return
    async with database.write() as conn:
        first = await drift_table.write(conn, request.stream, untold, run_id=run_id, now=clock.now())
        await runs.renew_lease(conn, run_id, settings.lease_seconds)
    for one in untold:
        work.drifted.add((request.stream, one.field, one.kind))
        if one.verdict != "accept" or (one.field, one.kind) in first:
            log.info(
                "source.drift",
                source=request.source,
                stream=request.stream,
                run_id=run_id,
                field=one.field,
                kind=one.kind,
                verdict=one.verdict,
                share=round(one.share, 3),
                suggestion=one.suggestion,
                score=one.score,
            )
