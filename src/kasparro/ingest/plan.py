"""Which parts a run asks for, in which order, and why not the others. Pure. docs/budget.md says why it is so."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal

from kasparro.ingest.budget import Budget, calls_left, pace_of, resets_at
from kasparro.ingest.intervals import best_intervals
from kasparro.ingest.progress import Progress
from kasparro.records import Checkpoint, Record, Trigger
from kasparro.sources.base import Stream

LONGEST = timedelta(hours=22)  # between two requests for a coin: under a day, with room for a run's rounding and an hour's outage
UNPRICED_INTERVAL = timedelta(days=3)  # of listings without a price: some get one
BURST = 2  # a run makes at most this many times the calls that fall to it: what an outage left undone is caught up step by step
SPREAD = 0.1  # of an interval: parts that were once asked for together drift apart

Why = Literal["not yet", "the next runs catch up", "the month's calls are spent"]
SPENT: Why = "the month's calls are spent"
Key = tuple[str, str]  # (stream, part)
BY_A_PERSON: tuple[Trigger, ...] = ("command", "admin")  # somebody waits: no deadline, and a source that is left alone is tried
_NOTHING: Mapping[Key, datetime] = {}


class Due(Record, frozen=True, kw_only=True):
    """A part to ask for."""

    stream: Stream
    checkpoint: Checkpoint  # what is known of the part so far
    sweep: int  # the sweep that committing it belongs to
    loss: float = 0.0  # what users lose by the part's staleness: the greater, the sooner it is asked for


class Waiting(Record, frozen=True, kw_only=True):
    """A part that is not asked for in this run."""

    stream: str
    part: str
    why: Why
    until: datetime | None  # about; None: a later run


class Rates(Record, frozen=True, kw_only=True):
    """How often the schedule asks for each part."""

    intervals: Mapping[Key, float]  # seconds; a part that is missing waits for its stream to be laid into batches
    quotes_per_second: float  # of the parts that are asked for as often as possible, all together


class Plan(Record, frozen=True, kw_only=True):
    """What one run asks of one source."""

    due: tuple[Due, ...]
    waiting: tuple[Waiting, ...]
    calls_most: int | None  # that the month still has for this run


def rates(progress: Progress, budget: Budget, now: datetime, refresh: timedelta) -> Rates:
    """The intervals that the budget allows: those of slow streams as they are, the others as good as what is left allows."""
    slow: dict[Key, float] = {}
    quick: dict[Key, float] = {}
    for stream in progress.streams.values():
        for c in progress.parts(stream.name):
            interval = _slow_interval(stream, c)
            if interval:
                slow[c.stream, c.part] = interval.total_seconds()
            elif c.ids or not stream.batch_listings:
                quick[c.stream, c.part] = c.weight
    pace = pace_of(budget, sum(1 / interval for interval in slow.values()), now)
    # Nothing comes more often than runs do: calls that a shorter interval would take are better spent on other parts.
    least = max(budget.freshness, refresh).total_seconds()
    best = best_intervals(list(quick.values()), pace.quotes_per_second, least=least, most=LONGEST.total_seconds())
    intervals = {key: interval * pace.slow_stretch for key, interval in slow.items()} | dict(zip(quick, best, strict=True))
    return Rates(intervals=intervals, quotes_per_second=pace.quotes_per_second)


def _slow_interval(stream: Stream, part: Checkpoint) -> timedelta:
    """Zero where the part is asked for as often as possible."""
    return UNPRICED_INTERVAL if is_unpriced(part) else stream.interval


def is_unpriced(part: Checkpoint) -> bool:
    """Whether the source had a price for none of a batch's listings."""
    return bool(part.ids) and len(part.absent) == len(part.ids)


def plan(
    progress: Progress,
    budget: Budget,
    now: datetime,
    trigger: Trigger,
    *,
    refresh: timedelta,
    full: bool = False,
    refused: Mapping[Key, datetime] = _NOTHING,
) -> Plan:
    """What a run asks for.

    A run that a person starts asks for all that may have changed, or with `full` for everything; only the month's whole number
    bounds it. A scheduled run, and one at start, keeps to the pace. `refused` says when an answer for a part was last not believed:
    it cost a call like any other, so that the schedule asks again when the part's interval has passed and not at each run.
    """
    by_hand = trigger in BY_A_PERSON
    calls_most = calls_left(budget, scheduled=not by_hand)
    known = rates(progress, budget, now, refresh)
    candidates = sorted(_candidates(progress, known, now, full=full), key=_order)
    if calls_most == 0:
        end = resets_at(now)
        waiting = [_waiting(due, SPENT, end) for due in candidates]
        return Plan(due=(), waiting=tuple(waiting), calls_most=0)
    if by_hand or full:
        asked = [due for due in candidates if full or _due_by_hand(due, budget, now)]
        waiting = [_waiting(due, "not yet", None) for due in candidates if due not in asked]
        return Plan(due=tuple(asked), waiting=tuple(waiting), calls_most=calls_most)
    rounding = refresh if trigger == "schedule" else timedelta(0)
    return _scheduled(candidates, budget, known, now, refresh, rounding=rounding, calls_most=calls_most, refused=refused)


