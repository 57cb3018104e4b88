"""One part from request to commit: fetch, parse, check, write."""

import asyncpg

from kasparro.clock import Clock, in_pieces
from kasparro.errors import SkipError
from kasparro.ingest import checks, drift, load, plan
from kasparro.ingest.outcome import SourceWork
from kasparro.records import Request
from kasparro.settings import Settings
from kasparro.sources.http import HttpClient
from kasparro.store.pool import Database


class Tools:
    """What a part is carried out with."""

    def __init__(self, settings: Settings, clock: Clock, database: Database, http: HttpClient) -> None:
        self.settings, self.clock, self.database, self.http = settings, clock, database, http


async def carry_out(
    tools: Tools, run_id: int, work: SourceWork, due: plan.Due, *, full: bool, insist: bool, deadline: float | None
) -> load.Committed:
    """Commit one part of a source. Raises RetryError, SkipError or AbortError; then nothing of it was written."""
    source, settings = work.source, tools.settings
    request = source.request(due.stream.name, due.checkpoint.part)
    fetched = await tools.http.fetch(
        source,
        settings.sources[source.name],
        request,
        deadline=deadline,
        on_call=work.count_call,
        committed=b"" if full else due.checkpoint.digest,
        insist=insist,
    )
    fetch = load.Fetch(source=source.name, body=fetched.body, digest=fetched.digest, fetched_at=fetched.fetched_at)
    try:
        if fetch.digest == due.checkpoint.digest and not full:
            async with tools.database.write() as conn:
                done = await load.commit_unchanged(conn, due, fetch, run_id=run_id, settings=settings, now=tools.clock.now())
            work.progress.commit(done.checkpoint, (), ())
            return done
        return await _parse_and_commit(tools, run_id, work, due, fetch, request, full=full)
    except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
        message = f"the database refused a row: {error}"
        raise SkipError(message) from error


async def _parse_and_commit(
    tools: Tools, run_id: int, work: SourceWork, due: plan.Due, fetch: load.Fetch, request: Request, *, full: bool
) -> load.Committed:
    await drift.check(tools.database, tools.settings, tools.clock, run_id, work, request, fetch.body)
    page = await in_pieces(work.source.parse(request, fetch.body, fetch.fetched_at), tools.clock)
    others = [c for c in work.progress.parts(due.stream.name) if c.part != due.checkpoint.part]
    reason = checks.reason_to_refuse(due.stream, due.checkpoint, others, page, accept_shrunken=full)
    if reason is not None:
        raise SkipError(reason)
    page.is_last = checks.believed_end(due.checkpoint, others, page)
    known, gone = plan.known_after(work.progress, due.checkpoint, page)
    async with tools.database.write() as conn:
        done = await load.commit_page(
            conn, due, fetch, page, known=known, gone=gone, run_id=run_id, settings=tools.settings, clock=tools.clock
        )
    work.progress.commit(done.checkpoint, known, gone)
    return done
