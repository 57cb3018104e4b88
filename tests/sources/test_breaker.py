"""A source that does not work is left alone, and looked at now and then."""

from datetime import UTC, datetime, timedelta

import pytest

from kasparro.sources.breaker import FAILURES_MAX, Breaker, Moment

START = datetime(2026, 5, 6, 12, tzinfo=UTC)


def at(seconds: float) -> Moment:
    """So many seconds after the start."""
    return Moment(at=START + timedelta(seconds=seconds), monotonic=1_000 + seconds)


def opened() -> Breaker:
    """A breaker that opened at the start."""
    breaker = Breaker()
    for number in range(FAILURES_MAX):
        assert breaker.state == "closed"
        breaker = breaker.failed(f"trouble {number}", at(0))
    return breaker


def test_it_opens_after_failures_in_a_row() -> None:
    """With the newest reason and since when; an answer in between starts the count anew."""
    breaker = opened()
    assert (breaker.state, breaker.since, breaker.reason) == ("open", START, "trouble 4")
    assert not breaker.lets_through(at(59))
    assert Breaker().failed("x", at(0)).answered() == Breaker()


def test_one_look_is_let_through_when_its_time_has_come() -> None:
    """And no second one until its answer is there, or until nobody can hear of it any more."""
    breaker = opened()
    assert breaker.lets_through(at(60))
    looking = breaker.calling(at(60))
    assert (looking.state, looking.since) == ("half_open", START)
    assert not looking.lets_through(at(61))
    assert looking.lets_through(at(121))
    assert looking.answered() == Breaker()


def test_each_failed_look_doubles_the_pause_up_to_a_quarter_of_an_hour() -> None:
    """It stays open since the first time."""
    breaker, now, pauses = opened(), 60.0, []
    for _ in range(7):
        breaker = breaker.calling(at(now)).failed("still", at(now))
        assert breaker.until is not None
        pauses.append((breaker.until - at(now).at).total_seconds())
        now += pauses[-1]
    assert pauses == [120, 240, 480, 900, 900, 900, 900]
    assert (breaker.state, breaker.since) == ("open", START)


@pytest.mark.parametrize(("asked", "paused"), [(120, 120), (2_678_400, 3_600)])
def test_a_source_is_left_alone_for_as_long_as_it_asks_for(asked: float, paused: float) -> None:
    """But looked at once an hour whatever it asks for."""
    breaker = Breaker().asked_to_wait(asked, "429", at(0))
    assert (breaker.lets_through(at(paused - 1)), breaker.lets_through(at(paused))) == (False, True)


def test_a_person_may_insist() -> None:
    """On one look at any time."""
    assert opened().lets_through(at(1), insist=True)


def test_the_clock_that_people_see_does_not_matter() -> None:
    """Set back by a day, it keeps nothing closed for a day."""
    back = Moment(at=START - timedelta(days=1), monotonic=1_060)
    assert opened().lets_through(back)
