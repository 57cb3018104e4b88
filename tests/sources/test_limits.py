"""Spacing: as fast as a limit allows, and never faster, wherever its windows begin; slower where the source objects."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kasparro.sources.limits import Pace


@pytest.mark.parametrize(
    ("per_minute", "now", "previous", "turn"), [(60, 5.0, None, 5.0), (60, 5.0, 1.0, 5.0), (60, 5.0, 4.5, 5.52), (5, 0.0, 0.0, 12.24)]
)
def test_a_call_leaves_one_spacing_after_the_previous(per_minute: int, now: float, previous: float | None, turn: float) -> None:
    """The first at once; then 2 % more than an even share of the minute apart."""
    assert Pace.of(per_minute).turn(now, previous) == pytest.approx(turn)


@settings(max_examples=50, deadline=None)
@given(per_minute=st.integers(1, 600), start=st.floats(0, 120), delay=st.floats(0, 1.0))
def test_no_window_sees_more_calls_than_its_limit(per_minute: int, start: float, delay: float) -> None:
    """Even if the network holds the first call of a window back by a second, a minute from it holds no more than the limit."""
    pace = Pace.of(per_minute)
    turns = [start]
    for _ in range(per_minute + 1):
        turns.append(pace.turn(turns[-1], turns[-1]))
    window = turns[0] + delay
    assert sum(t < window + 60 for t in turns) <= per_minute


def test_almost_all_of_the_limit_is_used() -> None:
    """250 calls of 250 a minute take little more than a minute."""
    assert Pace.of(250).seconds * 250 == pytest.approx(61.2)


def test_a_refusal_slows_down_and_answers_speed_up_again() -> None:
    """By three tenths at once, back by a 180th of a call a minute per answer, never beyond the settings nor below one a minute."""
    pace = Pace.of(10).refused()
    assert pace.per_minute == pytest.approx(7)
    for _ in range(180):
        pace = pace.answered()
    assert pace.per_minute == pytest.approx(8)
    for _ in range(1_000):
        pace = pace.answered()
    assert pace == Pace.of(10)
    for _ in range(100):
        pace = pace.refused()
    assert pace.per_minute == 1


class Windows:
    """A server that allows so many calls in a minute, counted in fixed windows from the first call on."""

    def __init__(self, per_minute: int) -> None:
        self.per_minute, self.began, self.used = per_minute, -60.0, 0

    def wait(self, now: float) -> float:
        """0 for a call that is answered, else the seconds that a 429 asks to wait."""
        if now - self.began >= 60:
            self.began, self.used = now, 0
        self.used += 1
        return 0 if self.used <= self.per_minute else self.began + 60 - now


@pytest.mark.parametrize(("setting", "bears"), [(10, 5), (30, 5), (5, 5), (500, 30), (15, 3)])
def test_a_limit_is_run_into_once_an_hour_at_most_once_it_is_known(setting: int, bears: int) -> None:
    """Asked without a pause for two days: after the first hour no two refusals within an hour, and four fifths of the limit used."""
    pace, server = Pace.of(setting), Windows(bears)
    now, previous, calls, refusals = 0.0, None, 0, list[float]()
    while now < 2 * 86_400:
        now = previous = pace.turn(now, previous)
        calls += 1
        wait = server.wait(now)
        if wait:
            refusals.append(now)
        pace = pace.refused() if wait else pace.answered()
        now += wait
    adapted = [t for t in refusals if t > 3_600]
    assert all(later - earlier > 3_600 for earlier, later in pairwise(adapted))
    assert len(refusals) - len(adapted) < 20
    assert calls > 0.8 * bears * 2 * 24 * 60
