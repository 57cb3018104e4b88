"""Parses the bodies that were kept once more, after a parser or a rule was mended. Nobody is asked, and no checkpoint moves.

Oldest first, in the order in which they were committed. What a source said later stands: an old page adds the quotes and the
listings that are missing and revises what it had said itself, and only the body that a part was last committed with says what
listings are called, which of them have vanished, and which contracts there are. So a second replay finds nothing to write.
"""

import asyncio
from collections import Counter
from collections.abc import Collection
from datetime import datetime

import asyncpg

from kasparro.clock import in_pieces
from kasparro.errors import RetryError, SkipError
from kasparro.ingest import checks, load
from kasparro.ingest.asking import Observe, PartDone
from kasparro.ingest.outcome import SourceWork
from kasparro.ingest.run import Ingest, Run
from kasparro.records import Checkpoint, Request, RunSummary
from kasparro.sources.base import Stream
from kasparro.store import raw_pages


async def replay(ingest: Ingest, *, since: datetime, streams: Collection[str], observe: Observe | None = None) -> RunSummary:
    """Open a run that parses what was kept of some streams since a time, and carry it out.

    Raises RunOpenError where another run works, and what `Ingest.to_end` raises.
    """
    run_id = await ingest.open("replay")
    return await ingest.to_end(Replay(ingest, run_id, since=since, streams=streams, observe=observe))


class Replay(Run):
    """One replay at work: a run that takes its bodies from the database."""

    def __init__(self, ingest: Ingest, run_id: int, *, since: datetime, streams: Collection[str], observe: Observe | None) -> None:
        asked = [s for s in ingest.sources if any(stream.name in streams for stream in s.streams)]
        super().__init__(ingest, run_id, "replay", asked, full=False, observe=observe)
        self._since, self._streams, self._observe = since, streams, observe
        self._turn = asyncio.Lock()  # one body in memory at a time

    def _may_publish(self) -> bool:
        """Only at the end: what an old page says would be published as the present price, and then corrected."""
        return False

    async def _parts(self, work: SourceWork) -> None:
        streams = {s.name: s for s in work.source.streams if s.name in self._streams}
        async with self.database.read() as conn:
            known = await raw_pages.count(conn, list(streams), self._since)
        done: Counter[str] = Counter()
        after = 0
        while True:
            async with self._turn:
                async with self.database.read() as conn:
                    stored = await raw_pages.next_page(conn, after, list(streams), self._since)
                if stored is None:
                    return
                after = stored.raw_page_id
                written = await self._page(work, streams[stored.stream], stored)
            done[stored.stream] += 1
            if written is not None and self._observe is not None:
                self._observe(
                    PartDone(
                        source=work.source.name,
                        stream=stored.stream,
                        part=stored.part,
                        parts_known=known.get(stored.stream, 0),
                        parts_done=done[stored.stream],
                        result=written.result,
                    )
                )

    async def _page(self, work: SourceWork, stream: Stream, stored: raw_pages.StoredPage) -> load.Written | None:
        """Write one page; None where it cannot be used. That costs no other page anything."""
        try:
            written = await self._written(work, stream, stored)
        except (SkipError, RetryError) as error:
            work.quote_failures += stream.quotes
            work.errors.append(f"{stored.stream} {stored.part} of run {stored.run_id}: {error}")
            return None
        work.add(written.result, has_quotes=stream.quotes)
        self.publisher.note(written)
        return written

    async def _written(self, work: SourceWork, stream: Stream, stored: raw_pages.StoredPage) -> load.Written:
        source = work.source
        body = await asyncio.to_thread(raw_pages.decompressed, stored.body)
        fetch = load.Fetch(source=source.name, body=body, digest=stored.sha256, fetched_at=stored.fetched_at, calls=0)
        request = Request(source=source.name, stream=stored.stream, part=stored.part, path="")  # asks nobody: it says what the body is
        page = await in_pieces(source.parse(request, body, stored.fetched_at), self.clock)
        checkpoint = next((c for c in work.progress.parts(stream.name) if c.part == stored.part), None)
        # Whether it shrank was judged when it came, by what was known then.
        part = Checkpoint(stream=stream.name, part=stored.part, ordinal=checkpoint.ordinal if checkpoint else 1)
        reason = checks.reason_to_refuse(stream, part, (), page, accept_shrunken=True)
        if reason is not None:
            raise SkipError(reason)
        try:
            async with self.database.write() as conn:
                return await load.replay_page(
                    conn,
                    stream,
                    stored,
                    fetch,
                    page,
                    is_present=checkpoint is not None and checkpoint.digest == stored.sha256,
                    run_id=self.run_id,
                    settings=self.settings,
                    now=self.clock.now(),
                )
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
            message = f"the database refused a row: {error}"
            raise SkipError(message) from error
