"""What became of runs and sources, and what a plan spends, for people. Pure."""

from typing import NamedTuple

import msgspec

from kasparro.records import RunSummary
from kasparro.serving.standing import SourceHealth
from kasparro.serving.stats import Budget
from kasparro.web import figures, words

OUTCOMES = {
    "succeeded": "All that was due came and was stored.",
    "degraded": "Some of it came, or what came was not whole. The last good data is served on.",
    "failed": "Nothing of use came. The last good data is served on.",
    "skipped": "Nothing was asked: nothing was due, or the source may not be asked now.",
    "running": "It is at work.",
    "interrupted": "The service was stopped while it worked. The next run goes on where it ended.",
    "abandoned": "Its process died. The next run goes on where it ended.",
    "absent": "The run did not have this source.",
}
TRIGGERS = {
    "start": "at the start of the service",
    "schedule": "on schedule",
    "command": "by command",
    "admin": "asked for through /admin",
    "replay": "replay of stored answers",
}
KINDS = {"missing": "is missing", "type": "has another type", "new": "is new"}
DONE = {"accept": "taken as it is", "warn": "taken, and told of", "reject": "answers refused"}
_STATUSES = {"ok": "all well", "degraded": "degraded", "failed": "failed", "starting": "not asked yet"}
_WIDTH = 100.0


class Cell(NamedTuple):
    """One source in one run, small."""

    source: str
    outcome: str


class Gauge(msgspec.Struct, frozen=True):
    """A month's calls as a bar 100 wide, and in sentences. `limit` is where the bar has its mark; None: there is none."""

    used: float
    expected: float
    limit: float | None
    level: str  # ok, degraded, down: as the chips are coloured
    state: str
    label: str
    sentences: tuple[str, ...]


def cells(run: RunSummary, sources: list[str]) -> list[Cell]:
    """The sources of a run, in a given order. One that has no outcome has the run's own, where that says why."""
    known = {s.source: s.outcome for s in run.sources}
    otherwise = run.status if run.status in {"running", "interrupted", "abandoned"} else "absent"
    return [Cell(name, known.get(name, otherwise)) for name in sources]


def told(run: RunSummary, sources: list[str]) -> str:
    """A run in a line: for those who do not see the picture."""
    each = ", ".join(f"{words.source_name(cell.source)} {cell.outcome}" for cell in cells(run, sources))
    return f"Run {run.run_id}, {figures.moment(run.started_at)}, {TRIGGERS[run.trigger]}: {each}"


def fares(health: SourceHealth) -> str:
    """How a source fares, in two words."""
    return _STATUSES.get(health.status, health.status)


def breaker(health: SourceHealth) -> str:
    """What a breaker that is not closed means; empty where it is."""
    if health.breaker == "closed":
        return ""
    doing = "is left alone for a while" if health.breaker == "open" else "is tried with one call"
    return f"It {doing}{f': {health.breaker_reason}' if health.breaker_reason else ''}."


def gauge(budget: Budget) -> Gauge:
    """What a month's calls are spent on, and how it will end."""
    until = f"{budget.resets_at:%d %B}".lstrip("0")
    pace = (
        f"At the present pace of {figures.whole(round(budget.calls_per_day))} a day it will be {figures.whole(budget.expected)} by {until}."
    )
    by_minute = f"At most {figures.whole(budget.per_minute)} a minute."
    if budget.limit is None or budget.left is None:
        used = f"{figures.whole(budget.used)} calls this month; the plan states no number."
        whole = max(budget.used, budget.expected, 1)
        return Gauge(
            _share(budget.used, whole), _share(budget.expected, whole), None, "ok", "no monthly limit", used, (used, pace, by_minute)
        )
    used = f"{figures.whole(budget.used)} of {figures.whole(budget.limit)} calls used, {figures.whole(budget.left)} left."
    kept = budget.reserved or 0
    sentences = [used]
    if budget.left <= 0:
        level, state = "down", "spent"
        sentences.append(f"Nothing is asked until {until}, when the month begins anew.")
    elif budget.left <= kept:
        level, state = "degraded", "schedule's share spent"
        sentences.append(f"What is left is kept for runs that a person starts; the schedule goes on at {until}.")
    else:
        level, state = ("degraded", "tight") if budget.expected > budget.limit else ("ok", "within the plan")
        sentences.append(pace)
        if kept:
            sentences.append(f"{figures.whole(kept)} are kept for runs that a person starts.")
    whole = max(budget.limit, budget.used, budget.expected)
    limit = _share(budget.limit, whole)
    return Gauge(_share(budget.used, whole), _share(budget.expected, whole), limit, level, state, used, (*sentences, by_minute))


def _share(part: float, whole: float) -> float:
    return round(_WIDTH * part / whole, 2)
