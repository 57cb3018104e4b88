"""What counts as unlike itself, by examples."""

from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from math import exp
from random import Random
from typing import Any

import pytest

from kasparro.serving.deviations import Anomaly, of_prices, of_runs, usual_of
from kasparro.store.prices import HourlyPrice
from kasparro.store.run_history import RunFact

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
EARLIER = [(1, 10.0 + n % 3, 0.90) for n in range(20)]  # calls, seconds, coverage


def done(work: Generator[None, None, list[Anomaly]]) -> list[Anomaly]:
    """What work in pieces comes to."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return list(end.value)


def runs(*figures: tuple[int, float, float | None]) -> list[RunFact]:
    """Runs of one source, five minutes apart, the last of them now."""
    return [
        RunFact(
            run_id=n + 1,
            finished_at=NOW - timedelta(minutes=5 * (len(figures) - 1 - n)),
            source="coingecko",
            calls=calls,
            duration_seconds=seconds,
            coverage=coverage,
        )
        for n, (calls, seconds, coverage) in enumerate(figures)
    ]


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        ((1, 12.5, 0.90), []),
        ((1, 40.0, 0.90), ["slow_run"]),
        ((1, 18.0, 0.90), []),  # not twice as long
        ((40, 400.0, 0.90), []),  # forty times the calls: unlike the others, so that nothing is said
        ((1, 11.0, 0.60), ["coverage_drop"]),
        ((1, 11.0, 0.89), []),
        ((1, 11.0, 0.99), []),
        ((1, 11.0, None), []),
        ((1, 90.0, 0.10), ["coverage_drop", "slow_run"]),
    ],
)
def test_a_run_is_compared_with_its_like(last: tuple[int, float, float | None], expected: list[str]) -> None:
    """Twice as long and more, or a twentieth less covered, beyond what is usual."""
    assert sorted(a.kind for a in done(of_runs(runs(*EARLIER, last), NOW - DAY))) == expected


def test_short_runs_may_take_twice_as_long() -> None:
    """Some tenths of a second are no news."""
    assert done(of_runs(runs(*[(1, 0.4, None)] * 20, (1, 3.0, None)), NOW - DAY)) == []


def test_with_few_runs_nothing_is_said() -> None:
    """Eight make a habit."""
    slow = (1, 90.0, 0.1)
    assert done(of_runs(runs(*EARLIER[:7], slow), NOW - DAY)) == []
    assert len(done(of_runs(runs(*EARLIER[:8], slow), NOW - DAY))) == 2


def test_what_lasts_is_said_once() -> None:
    """With when it began and how often it was seen; it does not become usual, and what is over before the span is not told."""
    facts = runs(*EARLIER, *[(1, 11.0, 0.40)] * 100, (1, 11.0, 0.90), (1, 11.0, 0.30))
    first, second = done(of_runs(facts, NOW - DAY))
    assert (first.run_id, first.times, first.at, first.until) == (21, 100, facts[20].finished_at, facts[119].finished_at)
    assert (second.run_id, second.times, round(second.usual, 2)) == (122, 1, 0.90)
    assert "30.0% of the active listings of coingecko" in second.reason
    assert [a.run_id for a in done(of_runs(facts, NOW - timedelta(minutes=7)))] == [122]


def prices(returns: list[float], *, spreads: list[float | None] | None = None) -> list[HourlyPrice]:
    """The hourly prices of a coin that moves so, the last of them now."""
    value, found = 100.0, []
    for n, step in enumerate([0.0, *returns]):
        value *= exp(step)
        hour = NOW - timedelta(hours=len(returns) - n)
        found.append(HourlyPrice(coin_id="made", hour=hour, value=value, spread_pct=spreads[n - 1] if spreads and n else None))
    return found


def calm(hours: int, sigma: float) -> list[float]:
    """Returns of an ordinary coin."""
    random = Random(7)
    return [random.gauss(0.0, sigma) for _ in range(hours)]


@pytest.mark.parametrize(
    ("sigma", "last", "jumps"),
    [
        (0.006, 0.10, True),
        (0.006, -0.10, True),
        (0.006, 0.03, False),
        (0.03, 0.10, False),  # a coin that does so every day
        (0.03, 0.40, True),
        (0.0, 0.04, False),  # a pegged one: under 5 % is nothing
        (0.0, -0.12, True),
    ],
)
def test_a_jump_is_one_beyond_the_coins_own_volatility(sigma: float, last: float, jumps: bool) -> None:
    """What is usual for one coin is a jump of another."""
    found = done(of_prices(prices([*calm(72, sigma), last]), NOW - DAY))
    assert [a.kind for a in found if a.at == NOW] == ["price_jump"] * jumps


def test_a_jump_that_is_old_or_took_long_is_none() -> None:
    """The same step over a night without quotes is not a step of an hour; one before the span is not told."""
    step = 0.06
    assert done(of_prices(prices([*calm(40, 0.006), 0.3, *calm(30, 0.006)]), NOW - DAY)) == []
    hours = prices([*calm(60, 0.006), step])
    assert len(done(of_prices(hours, NOW - DAY))) == 1
    shifted = [*[HourlyPrice(coin_id=h.coin_id, hour=h.hour - 9 * timedelta(hours=1), value=h.value, spread_pct=None) for h in hours[:-1]]]
    assert done(of_prices([*shifted, hours[-1]], NOW - DAY)) == []


def test_half_of_the_hours_may_be_odd_before_the_measure_moves() -> None:
    """A jump and its way back are both seen, though they are among what they are measured by."""
    found = done(of_prices(prices([*calm(30, 0.006), 0.5, -0.5, 0.5, -0.5]), NOW - DAY))
    assert len(found) == 4
    assert found[-1].reason.startswith("made moved by -39.3 % within an hour, ")


@pytest.mark.parametrize(
    ("spreads", "expected"),
    [
        ([9.0] * 8, 1),
        ([9.0] * 5, 0),  # not for long enough
        ([9.0] * 8 + [1.0], 0),  # over
        ([9.0, 1.0] * 8 + [9.0], 0),  # now and then
        ([4.0] * 24, 0),  # as may be
        ([None] * 16 + [9.0] * 8, 1),
        ([1.0] * 2 + [9.0] * 8, 1),
    ],
)
def test_sources_that_keep_differing(spreads: list[float | None], expected: int) -> None:
    """For six hours at least, three quarters of those in which both spoke, and still."""
    found = done(of_prices(prices([0.0] * len(spreads), spreads=spreads), NOW - DAY))
    assert [a.kind for a in found] == ["disagreement"] * expected
    if found:
        assert "9.0 % apart" in found[0].reason


def test_the_usual_is_not_moved_by_outliers() -> None:
    """Median, and median distance times 1.4826."""
    values: list[Any] = [1.0, 2.0, 3.0, 4.0, 1e9]
    assert usual_of(values) == (3.0, 1.4826)
