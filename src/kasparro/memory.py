"""What the process asks of Python's garbage collector and of the allocator beneath it."""

import asyncio
import ctypes
import gc
from collections.abc import Collection

_WAIT_SECONDS = 2.0  # what follows one another closely is cleared away together


def collect_later() -> None:
    """Let the garbage collector wait for `collect_seldom`: what starting imports and reads is there to stay."""
    gc.disable()


def collect_seldom() -> None:
    """Let the garbage collector look less often: what there is in bulk holds no cycles, and looking through it cost a tenth of a run.

    What is new is looked through in small portions, 1 to 3 ms each, and what was looked through already very seldom.
    """
    gc.freeze()
    gc.set_threshold(5_000, 250, 25)
    gc.enable()


def give_back() -> None:
    """Give memory that is free back to the system. glibc keeps it otherwise; elsewhere this does nothing."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


class Caretaker:
    """Gives memory back after runs and swaps of the catalog: what was before is garbage then. A Follower of the catalog."""

    def __init__(self) -> None:
        self._due: asyncio.TimerHandle | None = None

    def swapped(self, coin_keys: Collection[int]) -> None:  # noqa: ARG002
        """See Follower."""
        self._soon()

    def run_ended(self, run: object) -> None:  # noqa: ARG002
        """See Follower."""
        self._soon()

    def _soon(self) -> None:
        if self._due is None:
            self._due = asyncio.get_running_loop().call_later(_WAIT_SECONDS, self._now)

    def _now(self) -> None:
        self._due = None
        _ = asyncio.get_running_loop().run_in_executor(None, give_back)  # some ms, which nobody waits for
