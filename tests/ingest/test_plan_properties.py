"""What holds for every plan, market and course of events."""

import math
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kasparro.ingest.intervals import best_intervals
from kasparro.ingest.plan import BURST, LONGEST
from tests.benchmarks.budget import DAY, HOUR, PLANS, Market, Simulation, market

LAST_DAYS = datetime(2026, 11, 29, tzinfo=UTC)  # so that the month ends on the way
MANY_RUNS = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def small_market(seed: int, listings: int = 1_500) -> Market:
    """Volumes as they are: a few listings trade nearly everything."""
    random = Random(seed)
    return Market(volumes={f"c{n}": 10 ** random.gauss(4, 2.5) for n in range(listings)}, unpriced=[f"u{n}" for n in range(300)])


def simulation(seed: int, calls: int, refresh: float, **more: object) -> Simulation:
    """A plan of so many calls a month and thirty a minute."""
    environment = {"COINGECKO_CALLS_PER_MONTH": str(calls), "COINGECKO_CALLS_PER_MINUTE": "30"}
    return Simulation(environment, small_market(seed), refresh=refresh, seed=seed, **more)  # type: ignore[arg-type]  # as they are named


@given(
    weights=st.lists(st.floats(0, 1e12), min_size=1, max_size=30),
    per_second=st.floats(1e-6, 10),
    most=st.floats(3_600, 1e6),
    least=st.just(0.0) | st.floats(1, 600),
)
@example(weights=[0.0, 0.0, 0.0, 0.0, 1.0], per_second=4.75, most=70_419.0, least=1.0)
def test_intervals_keep_to_the_pace_and_leave_nothing_to_gain(weights: list[float], per_second: float, most: float, least: float) -> None:
    """No call can be moved from one part to another so that the weighted mean becomes less."""
    found = best_intervals(weights, per_second, least=least, most=most)

    least = max(least, 0.001)  # runs by hand alone have no interval
    rate = sum(1 / i for i in found)
    assert rate <= per_second * (1 + 1e-6)
    assert min(found) >= least * (1 - 1e-9)
    assert rate >= per_second * (1 - 1e-3) or max(found) <= least * (1 + 1e-9)
    heaviest = max(weights)
    # What one more call per second is worth to a part: weight * interval^2 / 2.
    worth = [(max(w / heaviest if heaviest else 1.0, 1e-15) * i * i, i) for w, i in zip(weights, found, strict=True)]
    most = max(most, least, len(weights) / per_second / 0.8)
    least_given = min((value for value, i in worth if i < most * (1 - 1e-6)), default=math.inf)
    most_gained = max((value for value, i in worth if i > least * (1 + 1e-6)), default=0.0)
    assert most_gained <= least_given * (1 + 1e-6)


@pytest.mark.slow
@MANY_RUNS
@given(
    seed=st.integers(0, 99),
    calls=st.integers(30, 6_000),
    refresh=st.sampled_from([60.0, 300.0, 1_800.0]),
    outages=st.lists(st.tuples(st.floats(0, 3 * DAY), st.floats(60, DAY)), max_size=4),
    by_hand=st.lists(st.floats(0, 3 * DAY), max_size=12),
)
def test_no_course_of_events_spends_more_than_the_month_has(
    seed: int, calls: int, refresh: float, outages: list[tuple[float, float]], by_hand: list[float]
) -> None:
    """Not with outages, downtime, restarts or runs that a person starts; and the schedule never touches the last twentieth."""
    simulated = simulation(seed, calls, refresh, outages=[(a, a + b) for a, b in outages], begin=LAST_DAYS)
    simulated.used["2026-11-01"] = calls * 9 // 10
    waiting = sorted(by_hand)
    while simulated.clock.monotonic() < 3 * DAY:
        before = simulated.used.copy()
        if waiting and waiting[0] <= simulated.clock.monotonic():
            waiting.pop(0)
            simulated.run("command")
        else:
            simulated.run(Random(len(simulated.times)).choice(["schedule", "schedule", "start"]))  # type: ignore[arg-type]  # triggers
            for month, used in simulated.used.items():
                assert used == before[month] or used <= int(calls * 0.95)
        assert all(used <= calls for used in simulated.used.values())
        simulated.clock.advance(max(1.0, refresh))


@pytest.mark.slow
@MANY_RUNS
@given(seed=st.integers(0, 99), calls=st.integers(1_500, 20_000), refresh=st.sampled_from([60.0, 300.0, 1_800.0]))
def test_every_batch_comes_daily_while_the_budget_allows_it(seed: int, calls: int, refresh: float) -> None:
    """However rarely it is traded; and after the first sweep no run is a burst."""
    simulated = simulation(seed, calls, refresh)
    figures = simulated.over(1.2)
    after = max(simulated.per_run[1:])

    # Two more runs, and what parts that were once asked for together are moved apart by.
    bound = LONGEST * 1.05 + timedelta(seconds=2 * refresh) + timedelta(hours=0.5)
    assert figures.staleness.longest(figures.weights(simulated.market.volumes)) <= bound.total_seconds() < DAY + 2 * refresh
    slow_streams, newcomers = 2, 2
    assert after <= math.ceil(BURST * 1.1 * calls / (30 * DAY) * refresh) + slow_streams + newcomers


@pytest.mark.slow
@pytest.mark.parametrize("name", ["demo", "keyless, 5 a minute"])
def test_some_days_of_a_plan(name: str) -> None:
    """The simulation of `make bench`, shortened: the limits hold, every coin comes daily, and what is traded most is fresh."""
    listings = market()
    simulated = Simulation(PLANS[name], listings, outages=[(2 * DAY, 2 * DAY + HOUR)])

    figures = simulated.over(3.5)

    weights = figures.weights(listings.volumes)
    assert figures.per_minute <= simulated.settings.calls_per_minute
    assert figures.staleness.longest(weights) < DAY
    if simulated.settings.calls_per_month:
        assert figures.calls.total() <= 10_000 * 3.5 / 30 * 1.03
    else:
        assert figures.staleness.mean(weights) < 10 * 60
