"""What a run asks for, and in which order."""

from datetime import UTC, datetime, timedelta

import pytest

from kasparro.ingest.plan import Progress, known_after, next_part, sweeps_due
from kasparro.records import Checkpoint, Page, Trigger
from kasparro.sources.base import Stream

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
REFRESH = timedelta(minutes=5)
LIST = Stream(name="s.list", first_part="all", priority=10, interval=timedelta(days=1), identity=True, complete=True)
PAGES = Stream(name="s.pages", first_part="page:1", priority=40, interval=timedelta(0), quotes=True)
RATES = Stream(name="s.rates", first_part="all", priority=60, interval=timedelta(hours=6))


def page(number: int, *, sweep: int, age: timedelta = timedelta(minutes=1), rows: int = 250) -> Checkpoint:
    """A checkpoint of a page; sweep 0 for one that is known and was never committed."""
    return Checkpoint(
        stream="s.pages", part=f"page:{number}", ordinal=number - 1, sweep=sweep, committed_at=NOW - age if sweep else None, rows=rows
    )


def asked(progress: Progress, trigger: Trigger = "schedule", *, full: bool = False) -> list[str]:
    """The parts that would be asked for, in order, if each were committed and told nothing new."""
    due = sweeps_due(progress, trigger, NOW, refresh=REFRESH, full=full)
    order: list[str] = []
    while (part := next_part(progress, due, set())) is not None:
        order.append(f"{part.checkpoint.stream} {part.checkpoint.part}")
        progress.commit(
            Checkpoint(
                stream=part.stream.name, part=part.checkpoint.part, ordinal=part.checkpoint.ordinal, sweep=part.sweep, committed_at=NOW
            ),
            (),
            (),
        )
    return order


def test_a_first_run_asks_for_the_first_part_of_each_stream_before_the_rest() -> None:
    """The order is that in which the streams become useful; the rest of a long stream comes last."""
    progress = Progress((LIST, PAGES, RATES), [page(2, sweep=0)])

    assert asked(progress) == ["s.list all", "s.pages page:1", "s.rates all", "s.pages page:2"]


def test_a_sweep_that_was_cut_off_goes_on_where_it_stopped() -> None:
    """Parts of the newest sweep are not asked for again, whoever starts the run."""
    for trigger in ("start", "schedule", "command", "admin"):
        progress = Progress((PAGES,), [page(1, sweep=4), page(2, sweep=4), page(3, sweep=3), page(4, sweep=0)])

        assert asked(progress, trigger) == ["s.pages page:3", "s.pages page:4"]


def test_a_finished_sweep_begins_anew_at_each_run_but_not_at_a_restart() -> None:
    """A process that restarts again and again must not spend the month's calls."""
    known = [page(1, sweep=4), page(2, sweep=4)]

    assert asked(Progress((PAGES,), known), "schedule") == ["s.pages page:1", "s.pages page:2"]
    assert asked(Progress((PAGES,), known), "start") == []


def test_a_restart_after_the_interval_asks_again() -> None:
    """What is older than the refresh is due at a start as well."""
    progress = Progress((PAGES,), [page(1, sweep=4, age=timedelta(minutes=6)), page(2, sweep=4)])

    assert asked(progress, "start") == ["s.pages page:1", "s.pages page:2"]


@pytest.mark.parametrize(
    ("age", "expected"), [(timedelta(hours=23), []), (timedelta(hours=24), ["s.list all"]), (-timedelta(hours=1), ["s.list all"])]
)
def test_a_slow_stream_waits_for_its_interval(age: timedelta, expected: list[str]) -> None:
    """A commit that lies in the future tells that the clock was set back, and does not hold the stream up."""
    progress = Progress((LIST,), [Checkpoint(stream="s.list", part="all", ordinal=0, sweep=1, committed_at=NOW - age)])

    assert asked(progress) == expected


def test_full_asks_for_everything() -> None:
    """`--full` heeds no interval and begins a new sweep."""
    progress = Progress((LIST, PAGES), [Checkpoint(stream="s.list", part="all", ordinal=0, sweep=1, committed_at=NOW), page(1, sweep=2)])

    assert asked(progress, "command", full=True) == ["s.list all", "s.pages page:1"]


def test_a_part_that_failed_is_passed_over_in_this_run() -> None:
    """It stays due for the next one."""
    progress = Progress((PAGES,), [page(1, sweep=1), page(2, sweep=0), page(3, sweep=0)])
    due = sweeps_due(progress, "schedule", NOW, refresh=REFRESH, full=False)

    part = next_part(progress, due, {("s.pages", "page:2")})

    assert part is not None
    assert part.checkpoint.part == "page:3"


def test_a_full_page_makes_the_next_one_known() -> None:
    """The stream's end is found by asking."""
    progress = Progress((PAGES,), [])

    known, gone = known_after(progress, progress.parts("s.pages")[0], Page(rows_received=250, next_parts=("page:2",)))

    assert [(c.part, c.ordinal, c.sweep) for c in known] == [("page:2", 1, 0)]
    assert gone == []


def test_the_last_page_lets_go_of_those_after_it() -> None:
    """A market that became smaller has fewer pages."""
    progress = Progress((PAGES,), [page(1, sweep=1), page(2, sweep=1), page(3, sweep=1)])

    assert known_after(progress, page(2, sweep=1), Page(rows_received=7, is_last=True)) == ([], ["page:3"])


def test_an_index_of_parts_lets_go_of_those_that_it_leaves_out() -> None:
    """A platform that the source no longer lists is not asked for."""
    stream = Stream(name="s.c", first_part="index", priority=1, interval=timedelta(days=1), identity=True, contracts="of_part")
    old = [Checkpoint(stream="s.c", part=p, ordinal=n, sweep=1, committed_at=NOW) for n, p in enumerate(["index", "a", "b"])]
    progress = Progress((stream,), old)

    known, gone = known_after(progress, old[0], Page(rows_received=2, next_parts=("b", "c")))

    assert [c.part for c in known] == ["c"]
    assert gone == ["a"]
