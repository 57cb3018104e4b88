"""Memory is given back once for what follows one another closely."""

import asyncio
import ctypes
import resource
from pathlib import Path

import pytest

from kasparro import memory


async def test_swaps_and_runs_that_follow_closely_give_back_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for three of them, and again for each that comes later."""
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
    caretaker.run_ended(None)
    await asyncio.wait_for(given.get(), 5)
    await asyncio.sleep(0.1)

    assert given.empty()


def test_what_is_free_is_given_back() -> None:
    """What the allocator would keep, since something above it is in use. Elsewhere than with glibc it can only be called."""
    blocks = [b"x" * 4_000 + bytes([n % 256]) for n in range(20_000)]
    last = blocks[-1]
    blocks.clear()
    before = _resident()
    memory.give_back()
    if hasattr(ctypes.CDLL(None), "malloc_trim"):
        assert before - _resident() > 40_000_000
    assert last


def _resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()
