"""Spacing: as fast as a limit allows, and never faster, wherever its windows begin."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kasparro.sources.limits import Spacing


@pytest.mark.parametrize(
    ("per_minute", "now", "previous", "turn"), [(60, 5.0, None, 5.0), (60, 5.0, 1.0, 5.0), (60, 5.0, 4.5, 5.52), (5, 0.0, 0.0, 12.24)]
)
def test_a_call_leaves_one_spacing_after_the_previous(per_minute: int, now: float, previous: float | None, turn: float) -> None:
    """The first at once; then 2 % more than an even share of the minute apart."""
    assert Spacing(calls_per_minute=per_minute).turn(now, previous) == pytest.approx(turn)


@settings(max_examples=50, deadline=None)
@given(per_minute=st.integers(1, 600), start=st.floats(0, 120), delay=st.floats(0, 1.0))
def test_no_window_sees_more_calls_than_its_limit(per_minute: int, start: float, delay: float) -> None:
    """Even if the network holds the first call of a window back by a second, a minute from it holds no more than the limit."""
    spacing = Spacing(calls_per_minute=per_minute)
    turns = [start]
    for _ in range(per_minute + 1):
        turns.append(spacing.turn(turns[-1], turns[-1]))
    window = turns[0] + delay
    assert sum(t < window + 60 for t in turns) <= per_minute


def test_almost_all_of_the_limit_is_used() -> None:
    """250 calls of 250 a minute take little more than a minute."""
    assert Spacing(calls_per_minute=250).seconds * 250 == pytest.approx(61.2)
