"""What a run asks for, in which order, and why not the rest."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from kasparro.ingest.budget import Budget
from kasparro.ingest.plan import BURST, LONGEST, SPENT, UNPRICED_INTERVAL, Plan, Queue, plan, rates
from kasparro.ingest.progress import Progress, known_after
from kasparro.records import Checkpoint, Page, Trigger
from kasparro.sources.base import Stream

NOW = datetime(2026, 11, 16, tzinfo=UTC)  # in the middle of a month of thirty days
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
REFRESH = timedelta(minutes=5)
LIST = Stream(name="s.list", first_part="all", priority=10, interval=DAY, identity=True, complete=True)
QUOTES = Stream(name="s.quotes", first_part="page:1", priority=40, interval=timedelta(0), quotes=True, batch_listings=250)
TICKERS = Stream(name="s.tickers", first_part="all", priority=30, interval=timedelta(0), quotes=True)
RATES = Stream(name="s.rates", first_part="all", priority=60, interval=timedelta(hours=6))
CONTRACTS = Stream(name="s.contracts", first_part="index", priority=50, interval=DAY, identity=True, contracts="of_part")
UNLIMITED = Budget(calls_per_minute=600, calls_per_month=0, freshness=MINUTE)


def monthly(calls: int, used: int = 0, minute: int = 30) -> Budget:
    """A budget of so many calls a month."""
    return Budget(calls_per_minute=minute, calls_per_month=calls, freshness=MINUTE, used=used)


def page(number: int, *, sweep: int) -> Checkpoint:
    """A page of a first sweep; sweep 0 for one that is known and was never committed."""
    at = NOW - MINUTE if sweep else None
    return Checkpoint(stream="s.quotes", part=f"page:{number}", ordinal=number - 1, sweep=sweep, committed_at=at, rows=250)


def batch(number: int, weight: float, age: timedelta, *, sweep: int = 1, unpriced: bool = False) -> Checkpoint:
    """A batch of two listings."""
    ids = (f"a{number}", f"b{number}")
    return Checkpoint(
        stream="s.quotes",
        part=f"batch:{number}",
        ordinal=number,
        sweep=sweep,
        committed_at=NOW - age if sweep else None,
        ids=ids,
        absent=ids if unpriced else (),
        weight=weight,
        laid_at=NOW - HOUR,
    )


def one(stream: Stream, age: timedelta) -> Checkpoint:
    """The one part of a stream, committed so long ago."""
    return Checkpoint(stream=stream.name, part=stream.first_part, ordinal=0, sweep=1, committed_at=NOW - age, rows=10)


def planned(
    streams: tuple[Stream, ...],
    known: list[Checkpoint],
    trigger: Trigger = "schedule",
    *,
    budget: Budget = UNLIMITED,
    refresh: timedelta = REFRESH,
    full: bool = False,
) -> Plan:
    """A run's plan."""
    return plan(Progress(streams, known), budget, NOW, trigger, refresh=refresh, full=full)


def names(found: Plan) -> list[str]:
    """The parts that are asked for, in order."""
    queue, order = Queue(found), list[str]()
    while (due := queue.pop()) is not None:
        order.append(due.checkpoint.part if due.stream is QUOTES else due.stream.name)
    return order


def test_a_first_run_asks_for_the_first_part_of_each_stream_before_the_rest() -> None:
    """The order is that in which the streams become useful; the rest of a long stream comes last."""
    assert names(planned((RATES, QUOTES, LIST), [page(1, sweep=0), page(2, sweep=0)])) == ["s.list", "page:1", "s.rates", "page:2"]


@pytest.mark.parametrize("trigger", ["start", "schedule", "command", "admin"])
def test_a_first_sweep_that_was_cut_off_goes_on_where_it_stopped(trigger: Trigger) -> None:
    """Pages that were committed are not asked for again, whoever starts the run."""
    assert names(planned((QUOTES,), [page(1, sweep=1), page(2, sweep=1), page(3, sweep=0), page(4, sweep=0)], trigger)) == [
        "page:3",
        "page:4",
    ]


