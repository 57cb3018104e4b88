"""One run: the only place that knows the order of things."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta

import asyncpg

from kasparro import logs
from kasparro.clock import Clock, month_of
from kasparro.errors import AbortError, DatabaseError, KasparroError, RunLostError, RunOpenError
from kasparro.ingest import plan
from kasparro.ingest.asking import Asker, Observe
from kasparro.ingest.budget import budget_of
from kasparro.ingest.identity import Identity, Settledness
from kasparro.ingest.laying import lay_batches
from kasparro.ingest.load import Committed
from kasparro.ingest.outcome import SourceWork, status_of
from kasparro.ingest.outlook import outlook
from kasparro.ingest.part import Tools
from kasparro.ingest.progress import Progress
from kasparro.ingest.publish import Publisher
from kasparro.ingest.retention import retain
from kasparro.ingest.rollup import roll_up_missing
from kasparro.ingest.spending import Spending
from kasparro.records import Checkpoint, Outlook, RunStatus, RunSummary, Trigger
from kasparro.settings import Settings
from kasparro.sources.base import Source
from kasparro.sources.http import HttpClient
from kasparro.store import checkpoints, migrate, partitions, quotes, runs
from kasparro.store.pool import Database

log = logs.get()

_DAYS_AHEAD = 2  # for which there is a partition, so that a day may begin without a run
# Where the market is known, the sources' first answers are published together: they come at about the same time, and a run that asks
# for no more is published once. A market that is not known yet is shown as soon as it may be.
_TOGETHER_SECONDS = 3.0
_COVERED = timedelta(days=1)  # what was quoted within it: every plan refreshes each coin daily


class Ingest(Tools):
    """Opens runs, carries them out and closes them. Made once by the composition root."""

    def __init__(self, settings: Settings, clock: Clock, database: Database, http: HttpClient, sources: Sequence[Source]) -> None:
        super().__init__(settings, clock, database, http)
        self.sources = tuple(sources)
        self.owner = runs.this_process()
        self._at_work: set[int] = set()
        self.rolled_up = False  # whether every day with quotes has been seen to have candles
        self.identity = Identity(database, settings, clock)
        self.on_finished: Callable[[RunSummary], None] | None = None  # told of every run that ended

    async def open(self, trigger: Trigger) -> int:
        """Open a run and close dead ones; its id. Raises RunOpenError where another run works, DatabaseError where the schema is newer."""
        async with self.database.connection() as conn:
            # A newer version may have migrated it since this process began, and what its schema asks for is not written here.
            await migrate.pending(conn)
        async with self.database.write() as conn:
            opened = await runs.open_run(conn, trigger, self.owner, self.settings.lease_seconds, self._at_work)
        for dead in opened.closed:
            log.warning(
                "run.abandoned", run_id=dead, message="its process died or stopped renewing its lease; this run goes on where it stopped"
            )
        if opened.run_id is None:
            raise RunOpenError(opened.other_id)
        self._at_work.add(opened.run_id)
        return opened.run_id

    async def work(
        self,
        run_id: int,
        trigger: Trigger,
        *,
        sources: Sequence[str] | None = None,
        full: bool = False,
        observe: Observe | None = None,
    ) -> RunSummary:
        """Carry out an open run to its end and close it, whatever happens. Raises what `to_end` raises."""
        asked = tuple(s for s in self.sources if sources is None or s.name in sources)
        return await self.to_end(Run(self, run_id, trigger, asked, full=full, observe=observe))

    async def to_end(self, run: "Run") -> RunSummary:
        """Let an open run work and close it, whatever happens.

        Raises RunLostError where the run was taken over, DatabaseError where the database was lost.
        """
        started_at, started = self.clock.now(), self.clock.monotonic()
        status: RunStatus = "failed"
        try:
            await run.work()
            status = status_of([w.summary() for w in run.works])
        except asyncio.CancelledError:
            status = "interrupted"
            raise
        finally:
            summary = RunSummary(
                run_id=run.run_id,
                trigger=run.trigger,
                status=status,
                started_at=started_at,
                finished_at=self.clock.now(),
                sources=tuple(w.summary() for w in run.works),
            )
            await self._close(summary, run.spendings)
            self._at_work.discard(run.run_id)
            run.let_go()
            _log_finished(summary, self.clock.monotonic() - started)
            if self.on_finished is not None:
                self.on_finished(summary)
        return summary

    def outlook(self, source: str, known: Sequence[Checkpoint], used: int) -> Outlook:
        """What the schedule will spend on a source, given its checkpoints and the calls that this month has seen."""
        streams = next(s.streams for s in self.sources if s.name == source)
        budget = budget_of(self.settings.sources[source], used)
        return outlook(Progress(streams, known), budget, self.clock.now(), timedelta(seconds=self.settings.refresh_seconds))

    async def _close(self, summary: RunSummary, spendings: Mapping[str, Spending]) -> None:
        """End the run's row, also while this task is being cancelled; where the database is gone, the next run closes it."""
        with suppress(RunLostError, DatabaseError, asyncpg.PostgresError, OSError, TimeoutError):
            async with asyncio.timeout(self.settings.close_seconds):
                await self._book(spendings)
                async with self.database.write() as conn:
                    await runs.close_run(conn, summary.run_id, summary.status, summary.sources, self.clock.now() - _COVERED)

    async def _book(self, spendings: Mapping[str, Spending]) -> None:
        """Count the calls that no commit has counted: those that brought nothing of use."""
        if unbooked := {source: spending.unbooked for source, spending in spendings.items() if spending.unbooked}:
            async with self.database.write() as conn:
                for source, calls in unbooked.items():
                    await checkpoints.add_calls(conn, source, month_of(self.clock.now()), calls)


