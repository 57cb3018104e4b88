"""Which span of time a series is asked for, and in what steps."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from kasparro.serving.problems import ProblemError, invalid_parameters
from kasparro.settings import Settings
from kasparro.store.kept import first_kept, hourly_days

POINTS_MAX = 10_000  # of one answer: some megabytes
CHOSEN_POINTS_MAX = 1_000  # where the interval is ours to choose
STEPS = {"5m": timedelta(minutes=5), "1h": timedelta(hours=1), "1d": timedelta(days=1)}
_DEFAULT_SPANS = {"raw": timedelta(days=1), "5m": timedelta(days=1), "1h": timedelta(days=7), "1d": timedelta(days=365)}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Span(msgspec.Struct, frozen=True):
    """A span of time in steps."""

    interval: str
    low: datetime
    high: datetime  # exclusive
    most: int  # points of one answer

    @property
    def step(self) -> timedelta | None:
        """How far the points are apart; None: as they come."""
        return STEPS.get(self.interval)

    def opening(self) -> tuple[datetime, datetime]:
        """The times between which the steps open that open within the span."""
        return _ceiled(self.low, self.step), _ceiled(self.high, self.step)

    def too_many(self) -> ProblemError:
        """400 for a span with more points than an answer may have, with what would fit."""
        wider = [name for name, step in STEPS.items() if step > (self.step or timedelta(0))]
        fitting = next((name for name in wider if (self.high - self.low) / STEPS[name] <= self.most), None)
        detail = f"has over {self.most} points between these times"
        if fitting is not None:
            return invalid_parameters([("interval", f"{self.interval} {detail}; interval={fitting} fits")])
        hint = "give interval=1d" if self.most < POINTS_MAX else "ask for a shorter span, in parts"
        return invalid_parameters([("from", f"{self.interval} {detail} and no wider interval fits; {hint}")])


def _ceiled(at: datetime, step: timedelta | None) -> datetime:
    return at if step is None else at + (_EPOCH - at) % step


def span_of(query: Mapping[str, Any], intervals: Sequence[str], settings: Settings, now: datetime) -> Span:
    """The span that checked parameters ask for, in the finest of the intervals that fits where none is given. Raises ProblemError."""
    interval: str | None = query["interval"]
    high: datetime = query["to"] or now
    low: datetime = query["from"] or high - _DEFAULT_SPANS[interval or next(n for n in intervals if n in STEPS)]
    if low >= high:
        raise invalid_parameters([("from", f"must be before to, which is {high.isoformat()}{'' if query['to'] else ', now'}")])
    if interval is not None:
        return Span(interval, low, high, POINTS_MAX)
    kept = {"5m": first_kept(now, settings.quote_days), "1h": first_kept(now, hourly_days(settings))}
    chosen = next((n for n in intervals if n in kept and low >= kept[n] and (high - low) / STEPS[n] <= CHOSEN_POINTS_MAX), "1d")
    return Span(chosen, low, high, CHOSEN_POINTS_MAX)
