"""What answers are believed. Pure. Failure must never look like success: a shrunken market is not a smaller one."""

from collections.abc import Sequence

from kasparro.records import Checkpoint, Page
from kasparro.sources.base import Stream

_LEAST_SHARE = 0.9  # of the rows that the part, or the stream, had when it was last whole


def reason_to_refuse(stream: Stream, part: Checkpoint, others: Sequence[Checkpoint], page: Page, *, accept_shrunken: bool) -> str | None:
    """Why a page is not believed and nothing of it may be written; None where it is.

    `others` are the stream's other known parts. `accept_shrunken` is a person's word that the market did shrink.
    """
    rows = page.rows_received
    later = [c for c in others if c.ordinal > part.ordinal and c.rows > 0]
    if rows == 0 and not page.next_parts and not _may_be_empty(part, others, later):
        return "the answer was an empty list"
    if part.ids and _strangers(part, page) * 2 > rows > 0:
        return "the answer is not about the listings that were asked for"
    if stream.quotes and rows and (page.rows_without_price - len(part.absent)) * 2 > rows:
        return f"{page.rows_without_price} of {rows} rows have no price or no time"
    # A listing that had no price the last time is no news where it comes with a useless one: nothing was to be had of it.
    absent = frozenset(part.absent)
    rejects = [reject for reject in page.rejects if reject.source_id not in absent]
    if len(rejects) * 2 > rows > 0:
        return f"{len(rejects)} of {rows} rows could not be used; the first: {rejects[0].reason}"
    ends_here = page.is_last and part.ordinal > 0 and not later and not part.ids
    if rows < part.peak_rows * _LEAST_SHARE and not ends_here and rows > 0 and not accept_shrunken:
        return (
            f"the answer shrank from {part.peak_rows} rows to {rows}; the last good rows stay. "
            "If the market did shrink, say so with: kasparro run-etl --full"
        )
    return None


def _may_be_empty(part: Checkpoint, others: Sequence[Checkpoint], later: Sequence[Checkpoint]) -> bool:
    """A batch may if it never had a price, a page if the stream may end before it."""
    if part.ids:
        return len(part.absent) == len(part.ids)
    return part.ordinal > 0 and _is_whole_without(part, others, later)


def _strangers(part: Checkpoint, page: Page) -> int:
    """Listings that were not asked for."""
    asked = set(part.ids)
    return sum(x.source_id not in asked for x in page.listings)


def _is_whole_without(part: Checkpoint, others: Sequence[Checkpoint], later: Sequence[Checkpoint]) -> bool:
    """Whether the stream may end before this part: what would be lost is under a tenth of it."""
    lost = part.rows + sum(c.rows for c in later)
    total = part.rows + sum(c.rows for c in others)
    return lost <= total * (1 - _LEAST_SHARE)


def believed_end(part: Checkpoint, others: Sequence[Checkpoint], page: Page) -> bool:
    """Whether a page that calls itself the last is: an answer that came short of its place is asked past, not believed."""
    later = [c for c in others if c.ordinal > part.ordinal and c.rows > 0]
    return page.is_last and (page.rows_received == 0 or not later)
