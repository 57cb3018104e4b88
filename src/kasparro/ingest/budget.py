"""What a source still allows, and how fast it may be spent. Pure. docs/budget.md has the arithmetic."""

import math
from datetime import UTC, datetime, timedelta

from kasparro.clock import month_of
from kasparro.records import Record
from kasparro.settings import SourceSettings

RESERVED_SHARE = 0.05  # of the month: what the schedule leaves to runs that a person starts
# Of what a minute allows: runs end a tenth before the next one begins, and a call that was refused is made again.
MINUTE_SHARE = 0.85
_SECONDS_LEFT_MIN = 3600.0  # what is left over is not rushed through in a month's last minutes


class Budget(Record, frozen=True, kw_only=True):
    """What a source allows, and how much of it is used."""

    calls_per_minute: int
    calls_per_month: int  # 0: no limit
    freshness: timedelta  # asking again sooner shows nothing new
    used: int = 0  # of the month

    @property
    def scheduled_most(self) -> int:
        """What the schedule may spend in a month that has a limit."""
        return int(self.calls_per_month * (1 - RESERVED_SHARE))


class Pace(Record, frozen=True, kw_only=True):
    """How fast the schedule may spend calls."""

    quotes_per_second: float  # on the parts that are asked for as often as possible
    slow_stretch: float  # the intervals of slow streams times this, at least 1: where they alone would need more than half


def budget_of(settings: SourceSettings, used: int) -> Budget:
    """The budget that a source's settings state."""
    return Budget(
        calls_per_minute=settings.calls_per_minute,
        calls_per_month=settings.calls_per_month,
        freshness=timedelta(seconds=settings.freshness_seconds),
        used=used,
    )


def resets_at(now: datetime) -> datetime:
    """When the month ends."""
    following = (month_of(now) + timedelta(days=31)).replace(day=1)
    return datetime(following.year, following.month, 1, tzinfo=UTC)


def calls_left(budget: Budget, *, scheduled: bool) -> int | None:
    """Calls that a run may still make in this month; None where nothing bounds them."""
    if not budget.calls_per_month:
        return None
    return max(0, (budget.scheduled_most if scheduled else budget.calls_per_month) - budget.used)


def pace_of(budget: Budget, slow_per_second: float, now: datetime) -> Pace:
    """What is left over what is left of the month, less what slow streams need, within what a minute allows."""
    per_second = budget.calls_per_minute / 60 * MINUTE_SHARE
    left = calls_left(budget, scheduled=True)
    if left is not None:
        per_second = min(per_second, left / max((resets_at(now) - now).total_seconds(), _SECONDS_LEFT_MIN))
    slow = min(slow_per_second, per_second / 2)
    stretch = slow_per_second / slow if slow else math.inf if slow_per_second else 1.0
    return Pace(quotes_per_second=per_second - slow, slow_stretch=stretch)


def spent_words(source: str, budget: Budget, now: datetime) -> str:
    """That the month's calls are spent, for a person: what to do, and when it passes."""
    most, kept = budget.calls_per_month, budget.calls_per_month - budget.scheduled_most
    end = f"{resets_at(now):%Y-%m-%d %H:%M} UTC"
    return (
        f"this month's {most:,} calls are spent, but for at most {kept:,} that only runs started by a person may use (kasparro run-etl); "
        f"the schedule goes on when the month ends, at {end}. If your plan allows more, set {source.upper()}_PLAN or "
        f"{source.upper()}_CALLS_PER_MONTH"
    )