def _candidates(progress: Progress, known: Rates, now: datetime, *, full: bool) -> list[Due]:
    found: list[Due] = []
    for stream in progress.streams.values():
        sweep = progress.sweep(stream.name) + 1 if full else progress.sweep_at_work(stream.name)
        found += [Due(stream=stream, checkpoint=c, sweep=sweep, loss=_loss(c, known, now)) for c in progress.parts(stream.name)]
    return found


def _loss(part: Checkpoint, known: Rates, now: datetime) -> float:
    """What one request is worth now: weight times age squared is what the part's staleness has cost since it was last asked for.

    Where this is equal for all parts at the moment at which they are asked for, their intervals are in proportion to 1/sqrt(weight).
    """
    if part.committed_at is None or (part.stream, part.part) not in known.intervals:
        return 0.0
    return part.weight * (now - part.committed_at).total_seconds() ** 2


def _order(due: Due) -> tuple[bool, int, float, int]:
    """First each stream's first part in the order of their use, then the rest."""
    return due.checkpoint.ordinal > 0, due.stream.priority, -due.loss, due.checkpoint.ordinal


def _due_by_hand(due: Due, budget: Budget, now: datetime) -> bool:
    c = due.checkpoint
    if c.committed_at is None or c.committed_at > now:
        return True
    age = now - c.committed_at
    slow = _slow_interval(due.stream, c)
    if slow:
        return age >= slow
    # A run that was cut off is gone on with; what may have changed since is asked for again.
    # Pages are not: what they hold has moved on to others. But where one part never succeeds, the rest must not wait for it.
    return c.sweep < due.sweep or ((bool(c.ids) or not due.stream.batch_listings) and age >= budget.freshness)


def _scheduled(
    candidates: Sequence[Due],
    budget: Budget,
    known: Rates,
    now: datetime,
    refresh: timedelta,
    *,
    rounding: timedelta,
    calls_most: int | None,
    refused: Mapping[Key, datetime],
) -> Plan:
    asked: list[Due] = []
    waiting: list[Waiting] = []
    burst = math.inf if not refresh else max(1, math.ceil(BURST * known.quotes_per_second * refresh.total_seconds()))
    of_the_pace = 0
    for due in candidates:
        c = due.checkpoint
        interval = known.intervals.get((c.stream, c.part))
        turn = now + timedelta(seconds=len(asked) * 60 / budget.calls_per_minute)
        last = max(filter(None, (c.committed_at, refused.get((c.stream, c.part)))), default=None)
        if c.committed_at and last and (interval is None or not _is_due(c, last, interval, turn, rounding)):
            waiting.append(_waiting(due, "not yet", None if interval is None else _after(last, interval)))
        elif calls_most is not None and len(asked) >= calls_most:
            waiting.append(_waiting(due, SPENT, resets_at(now)))
        elif due.stream.interval or not c.ids:
            asked.append(due)
        elif of_the_pace < burst:
            of_the_pace += 1
            asked.append(due)
        else:
            waiting.append(_waiting(due, "the next runs catch up", None))
    return Plan(due=tuple(asked), waiting=tuple(waiting), calls_most=calls_most)


def _is_due(part: Checkpoint, last: datetime, interval: float, turn: datetime, refresh: timedelta) -> bool:
    """Whether waiting for the next run would be worse than asking at this run's `turn`, the part having been asked for at `last`.

    An interval that is no multiple of the time between runs becomes the multiple below it or the one above, in turns that make
    its mean the interval.
    """
    age = (turn - last).total_seconds()
    if age < 0:  # a commit that lies in the future tells that the clock was set back; its age says nothing
        return True
    if not refresh:
        return age >= interval
    runs = round(age / refresh.total_seconds())
    span = interval / refresh.total_seconds()
    return runs >= span - 0.5 + max(1.0, SPREAD * span) * (0.5 - _lot(part))


def _lot(part: Checkpoint) -> float:
    """A number from 0 to below 1 that is another one after each commit, and the same for every process."""
    drawn = hashlib.blake2b(f"{part.stream} {part.part} {part.committed_at}".encode(), digest_size=8).digest()
    return int.from_bytes(drawn) / 2**64


def _waiting(due: Due, why: Why, until: datetime | None) -> Waiting:
    return Waiting(stream=due.checkpoint.stream, part=due.checkpoint.part, why=why, until=until)


def _after(begin: datetime, seconds: float) -> datetime | None:
    return None if math.isinf(seconds) else begin + timedelta(seconds=seconds)


class Queue:
    """The parts of a plan that a run has still to ask for, with those that its answers make known."""

    def __init__(self, planned: Plan) -> None:
        self._due = {(d.stream.name, d.checkpoint.part): d for d in planned.due}

    def pop(self) -> Due | None:
        """The part to ask for next."""
        if not self._due:
            return None
        key = min(self._due, key=lambda k: _order(self._due[k]))
        return self._due.pop(key)

    def update(self, done: Due, known: Sequence[Checkpoint], gone: Sequence[str]) -> None:
        """Take over what an answer told of its stream."""
        for part in gone:
            self._due.pop((done.stream.name, part), None)
        for c in known:
            self._due.setdefault((c.stream, c.part), Due(stream=done.stream, checkpoint=c, sweep=done.sweep))
