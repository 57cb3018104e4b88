"""Runs long pure work in pieces, so that it never holds the event loop for long."""

from kasparro.clock import Clock
from kasparro.records import Pieces, T

_SLICE_SECONDS = 0.004  # what one piece may add up to before the loop gets its turn; it must stay well under 10 ms


async def in_pieces(work: Pieces[T], clock: Clock) -> T:
    """The answer of a generator that yields wherever the event loop may take over."""
    started = clock.monotonic()
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]  # a generator's answer is its StopIteration's value
        if clock.monotonic() - started >= _SLICE_SECONDS:
            await clock.sleep(0)
            started = clock.monotonic()
