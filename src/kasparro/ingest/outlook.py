"""What a source's plan will spend, and how stale what it asks for is. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from kasparro.ingest.budget import Budget, calls_left, resets_at
from kasparro.ingest.plan import Rates, is_unpriced, rates
from kasparro.ingest.progress import Progress
from kasparro.records import Checkpoint, Outlook, Tier

TIERS = (250, 1_000, 5_000)  # where one ends and the next begins, in listings by traded volume
_DAY = 86_400.0


def outlook(progress: Progress, budget: Budget, now: datetime, refresh: timedelta) -> Outlook:
    """What will be spent by the month's end if the schedule goes on as it does now."""
    known = rates(progress, budget, now, refresh)
    per_second = sum(1 / interval for interval in known.intervals.values())
    rest = per_second * (resets_at(now) - now).total_seconds()
    left = calls_left(budget, scheduled=False)
    return Outlook(
        used=budget.used,
        limit=budget.calls_per_month or None,
        left=left,
        reserved=None if left is None else min(left, budget.calls_per_month - budget.scheduled_most),
        calls_per_day=per_second * _DAY,
        expected=budget.used + round(rest),
        resets_at=resets_at(now),
        tiers=tuple(_tiers(progress, known, now)),
    )


def _tiers(progress: Progress, known: Rates, now: datetime) -> list[Tier]:
    """The listings that quotes are asked for, by traded volume; those without a price belong to none."""
    parts = [c for s in progress.streams.values() if s.quotes for c in progress.parts(s.name) if c.committed_at and not is_unpriced(c)]
    places: list[tuple[int, Checkpoint]] = []
    for c in parts:
        places += [((places[-1][0] if places else 0) + (len(c.ids) or c.rows), c)]
    found: list[Tier] = []
    last = places[-1][0] if places else 0
    for first, end in zip((0, *TIERS), (*TIERS, last), strict=True):
        if first < min(end, last):
            found.append(_tier(places, first, min(end, last), known, now))
    return found


def _tier(places: Sequence[tuple[int, Checkpoint]], first: int, last: int, known: Rates, now: datetime) -> Tier:
    begin, shares = 0, list[tuple[int, Checkpoint]]()  # (listings of the tier that a part holds, the part)
    for end, c in places:
        within = min(end, last) - max(begin, first)
        begin = end
        if within > 0:
            shares.append((within, c))
    ages = [(n, max(0.0, (now - c.committed_at).total_seconds())) for n, c in shares if c.committed_at]
    intervals = [(n, known.intervals.get((c.stream, c.part))) for n, c in shares]
    listings = sum(n for n, _ in shares)
    mean = sum(n * i for n, i in intervals if i is not None) / listings
    return Tier(
        first=first + 1,
        last=last,
        interval_seconds=None if any(i is None or i == float("inf") for _, i in intervals) else mean,
        staleness_mean_seconds=sum(n * age for n, age in ages) / listings,
        staleness_max_seconds=max(age for _, age in ages),
    )