def test_parts_that_answers_make_known_are_asked_for_in_the_same_run() -> None:
    """A stream's end is found by asking; what it no longer has is dropped."""
    progress = Progress((QUOTES,), [])
    queue = Queue(plan(progress, UNLIMITED, NOW, "schedule", refresh=REFRESH))
    first = queue.pop()
    assert first is not None

    queue.update(first, [page(2, sweep=0), page(3, sweep=0)], [])
    second = queue.pop()
    assert second is not None
    queue.update(second, [], ["page:3"])

    assert (first.checkpoint.part, second.checkpoint.part, queue.pop()) == ("page:1", "page:2", None)


@pytest.mark.parametrize(("minutes", "expected"), [(1, []), (4, ["s.tickers"]), (6, ["s.tickers"])])
def test_a_stream_of_one_part_is_asked_for_at_each_run_that_the_budget_allows(minutes: int, expected: list[str]) -> None:
    """Timers drift: a run that comes a little early is still the next one."""
    assert names(planned((TICKERS,), [one(TICKERS, minutes * MINUTE)])) == expected


def test_a_restart_shortly_after_a_run_asks_for_nothing() -> None:
    """A process that restarts again and again must not spend the month's calls."""
    assert names(planned((TICKERS,), [one(TICKERS, 4 * MINUTE)], "start")) == []
    assert names(planned((TICKERS,), [one(TICKERS, 6 * MINUTE)], "start")) == ["s.tickers"]


