"""Which listings are asked for together, and what is remembered when they are laid anew."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from kasparro.ingest.batches import IDS_CHARACTERS_MAX, join, lay, lay_due
from kasparro.ingest.plan import is_unpriced
from kasparro.records import Checkpoint, Traded
from kasparro.sources.base import Stream

NOW = datetime(2026, 11, 16, tzinfo=UTC)
HOUR = timedelta(hours=1)
STREAM = Stream(name="s.quotes", first_part="page:1", priority=1, interval=timedelta(0), quotes=True, batch_listings=2)
PAGES = [
    Checkpoint(stream="s.quotes", part=f"page:{n + 1}", ordinal=n, sweep=1, committed_at=NOW - age * HOUR, rows=250)
    for n, age in enumerate([2, 1])
]


def market(**volumes: float | None) -> list[Traded]:
    """Listings by volume; None for one that never had a quote."""
    return [Traded(source_id=i, volume=v, quoted=v is not None) for i, v in volumes.items()]


def laid(traded: Sequence[Traded], parts: Sequence[Checkpoint], stream: Stream = STREAM) -> list[Checkpoint]:
    """The batches that come of it."""
    pieces = lay(stream, traded, parts, NOW)
    while True:
        try:
            next(pieces)
        except StopIteration as stop:
            found: list[Checkpoint] = stop.value
            return found


def members(batches: Sequence[Checkpoint]) -> list[str]:
    """Their ids, a word per batch."""
    return ["".join(c.ids) for c in batches]


def test_what_trades_most_is_asked_for_together() -> None:
    """By falling volume; listings without a price are in batches of their own, at the end."""
    batches = laid(market(a=9.0, b=5.0, c=1.0, d=None, e=None, f=None), PAGES)

    assert members(batches) == ["ab", "c", "de", "f"]
    assert [(c.part, c.ordinal, c.weight, c.peak_rows) for c in batches] == [
        ("batch:0", 0, 14.0, 2), ("batch:1", 1, 1.0, 1), ("batch:2", 2, 0.0, 0), ("batch:3", 3, 0.0, 0),
    ]  # fmt: skip
    assert [is_unpriced(c) for c in batches] == [False, False, True, True]


def test_batches_laid_out_of_pages_count_as_asked_for_when_the_pages_were() -> None:
    """The first page was asked for longest ago."""
    batches = laid(market(a=9.0, d=None), PAGES)

    assert {(c.committed_at, c.sweep, c.laid_at) for c in batches} == {(NOW - 2 * HOUR, 1, NOW)}


def test_a_batch_that_is_laid_anew_takes_the_oldest_time_of_its_listings() -> None:
    """None of them waits longer than it would have; what had no price when asked last goes behind."""
    old = laid(market(a=9.0, b=5.0, c=4.0, d=3.0, e=1.0, f=0.5), PAGES)
    times = [NOW - 5 * HOUR, NOW - 9 * HOUR, NOW - 7 * HOUR]
    old = [msgspec.structs.replace(c, committed_at=at, sweep=7 - n) for n, (c, at) in enumerate(zip(old, times, strict=True))]
    old[2] = msgspec.structs.replace(old[2], absent=("f",))

    batches = laid(market(c=11.0, a=9.0, f=8.0, b=5.0, e=1.0, new=None), old)

    assert members(batches) == ["ca", "be", "f", "new"]
    assert [(c.committed_at, c.sweep) for c in batches] == [(times[1], 6), (times[2], 5), (times[2], 5), (None, 0)]


def test_listings_that_were_never_asked_for_are_due_at_once() -> None:
    """They are laid into batches of their own, so that no others are asked for with them."""
    old = laid(market(a=9.0, b=5.0), PAGES)

    joined = join(STREAM, ["x", "y", "z"], old, NOW)

    assert [(c.part, c.ordinal, c.ids, c.sweep, c.committed_at) for c in joined] == [
        ("batch:1", 1, ("x", "y"), 0, None), ("batch:2", 2, ("z",), 0, None),
    ]  # fmt: skip
    again = laid(market(a=9.0, b=5.0, x=None, y=None, z=None), [*old, *joined])
    assert [(members([c])[0], c.committed_at is None) for c in again] == [("ab", False), ("xy", True), ("z", True)]


def test_a_batch_fits_into_a_url() -> None:
    """Ids of other scripts take three characters for each byte."""
    stream = msgspec.structs.replace(STREAM, batch_listings=250)
    traded = [Traded(source_id=f"{n}-" + ("木" * 60 if n % 2 else "long-" * 30), volume=1.0, quoted=True) for n in range(300)]

    for c in laid(traded, PAGES, stream):
        assert sum(len(i) if i.isascii() else 3 * len(i.encode()) for i in c.ids) + len(c.ids) <= IDS_CHARACTERS_MAX


@pytest.mark.parametrize(
    ("age", "expected"), [(timedelta(hours=23), False), (timedelta(hours=25), True), (-HOUR, True)], ids=["young", "old", "clock set back"]
)
def test_batches_stand_for_a_day(age: timedelta, expected: bool) -> None:
    """Answers of one batch can be compared as long as it stands."""
    batches = [msgspec.structs.replace(c, laid_at=NOW - age) for c in laid(market(a=9.0), PAGES)]

    assert lay_due(batches, NOW) == expected


def test_nothing_is_laid_before_every_page_was_committed() -> None:
    """Half a market by volume would be half a market."""
    waiting = Checkpoint(stream="s.quotes", part="page:3", ordinal=2)

    assert not lay_due([*PAGES, waiting], NOW)
    assert lay_due(PAGES, NOW)
