"""What the process asks of Python's garbage collector and of the allocator beneath it."""

import ctypes
import gc


def collect_seldom() -> None:
    """Let the garbage collector look less often: what there is in bulk holds no cycles, and looking through it cost a tenth of a run."""
    gc.freeze()
    gc.set_threshold(50_000, 25, 25)


def give_back() -> None:
    """Give memory that a run has left free back to the system. glibc keeps it otherwise; elsewhere this does nothing."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
