"""Long pure work on the event loop."""

import asyncio
from typing import TypeVar

from kasparro.records import Pieces

T = TypeVar("T")


async def in_pieces(pieces: Pieces[T]) -> T:
    """Run pure work to its end, letting the event loop take over wherever it yields."""
    while True:
        try:
            next(pieces)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]  # StopIteration does not know what a generator returns
        await asyncio.sleep(0)
