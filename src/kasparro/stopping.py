"""How a process is asked to end."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager


class Stop(asyncio.Event):
    """Set when the process is asked to end. What is still starting, and may be waiting for a database, is cancelled then."""

    def __init__(self, starting: "asyncio.Task[object] | None") -> None:
        super().__init__()
        self.starting = starting  # None: it serves, and ends in order

    def ask(self) -> None:
        """Ask to end."""
        self.set()
        if self.starting is not None:
            self.starting.cancel()


@contextmanager
def stop_signals() -> Iterator[Stop]:
    """What is set by the signals that ask a process to end, for as long as this block. The task that enters it is what starts."""
    loop, stop, numbers = asyncio.get_running_loop(), Stop(asyncio.current_task()), ending_signals()
    for number in numbers:
        loop.add_signal_handler(number, stop.ask)
    try:
        yield stop
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def ending_signals() -> list[signal.Signals]:
    """What asks a process to end in order: a supervisor, Ctrl-C, and a terminal that is closed, unless nohup keeps that away."""
    hung_up = [] if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else [signal.SIGHUP]
    return [signal.SIGTERM, signal.SIGINT, *hung_up]
