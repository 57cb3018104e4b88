"""What answers are believed."""

from datetime import timedelta

import pytest

from kasparro.ingest.checks import believed_end, reason_to_refuse
from kasparro.records import Checkpoint, Listing, Page, Reject
from kasparro.sources.base import Stream

PAGES = Stream(name="s.pages", first_part="page:1", priority=1, interval=timedelta(0), quotes=True)


def part(number: int, rows: int) -> Checkpoint:
    """A page that had so many rows."""
    return Checkpoint(stream="s.pages", part=f"page:{number}", ordinal=number - 1, rows=rows, peak_rows=rows)


@pytest.mark.parametrize(
    ("before", "others", "page", "expected"),
    [
        (part(1, 250), [part(2, 90)], Page(rows_received=250), None),
        (part(1, 0), [], Page(rows_received=0), "the answer was an empty list"),
        (part(1, 250), [part(2, 90)], Page(rows_received=0), "the answer was an empty list"),
        (part(1, 250), [part(2, 90)], Page(rows_received=125), "the answer shrank from 250 rows to 125"),
        (part(1, 250), [part(2, 90)], Page(rows_received=240), None),
        (part(2, 0), [part(1, 250)], Page(rows_received=0), None),  # the first page was the last one and full
        (part(2, 90), [part(1, 250)], Page(rows_received=3, is_last=True), None),  # the end of a stream moves
        (part(2, 90), [part(1, 250)], Page(rows_received=3), "the answer shrank from 90 rows to 3"),  # it is no page, but a whole
        (part(2, 90), [part(1, 250)], Page(rows_received=0), "the answer was an empty list"),  # over a tenth of all is gone
        (part(9, 20), [part(n, 250) for n in range(1, 9)], Page(rows_received=0), None),
        (part(1, 250), [], Page(rows_received=250, rows_without_price=126), "126 of 250 rows have no price or no time"),
        (part(1, 250), [], Page(rows_received=250, rows_without_price=125), None),
    ],
)
def test_a_page_is_refused_when_it_cannot_be_what_the_market_is(
    before: Checkpoint, others: list[Checkpoint], page: Page, expected: str | None
) -> None:
    """Empty, shrunken and priceless answers are faults of the source until the contrary is shown."""
    reason = reason_to_refuse(PAGES, before, others, page, accept_shrunken=False)

    assert (reason or "").startswith(expected or "")
    assert (reason is None) == (expected is None)


IDS = tuple(f"c{n}" for n in range(10))


def batch(rows: int, absent: int = 0) -> Checkpoint:
    """A batch of ten listings, of which the last answer had so many rows and no price for so many."""
    return Checkpoint(stream="s.pages", part="batch:3", ordinal=3, rows=rows, peak_rows=rows, ids=IDS, absent=IDS[:absent])


def answer(listings: int, *, without_price: int = 0, strangers: int = 0) -> Page:
    """An answer about so many of the listings asked for and so many others."""
    names = [*IDS[:listings], *(f"x{n}" for n in range(strangers))]
    found = [Listing(source="s", source_id=name, symbol="", name=name) for name in names]
    return Page(rows_received=len(found), rows_without_price=without_price, listings=found)


@pytest.mark.parametrize(
    ("before", "page", "expected"),
    [
        (batch(10), answer(10), None),
        (batch(10), answer(9), None),
        (batch(10), answer(8), "the answer shrank from 10 rows to 8"),  # though no page comes after it
        (batch(10), answer(0), "the answer was an empty list"),
        (batch(0, absent=10), answer(0), None),  # none had a price before
        (batch(0, absent=10), answer(10, without_price=10), None),
        (batch(0, absent=10), answer(4), None),
        (batch(10), answer(10, without_price=6), "6 of 10 rows have no price or no time"),
        (batch(10, absent=4), answer(10, without_price=6), None),
        (batch(10), answer(4, strangers=6), "the answer is not about the listings that were asked for"),
    ],
)
def test_a_batch_is_measured_against_its_own_last_answer(before: Checkpoint, page: Page, expected: str | None) -> None:
    """It has no place in a stream that could have ended; what it never had it need not have."""
    reason = reason_to_refuse(PAGES, before, [part(1, 250)], page, accept_shrunken=False)

    assert (reason or "").startswith(expected or "")
    assert (reason is None) == (expected is None)


def test_a_person_may_say_that_the_market_did_shrink() -> None:
    """`run-etl --full` takes a smaller answer, but never an empty one."""
    others = [part(2, 90)]

    assert reason_to_refuse(PAGES, part(1, 250), others, Page(rows_received=50), accept_shrunken=True) is None
    assert reason_to_refuse(PAGES, part(1, 250), others, Page(rows_received=0), accept_shrunken=True) is not None


def test_a_page_whose_rows_are_mostly_unusable_is_refused() -> None:
    """One bad row costs that row; when most are bad, the answer is."""
    rejects = [Reject(source_id=None, reason="id is missing", row=b"{}")] * 6

    reason = reason_to_refuse(PAGES, part(1, 10), [], Page(rows_received=10, rejects=rejects), accept_shrunken=False)

    assert reason == "6 of 10 rows could not be used; the first: id is missing"


@pytest.mark.parametrize(("absent", "refused"), [(0, True), (4, True), (5, False), (10, False)])
def test_a_useless_price_is_no_news_of_what_had_none_before(absent: int, *, refused: bool) -> None:
    """Listings that are told at a price of zero share a batch, of which all rows are rejects each time: it is believed all the same."""
    rejects = [Reject(source_id=ident, reason="price is not above zero", row=b"{}") for ident in IDS]

    reason = reason_to_refuse(PAGES, batch(0, absent=absent), [], Page(rows_received=10, rejects=rejects), accept_shrunken=False)

    assert (reason is not None) == refused


def test_a_short_page_in_the_middle_does_not_end_the_stream() -> None:
    """It is asked past; an empty answer after it is the end."""
    assert not believed_end(part(2, 250), [part(1, 250), part(3, 20)], Page(rows_received=240, is_last=True))
    assert believed_end(part(3, 20), [part(1, 250), part(2, 250)], Page(rows_received=19, is_last=True))