@pytest.mark.parametrize(("calls", "expected"), [(20_000, 5.0), (8_000, 5.7), (4_000, 11.4)])
def test_runs_more_often_than_the_month_allows_are_passed_over(calls: int, expected: float) -> None:
    """The interval of a stream of one part is what is left of the month over what is left of the calls, at least the time between runs."""
    found = rates(Progress((TICKERS,), []), monthly(calls, used=calls * 95 // 200), NOW, REFRESH)

    assert found.intervals["s.tickers", "all"] / 60 == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize(
    ("age", "expected"), [(21 * HOUR, []), (26 * HOUR, ["s.list"]), (-HOUR, ["s.list"])], ids=["young", "old", "future"]
)
def test_a_slow_stream_waits_for_its_interval(age: timedelta, expected: list[str]) -> None:
    """A commit that lies in the future tells that the clock was set back, and does not hold the stream up."""
    assert names(planned((LIST,), [one(LIST, age)])) == expected


def test_slow_parts_that_were_asked_for_together_drift_apart() -> None:
    """Thirty platforms of one run do not fall due in one run of the next day."""
    streams = (CONTRACTS,)
    known = [one(CONTRACTS, DAY)] + [
        Checkpoint(stream="s.contracts", part=f"p{n}", ordinal=n, sweep=1, committed_at=NOW - DAY, rows=9) for n in range(1, 30)
    ]

    due = [len(plan(Progress(streams, known), UNLIMITED, NOW + n * REFRESH, "schedule", refresh=REFRESH).due) for n in range(-20, 20)]

    assert due[0] == 0
    assert due[-1] == 30
    assert max(b - a for a, b in pairwise(due)) <= 6


def test_intervals_are_the_shorter_the_more_is_traded() -> None:
    """They are in proportion to 1/sqrt(volume), and add up to the pace."""
    known = [batch(n, w, HOUR) for n, w in enumerate([100.0, 25.0, 1.0])]
    found = rates(Progress((QUOTES,), known), monthly(800), NOW, REFRESH)

    first, second, third = (found.intervals["s.quotes", f"batch:{n}"] for n in range(3))
    assert (second / first, third / first) == (pytest.approx(2), pytest.approx(10))
    assert 1 / first + 1 / second + 1 / third == pytest.approx(760 / (15 * 86_400), rel=1e-6)


def test_no_interval_is_shorter_than_what_shows_anything_new_or_longer_than_a_day() -> None:
    """With calls in plenty every part comes at each run; with few the rarely traded ones still come daily."""
    known = [batch(n, w, HOUR) for n, w in enumerate([1e12, 1.0, 0.0])]

    plenty = rates(Progress((QUOTES,), known), UNLIMITED, NOW, timedelta(seconds=30))
    few = rates(Progress((QUOTES,), known), monthly(1_000), NOW, REFRESH)

    assert set(plenty.intervals.values()) == {60.0}
    assert few.intervals["s.quotes", "batch:2"] == LONGEST.total_seconds()


def test_too_few_calls_slow_everything_down_instead_of_stopping_anything() -> None:
    """Where a day's rounds alone cost more than there is, no part is dropped: all come less often."""
    known = [batch(n, 10.0**-n, HOUR) for n in range(20)]
    found = rates(Progress((QUOTES, LIST), [*known, one(LIST, HOUR)]), monthly(200), NOW, REFRESH)

    assert sum(1 / i for i in found.intervals.values()) == pytest.approx(190 / (15 * 86_400), rel=0.01)
    assert LONGEST.total_seconds() < max(found.intervals.values()) < 10 * 86_400


def test_slow_streams_never_take_more_than_half_of_the_calls() -> None:
    """Prices are what the service is for."""
    known = [one(TICKERS, HOUR), one(CONTRACTS, HOUR)] + [
        Checkpoint(stream="s.contracts", part=f"p{n}", ordinal=n, sweep=1, committed_at=NOW, rows=9) for n in range(1, 30)
    ]
    found = rates(Progress((TICKERS, CONTRACTS), known), monthly(500), NOW, REFRESH)

    assert 1 / found.intervals["s.tickers", "all"] == pytest.approx(475 / 2 / (15 * 86_400), rel=0.01)


def test_listings_without_a_price_are_asked_for_rarely() -> None:
    """Some get one; until then they cost a call in three days."""
    known = [batch(0, 1.0, MINUTE), batch(1, 0.0, 2 * DAY, unpriced=True), batch(2, 0.0, 4 * DAY, unpriced=True)]

    assert names(planned((QUOTES,), known)) == ["batch:2"]
    assert rates(Progress((QUOTES,), known), UNLIMITED, NOW, REFRESH).intervals["s.quotes", "batch:1"] == UNPRICED_INTERVAL.total_seconds()


def test_a_batch_of_newcomers_is_due_at_once() -> None:
    """Its listings have never been asked for."""
    assert names(planned((QUOTES,), [batch(0, 1.0, MINUTE), batch(1, 0.0, DAY, sweep=0, unpriced=True)])) == ["batch:1"]


def test_after_an_outage_the_most_valuable_comes_first_and_there_is_no_burst() -> None:
    """What is left undone is caught up by the next runs."""
    known = [batch(n, 10.0**-n, 2 * DAY) for n in range(40)]
    budget = monthly(9_000)

    found = planned((QUOTES,), known, budget=budget)

    per_run = 9_000 * 0.95 / (15 * 24 * 12)
    assert names(found) == [f"batch:{n}" for n in range(len(found.due))]
    assert per_run < len(found.due) <= BURST * per_run + 1
    assert {w.why for w in found.waiting} == {"the next runs catch up"}


def test_an_answer_that_was_refused_is_not_paid_for_again_at_each_run() -> None:
    """The schedule asks again when the interval has passed; a person may ask at once."""
    known = [batch(0, 1.0, 2 * HOUR), batch(1, 1e-4, 2 * DAY)]
    progress, refused = Progress((QUOTES,), known), {("s.quotes", "batch:1"): NOW - HOUR}

    def asked(trigger: Trigger, now: datetime = NOW) -> list[str]:
        return names(plan(progress, monthly(4_000), now, trigger, refresh=REFRESH, refused=refused))

    assert asked("schedule") == ["batch:0"]
    assert asked("schedule", NOW + DAY) == ["batch:0", "batch:1"]
    assert asked("command") == ["batch:0", "batch:1"]


@pytest.mark.slow
def test_an_interval_between_two_runs_is_met_in_the_mean() -> None:
    """Asked for at the run before or after, in turns: its mean is the optimum."""
    known, at, asked = one(TICKERS, timedelta(0)), NOW, list[datetime]()
    budget = Budget(calls_per_minute=600, calls_per_month=0, freshness=12.3 * MINUTE)
    for _ in range(4_000):
        at += REFRESH
        if plan(Progress((TICKERS,), [known]), budget, at, "schedule", refresh=REFRESH).due:
            known = Checkpoint(stream="s.tickers", part="all", ordinal=0, sweep=1, committed_at=at, rows=1)
            asked.append(at)

    gaps = [b - a for a, b in pairwise(asked)]
    assert set(gaps) == {2 * REFRESH, 3 * REFRESH}
    assert sum(gaps, timedelta()) / len(gaps) / MINUTE == pytest.approx(12.3, rel=0.01)


@pytest.mark.parametrize("trigger", ["command", "admin"])
def test_a_run_that_a_person_starts_asks_for_all_that_may_have_changed(trigger: Trigger) -> None:
    """The pace does not hold it up; slow streams and listings without a price keep their intervals."""
    known = [one(LIST, HOUR), batch(0, 1.0, 2 * MINUTE), batch(1, 0.1, 2 * MINUTE), batch(2, 0.0, HOUR, unpriced=True)]

    assert names(planned((LIST, QUOTES), known, trigger, budget=monthly(1_000))) == ["batch:0", "batch:1"]


def test_a_run_by_hand_that_was_cut_off_is_gone_on_with() -> None:
    """What it asked for within the last minute shows nothing new."""
    known = [batch(0, 1.0, MINUTE / 2, sweep=4), batch(1, 0.1, 2 * MINUTE, sweep=4), batch(2, 0.1, MINUTE / 2, sweep=3)]

    found = planned((QUOTES,), known, "command")

    assert names(found) == ["batch:1", "batch:2"]
    assert {d.sweep for d in found.due} == {4}


def test_full_asks_for_everything() -> None:
    """`--full` heeds no interval and begins a new sweep."""
    known = [one(LIST, MINUTE), batch(0, 1.0, MINUTE), batch(1, 0.0, HOUR, unpriced=True)]

    found = planned((LIST, QUOTES), known, "command", full=True)

    assert names(found) == ["s.list", "batch:0", "batch:1"]
    assert {d.sweep for d in found.due} == {2}


@pytest.mark.parametrize(
    ("used", "scheduled", "by_hand"), [(9_000, 500, 1_000), (9_499, 1, 501), (9_500, 0, 500), (9_999, 0, 1), (10_000, 0, 0), (10_500, 0, 0)]
)
def test_the_months_last_calls_are_kept_for_runs_that_a_person_starts(used: int, scheduled: int, by_hand: int) -> None:
    """The schedule stops at 95 %, nobody goes beyond the whole."""
    known, budget = [batch(0, 1.0, 40 * DAY)], monthly(10_000, used)

    for trigger, most in (("schedule", scheduled), ("start", scheduled), ("command", by_hand), ("admin", by_hand)):
        found = planned((QUOTES,), known, trigger, budget=budget)  # type: ignore[arg-type]  # each is a trigger

        assert found.calls_most == most
        assert names(found) == (["batch:0"] if most else [])
        if not most:
            assert [(w.why, w.until) for w in found.waiting] == [(SPENT, datetime(2026, 12, 1, tzinfo=UTC))]


def test_a_run_never_plans_more_than_the_month_has() -> None:
    """Slow streams count like all others."""
    assert names(planned((LIST, RATES), [], budget=monthly(10_000, 9_499))) == ["s.list"]


def test_a_full_page_makes_the_next_one_known() -> None:
    """The stream's end is found by asking."""
    progress = Progress((QUOTES,), [])

    known, gone = known_after(progress, progress.parts("s.quotes")[0], Page(rows_received=250, next_parts=("page:2",)))

    assert [(c.part, c.ordinal, c.sweep) for c in known] == [("page:2", 1, 0)]
    assert gone == []


def test_the_last_page_lets_go_of_those_after_it() -> None:
    """A market that became smaller has fewer pages."""
    progress = Progress((QUOTES,), [page(1, sweep=1), page(2, sweep=1), page(3, sweep=1)])

    assert known_after(progress, page(2, sweep=1), Page(rows_received=7, is_last=True)) == ([], ["page:3"])


def test_an_index_of_parts_lets_go_of_those_that_it_leaves_out() -> None:
    """A platform that the source no longer lists is not asked for."""
    old = [Checkpoint(stream="s.contracts", part=p, ordinal=n, sweep=1, committed_at=NOW) for n, p in enumerate(["index", "a", "b"])]
    progress = Progress((CONTRACTS,), old)

    known, gone = known_after(progress, old[0], Page(rows_received=2, next_parts=("b", "c"), is_index=True))

    assert [c.part for c in known] == ["c"]
    assert gone == ["a"]
