"""Memory is given back once for what follows one another closely."""

import asyncio

import pytest

from kasparro import memory


async def test_swaps_and_runs_that_follow_closely_give_back_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for three of them, and again for the next one later."""
    given = asyncio.Queue[None]()
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(memory, "_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(memory, "give_back", lambda: loop.call_soon_threadsafe(given.put_nowait, None))
    caretaker = memory.Caretaker()

    caretaker.swapped([1])
    caretaker.swapped([2])
    caretaker.run_ended(None)
    await asyncio.wait_for(given.get(), 5)
    caretaker.swapped([3])
    await asyncio.wait_for(given.get(), 5)
    await asyncio.sleep(0.1)

    assert given.empty()


def test_giving_back_can_be_called_anywhere() -> None:
    """It does nothing where the allocator has no such call."""
    memory.give_back()
