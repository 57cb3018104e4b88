"""Long work and the event loop."""

import asyncio
import time

from kasparro.clock import SystemClock, in_pieces
from kasparro.records import Pieces

_PIECES = 5


async def test_between_two_passes_of_the_loop_lies_one_piece_of_one_work() -> None:
    """Of works side by side as of those that follow one another in a task: what has come in waits for no more than that."""
    passes = pieces = 0
    ended = False

    async def count() -> None:
        nonlocal passes
        while not ended:
            passes += 1
            await asyncio.sleep(0)

    def work() -> Pieces[None]:
        nonlocal pieces
        for _ in range(_PIECES):
            pieces += 1
            time.sleep(0.004)  # longer than a slice
            yield

    async def two_works() -> None:
        for _ in range(2):
            await in_pieces(work(), SystemClock())

    counting = asyncio.create_task(count())
    await asyncio.gather(two_works(), two_works(), two_works())
    ended = True
    await counting

    assert pieces == 6 * _PIECES
    assert passes >= pieces


async def test_a_work_that_fails_or_is_given_up_leaves_its_turn_to_others() -> None:
    """The turn is nobody's afterwards."""

    def failing() -> Pieces[None]:
        yield
        raise LookupError

    def endless() -> Pieces[None]:
        while True:
            time.sleep(0.004)
            yield

    given_up = asyncio.create_task(in_pieces(endless(), SystemClock()))
    failed = asyncio.create_task(in_pieces(failing(), SystemClock()))
    await asyncio.wait([failed], timeout=5)
    given_up.cancel()
    await asyncio.wait([given_up], timeout=5)

    assert isinstance(failed.exception(), LookupError)
    assert given_up.cancelled()

    def last() -> Pieces[int]:
        yield
        return 7

    assert await asyncio.wait_for(in_pieces(last(), SystemClock()), 5) == 7
