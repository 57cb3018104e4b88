"""What is unlike itself in the history of runs and prices. Pure; docs/operations.md tells it in words.

What is usual is a median, and how far things usually are from it the median of those distances (MAD), times 1.4826, which makes it the
standard deviation where values are normal. Both stay what they are while fewer than half of the values are odd; a mean and a
standard deviation are moved by the very outlier that they should show.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import groupby, pairwise
from math import exp, log, sqrt
from statistics import median
from typing import Literal

import msgspec

from kasparro.pricing.choose import AGREE
from kasparro.records import Pieces
from kasparro.store.prices import HourlyPrice
from kasparro.store.run_history import RunFact

_NORMAL = 1.4826
_HOUR = 3_600.0

LIKE_MAX, LIKE_MIN = 50, 8  # earlier runs that one is compared with: four hours of the default schedule; with fewer nothing is said
REMEMBERED = 4 * LIKE_MAX  # usual runs, among which those that are alike are looked for
_CALLS_FACTOR = 2.0  # runs are alike that made between half and twice the calls
_RUN_SPREADS = 5.0
_SLOW_FACTOR, _SLOW_SECONDS, _SECONDS_SPREAD_MIN = 2.0, 5.0, 0.1  # the last: of logarithms, 10 %
_COVERAGE_DROP, _COVERAGE_SPREAD_MIN = 0.05, 0.002  # of what is usual; of the share

# Returns of coins have heavy tails: beyond eight spreads lie one or two hours in a thousand of an ordinary coin, beyond three one in fifty.
_JUMP_SPREADS = 8.0
_RETURN_SPREAD_MIN = 0.005  # an hour's; a coin that hardly moves, as one pegged to the dollar, would jump at every cent
_JUMP_MIN = 0.05
RETURNS_MIN = 24

_PERSISTS_HOURS, _PERSISTS_SHARE = 6, 0.75


class Anomaly(msgspec.Struct, frozen=True, kw_only=True):
    """Something unlike itself. `value` and `usual` are seconds (slow_run), shares (coverage_drop) or percent (the others)."""

    kind: Literal["coverage_drop", "slow_run", "price_jump", "disagreement"]
    at: datetime  # when it was seen first
    until: datetime  # when it was seen last
    source: str | None
    coin_id: str | None
    run_id: int | None  # the first in which it was seen
    times: int  # runs, or hours
    value: float  # the last
    usual: float  # a run's: the median of its like; a coin's: its spread of an hour, or what sources may differ by
    reason: str


def of_runs(facts: Iterable[RunFact], since: datetime) -> Pieces[list[Anomaly]]:
    """Runs that ended since a time and were slow, or after which less was covered. `facts` are by run, with some from before `since`.

    What was found odd does not become what is usual, and the same in runs that follow each other is said once.
    """
    found: list[Anomaly] = []
    by_source: dict[str, list[RunFact]] = {}
    for fact in facts:
        by_source.setdefault(fact.source, []).append(fact)
    for some in by_source.values():
        for check in (_slow, _dropped):
            usual: list[RunFact] = []
            last: Anomaly | None = None
            for fact in some:
                yield
                odd = check(fact, usual)
                if odd is None:
                    usual = [*usual[-REMEMBERED:], fact]
                    last = None
                    continue
                if fact.finished_at < since:
                    continue
                if last is not None:
                    found.pop()
                    odd = msgspec.structs.replace(odd, at=last.at, run_id=last.run_id, times=last.times + 1)
                found.append(odd)
                last = odd
    return found


def _slow(fact: RunFact, before: Sequence[RunFact]) -> Anomaly | None:
    like = [f for f in before if 1 / _CALLS_FACTOR <= fact.calls / f.calls <= _CALLS_FACTOR][-LIKE_MAX:]
    if len(like) < LIKE_MIN:
        return None
    middle, spread = usual_of([log(max(f.duration_seconds, 0.001)) for f in like])
    usual, seconds = exp(middle), fact.duration_seconds
    over = log(max(seconds, 0.001)) - middle
    if over <= max(_RUN_SPREADS * max(spread, _SECONDS_SPREAD_MIN), log(_SLOW_FACTOR)) or seconds - usual <= _SLOW_SECONDS:
        return None
    reason = f"{fact.source} took {seconds:.1f} s in run {fact.run_id}; the {len(like)} runs like it took {usual:.1f} s in the median"
    return _of_run("slow_run", fact, seconds, usual, reason)


def _dropped(fact: RunFact, before: Sequence[RunFact]) -> Anomaly | None:
    like = [f.coverage for f in before if f.coverage is not None][-LIKE_MAX:]
    if fact.coverage is None or len(like) < LIKE_MIN:
        return None
    usual, spread = usual_of(like)
    if usual - fact.coverage <= max(_RUN_SPREADS * max(spread, _COVERAGE_SPREAD_MIN), _COVERAGE_DROP * usual):
        return None
    reason = (
        f"{fact.coverage:.1%} of the active listings of {fact.source} had a quote of the last day after run {fact.run_id}; "
        f"{usual:.1%} in the median of the {len(like)} runs before"
    )
    return _of_run("coverage_drop", fact, fact.coverage, usual, reason)


def _of_run(kind: Literal["slow_run", "coverage_drop"], fact: RunFact, value: float, usual: float, reason: str) -> Anomaly:
    return Anomaly(
        kind=kind,
        at=fact.finished_at,
        until=fact.finished_at,
        source=fact.source,
        coin_id=None,
        run_id=fact.run_id,
        times=1,
        value=value,
        usual=usual,
        reason=reason,
    )


def of_prices(hourly: Iterable[HourlyPrice], since: datetime) -> Pieces[list[Anomaly]]:
    """Of each coin: hours since a time in which it jumped, and whether its sources keep differing.

    `hourly` is by coin and hour, with some days from before `since`, by which the coin's own volatility is known.
    """
    found: list[Anomaly] = []
    for coin_id, some in groupby(hourly, key=lambda h: h.coin_id):
        hours = list(some)
        found += [*_jumps(coin_id, hours, since), *_differing(coin_id, [h for h in hours if h.hour >= since])]
        yield
    return found


def _jumps(coin_id: str, hours: Sequence[HourlyPrice], since: datetime) -> list[Anomaly]:
    """Hours whose return, per root of the hours that it took, is beyond what the coin does."""
    returns = [_return(a, b) for a, b in pairwise(hours)]
    if len(returns) < RETURNS_MIN:
        return []
    middle, spread = usual_of(returns)
    spread = max(spread, _RETURN_SPREAD_MIN)
    found = []
    for (before, now), moved in zip(pairwise(hours), returns, strict=True):
        step = log(now.value / before.value)
        if now.hour < since or abs(moved - middle) <= _JUMP_SPREADS * spread or abs(step) <= log(1 + _JUMP_MIN):
            continue
        percent, usual, times = 100 * (exp(step) - 1), 100 * (exp(spread) - 1), abs(moved - middle) / spread
        span = round((now.hour - before.hour) / timedelta(hours=1))
        within = "an hour" if span == 1 else f"{span} hours"
        reason = f"{coin_id} moved by {percent:+.1f} % within {within}, {times:.0f} times what is usual for it ({usual:.1f} % an hour)"
        found.append(_of_coin("price_jump", coin_id, now.hour, now.hour, 1, percent, usual, reason))
    return found


def _return(before: HourlyPrice, now: HourlyPrice) -> float:
    hours = max((now.hour - before.hour).total_seconds() / _HOUR, 1.0)
    return log(now.value / before.value) / sqrt(hours)


def _differing(coin_id: str, hours: Sequence[HourlyPrice]) -> list[Anomaly]:
    """Sources that are further apart than may be in most of the hours, and in the last."""
    told = [(h.hour, h.spread_pct) for h in hours if h.spread_pct is not None]
    apart = [(hour, spread) for hour, spread in told if spread > 100 * AGREE]
    if len(apart) < max(_PERSISTS_HOURS, _PERSISTS_SHARE * len(told)) or apart[-1] != told[-1]:
        return []
    middle = median(spread for _, spread in apart)
    reason = f"the sources of {coin_id} were {middle:.1f} % apart in the median of {len(apart)} of {len(told)} hours, and still are"
    return [_of_coin("disagreement", coin_id, apart[0][0], apart[-1][0], len(apart), apart[-1][1], 100 * AGREE, reason)]


def _of_coin(
    kind: Literal["price_jump", "disagreement"],
    coin_id: str,
    at: datetime,
    until: datetime,
    times: int,
    value: float,
    usual: float,
    reason: str,
) -> Anomaly:
    return Anomaly(
        kind=kind, at=at, until=until, source=None, coin_id=coin_id, run_id=None, times=times, value=value, usual=usual, reason=reason
    )


def usual_of(values: Sequence[float]) -> tuple[float, float]:
    """The median of some values, and how far they usually are from it."""
    middle = median(values)
    return middle, _NORMAL * median(abs(value - middle) for value in values)
