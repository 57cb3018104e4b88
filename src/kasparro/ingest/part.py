"""One part from request to commit: fetch, parse, check, write."""

from datetime import datetime

import asyncpg

from kasparro.clock import Clock, in_pieces
from kasparro.errors import SkipError
from kasparro.ingest import checks, drift, load, plan
from kasparro.ingest.outcome import SourceWork
from kasparro.ingest.progress import known_after
from kasparro.ingest.spending import Spending
from kasparro.records import Checkpoint, Record, Request
from kasparro.settings import Settings
from kasparro.sources.fetching import Fetchers
from kasparro.sources.http import HttpClient
from kasparro.store.pool import Database


class Tools:
    """What a part is carried out with."""

    def __init__(self, settings: Settings, clock: Clock, database: Database, http: HttpClient) -> None:
        self.settings, self.clock, self.database, self.http = settings, clock, database, http
        self.fetchers = Fetchers(settings, clock, http)
        self.refused: dict[plan.Key, datetime] = {}  # when a part's answer was last not believed, since this process began


class Done(Record, frozen=True, kw_only=True):
    """A part that was committed, and what its answer told of its stream."""

    committed: load.Committed
    known: tuple[Checkpoint, ...] = ()  # parts to come
    gone: tuple[str, ...] = ()  # parts that the stream no longer has


async def carry_out(
    tools: Tools,
    run_id: int,
    work: SourceWork,
    spending: Spending,
    due: plan.Due,
    *,
    full: bool,
    insist: bool,
    deadline: float | None,
) -> Done:
    """Commit one part of a source. Raises RetryError, SkipError or AbortError; then nothing of it was written."""
    source, settings = work.source, tools.settings
    request = source.request(due.stream.name, due.checkpoint.part, due.checkpoint.ids)

    def on_call(name: str, status: int) -> None:
        work.count_call(name, status)
        spending.count(name, status)

    fetched = await tools.fetchers.fetch(
        source,
        settings.sources[source.name],
        request,
        deadline=deadline,
        on_call=on_call,
        committed=b"" if full else due.checkpoint.digest,
        insist=insist,
    )
    calls = spending.unbooked
    fetch = load.Fetch(source=source.name, body=fetched.body, digest=fetched.digest, fetched_at=fetched.fetched_at, calls=calls)
    try:
        if fetch.digest == due.checkpoint.digest:
            async with tools.database.write() as conn:
                done = await load.commit_unchanged(conn, due, fetch, run_id=run_id, settings=settings, now=tools.clock.now())
            work.progress.commit(done.checkpoint, (), ())
            answer = Done(committed=done)
        else:
            answer = await _parse_and_commit(tools, run_id, work, due, fetch, request, full=full)
    except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
        message = f"the database refused a row: {error}"
        raise SkipError(message) from error
    spending.booked(calls)
    return answer


async def _parse_and_commit(
    tools: Tools, run_id: int, work: SourceWork, due: plan.Due, fetch: load.Fetch, request: Request, *, full: bool
) -> Done:
    await drift.check(tools.database, tools.settings, tools.clock, run_id, work, request, fetch.body)
    page = await in_pieces(work.source.parse(request, fetch.body, fetch.fetched_at), tools.clock)
    others = [c for c in work.progress.parts(due.stream.name) if c.part != due.checkpoint.part]
    reason = checks.reason_to_refuse(due.stream, due.checkpoint, others, page, accept_shrunken=full)
    if reason is not None:
        raise SkipError(reason)
    page.is_last = checks.believed_end(due.checkpoint, others, page)
    known, gone = known_after(work.progress, due.checkpoint, page)
    async with tools.database.write() as conn:
        done = await load.commit_page(
            conn, due, fetch, page, known=known, gone=gone, run_id=run_id, settings=tools.settings, clock=tools.clock
        )
    work.progress.commit(done.checkpoint, known, gone)
    return Done(committed=done, known=tuple(known), gone=tuple(gone))
