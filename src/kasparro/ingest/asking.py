"""Asks one source for the parts of its plan, one after the other."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

from kasparro import logs
from kasparro.errors import AbortError, RetryError, SkipError
from kasparro.ingest import plan
from kasparro.ingest.budget import spent_words
from kasparro.ingest.load import Committed
from kasparro.ingest.outcome import SourceWork
from kasparro.ingest.part import Tools, carry_out
from kasparro.ingest.spending import Spending
from kasparro.records import PartResult, Record, Trigger

log = logs.get()

# After so many parts that failed one after the other, the source is left alone until the next run.
_FAILURES_MAX = 3


class PartDone(Record, frozen=True, kw_only=True):
    """A part was committed: what a progress bar needs."""

    source: str
    stream: str
    part: str
    parts_known: int  # of the stream
    parts_done: int  # of the stream, in this sweep
    result: PartResult


Observe = Callable[[PartDone], None]


class Asker:
    """Asks for what one run wants of its sources."""

    def __init__(
        self,
        tools: Tools,
        run_id: int,
        trigger: Trigger,
        *,
        full: bool,
        deadline: float | None,
        note: Callable[[Committed], None],
        observe: Observe | None,
    ) -> None:
        self._tools, self._run_id, self._trigger, self._full = tools, run_id, trigger, full
        self._deadline = deadline  # on the clock's monotonic time; what is left then is the next run's
        self._note, self._observe = note, observe

    async def ask(self, work: SourceWork, spending: Spending) -> None:
        """Everything that the plan asks of a source. Raises AbortError where nothing more can be had of it now."""
        refresh, now = timedelta(seconds=self._tools.settings.refresh_seconds), self._tools.clock.now()
        planned = plan.plan(
            work.progress, spending.budget, now, self._trigger, refresh=refresh, full=self._full, refused=self._tools.refused
        )
        waiting = Counter(w.why for w in planned.waiting)
        log.debug("plan.made", source=work.source.name, run_id=self._run_id, due=len(planned.due), waiting=dict(waiting))
        queue = plan.Queue(planned)
        is_spent = bool(waiting[plan.SPENT])
        in_a_row = 0
        while (part := queue.pop()) is not None:
            if self._deadline is not None and self._tools.clock.monotonic() >= self._deadline:
                return
            if planned.calls_most is not None and spending.paid >= planned.calls_most:
                is_spent = True
                break
            try:
                await self._part(work, spending, part, queue)
                in_a_row = 0
            except (SkipError, RetryError) as error:
                if isinstance(error, SkipError):
                    self._tools.refused[part.stream.name, part.checkpoint.part] = self._tools.clock.now()
                in_a_row += 1
                work.quote_failures += part.stream.quotes
                work.errors.append(f"{part.stream.name} {part.checkpoint.part}: {error}")
                if in_a_row >= _FAILURES_MAX:
                    return
            except AbortError as error:
                if error.code == "deadline":
                    return
                work.quote_failures += 1
                message = f"{part.stream.name} {part.checkpoint.part}: {error}"
                raise AbortError(message, code=error.code) from error
        if is_spent:
            work.withheld = spent_words(work.source.name, spending.budget, now)

    async def _part(self, work: SourceWork, spending: Spending, due: plan.Due, queue: plan.Queue) -> None:
        """Carry out one part and tell what it changed."""
        insist = self._trigger in plan.BY_A_PERSON
        done = await carry_out(self._tools, self._run_id, work, spending, due, full=self._full, insist=insist, deadline=self._deadline)
        queue.update(due, done.known, done.gone)
        result = done.committed.result
        work.add(result, has_quotes=due.stream.quotes)
        self._note(done.committed)
        if self._observe is not None:
            parts = work.progress.parts(due.stream.name)
            self._observe(
                PartDone(
                    source=work.source.name,
                    stream=due.stream.name,
                    part=due.checkpoint.part,
                    parts_known=len(parts),
                    parts_done=sum(c.sweep >= due.sweep for c in parts),
                    result=result,
                )
            )