async def run_once(
    ingest: Ingest, trigger: Trigger, *, sources: Sequence[str] | None = None, full: bool = False, observe: Observe | None = None
) -> RunSummary:
    """Open a run, carry it out, close it. Raises RunOpenError where another run works."""
    run_id = await ingest.open(trigger)
    return await ingest.work(run_id, trigger, sources=sources, full=full, observe=observe)


class Run:
    """One run at work."""

    def __init__(
        self, ingest: Ingest, run_id: int, trigger: Trigger, sources: Sequence[Source], *, full: bool, observe: Observe | None
    ) -> None:
        self.ingest, self.run_id, self.trigger = ingest, run_id, trigger
        self.settings, self.clock, self.database = ingest.settings, ingest.clock, ingest.database
        self.sources = tuple(sources)
        self.works: list[SourceWork] = []
        self.spendings: dict[str, Spending] = {}
        self.others: list[Progress] = []  # of sources that are not asked in this run
        self.publisher = Publisher(self.ingest.identity, self.database, self.settings, self.clock, run_id, self.settledness)
        self._changed = asyncio.Event()
        self._asker = Asker(ingest, run_id, trigger, full=full, deadline=self._deadline_monotonic(), note=self._note, observe=observe)

    def let_go(self) -> None:
        """Part from what holds it in turn, once it has ended: the collector, which looks seldom, would find them megabytes later."""
        del self.publisher, self._asker

    def _deadline_monotonic(self) -> float | None:
        """Scheduled work ends before the next run is due, so that a slow source doesn't keep the others waiting. A sweep goes on there."""
        if self.trigger in plan.BY_A_PERSON or not self.settings.refresh_seconds:
            return None
        return self.clock.monotonic() + max(60.0, self.settings.refresh_seconds * 0.9)

    async def work(self) -> None:
        """Ask all sources at once, publish while they answer, and once more at the end."""
        await self._prepare()
        try:
            async with asyncio.TaskGroup() as beside:
                tasks = [beside.create_task(self._heartbeat()), beside.create_task(self._publish_while_working())]
                async with asyncio.TaskGroup() as group:
                    for work in self.works:
                        group.create_task(self._source(work))
                for task in tasks:
                    task.cancel()
        except BaseExceptionGroup as errors:
            raise _cause(errors) from errors
        await self.publisher.publish(final=True)
        await retain(self.ingest, self.run_id)

    async def _prepare(self) -> None:
        now = self.clock.now()
        today = now.date()
        async with self.database.write() as conn:
            known = await checkpoints.select(conn)
            for source in self.sources:
                used = await checkpoints.select_calls(conn, source.name, month_of(now))
                self.spendings[source.name] = Spending(budget_of(self.settings.sources[source.name], used))
            ahead = [today + timedelta(days=n) for n in range(_DAYS_AHEAD + 1)]
            await quotes.make_partitions(conn, ahead)
            await partitions.make(conn, ["prices"], ahead)
        if not self.ingest.rolled_up:
            await roll_up_missing(self.ingest, self.run_id)
            self.ingest.rolled_up = True
        self.works = [SourceWork(s, Progress(s.streams, known)) for s in self.sources]
        self.others = [Progress(s.streams, known) for s in self.ingest.sources if s not in self.sources]

    async def _source(self, work: SourceWork) -> None:
        """Everything that one source is asked in this run. Its failure is its own."""
        started = self.clock.monotonic()
        try:
            await self._parts(work)
        except (RunLostError, DatabaseError):
            raise
        except AbortError as error:
            work.errors.append(str(error))
        except Exception as error:
            # A fault of ours in one source's part must not cost the other source its run.
            log.exception("source.fault", source=work.source.name, run_id=self.run_id)
            work.errors.append(f"a fault in this program: {type(error).__name__}; the log has its trace")
        finally:
            work.seconds = self.clock.monotonic() - started
            work.ended = True
            self._changed.set()
        if work.troubles():
            summary = work.summary()
            log.warning(
                "source.trouble",
                source=summary.source,
                run_id=self.run_id,
                outcome=summary.outcome,
                error=summary.error,
                parts=summary.parts,
            )

    async def _parts(self, work: SourceWork) -> None:
        await lay_batches(self.ingest, self.run_id, work.source, work.progress)
        await self._asker.ask(work, self.spendings[work.source.name])

    def _note(self, committed: Committed) -> None:
        self.publisher.note(committed)
        self._changed.set()

    def settledness(self) -> Settledness:
        """What identity may rely on now. A source in trouble is not waited for: what it has said is all that there is."""
        listed, quoted, complete = set(), set(), True
        in_trouble = {w.source.name for w in self.works if w.ended and w.errors}
        progresses: Mapping[str, Progress] = {w.source.name: w.progress for w in self.works} | {
            next(iter(p.streams)).partition(".")[0]: p for p in self.others
        }
        for name, progress in progresses.items():
            lists = all(progress.swept_once(s.name) for s in progress.streams.values() if s.identity)
            all_quotes = all(progress.swept_once(s.name) for s in progress.streams.values() if s.quotes)
            complete &= lists and all_quotes
            if lists or name in in_trouble:
                listed.add(name)
            if all_quotes or name in in_trouble:
                quoted.add(name)
        return Settledness(listed=frozenset(listed), quoted=frozenset(quoted), complete=complete)

    def _may_publish(self) -> bool:
        """Whether every source that is asked has told its lists and its first prices, or ended.

        Coins minted earlier would take their ids from whoever was faster, and the first view of the market would lack its top.
        """
        listed = self.settledness().listed
        return all(w.ended or (w.source.name in listed and w.progress.has_quotes()) for w in self.works)

    async def _publish_while_working(self) -> None:
        due = self.clock.monotonic() + (_TOGETHER_SECONDS if self.settledness().complete else 0.0)
        while True:
            await self._changed.wait()
            await self.clock.sleep(due - self.clock.monotonic())
            self._changed.clear()
            if self._may_publish():
                await self.publisher.publish(final=False)
                due = self.clock.monotonic() + self.settings.publish_seconds

    async def _heartbeat(self) -> None:
        """Renew the lease while a slow source is waited for."""
        while True:
            await self.clock.sleep(self.settings.lease_seconds / 3)
            async with self.database.write() as conn:
                await runs.renew_lease(conn, self.run_id, self.settings.lease_seconds)


def _log_finished(summary: RunSummary, seconds: float) -> None:
    """The canonical line of a run."""
    log.info(
        "run.finished",
        run_id=summary.run_id,
        trigger=summary.trigger,
        status=summary.status,
        seconds=round(seconds, 3),
        calls=sum(s.calls for s in summary.sources),
        rows_received=sum(s.rows_received for s in summary.sources),
        rows_written=sum(s.rows_written for s in summary.sources),
        rows_revised=sum(s.rows_revised for s in summary.sources),
        rows_rejected=sum(s.rows_rejected for s in summary.sources),
        **{s.source: s.outcome for s in summary.sources},
    )


def _cause(errors: BaseExceptionGroup) -> BaseException:
    """The error of ours inside a group, or else its first error."""
    leaves: list[BaseException] = []
    groups = [errors]
    while groups:
        for error in groups.pop().exceptions:
            if isinstance(error, BaseExceptionGroup):
                groups.append(error)
            else:
                leaves.append(error)
    return next((e for e in leaves if isinstance(e, KasparroError)), leaves[0])
