"""The one place that knows the time. Everything else is given a Clock."""

import asyncio
import time
from collections.abc import Generator
from datetime import UTC, date, datetime, timedelta
from typing import Protocol, TypeVar
from weakref import WeakKeyDictionary

_SLICE_SECONDS = 0.003  # what one piece of long work may add up to before the loop gets its turn; it must stay well under 10 ms

T = TypeVar("T")


class Clock(Protocol):
    """Time as the service sees it."""

    def now(self) -> datetime:
        """The wall clock, aware, UTC."""

    def monotonic(self) -> float:
        """Seconds that never run backwards, for measuring spans."""

    async def sleep(self, seconds: float) -> None:
        """Wait; zero or less only yields to the event loop."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """See Clock."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """See Clock."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """See Clock."""
        await asyncio.sleep(max(0.0, seconds))


class FakeClock:
    """A clock for tests and simulations: sleeping moves it on and takes no time."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = start
        self._monotonic = 0.0

    def now(self) -> datetime:
        """See Clock."""
        return self._now

    def monotonic(self) -> float:
        """See Clock."""
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        """See Clock."""
        self.advance(max(0.0, seconds))
        await asyncio.sleep(0)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds


def month_of(now: datetime) -> date:
    """The first day of the month, UTC, that a call counts against."""
    return now.astimezone(UTC).date().replace(day=1)


async def in_pieces(work: Generator[None, None, T], clock: Clock) -> T:
    """The answer of long pure work: of a generator that yields wherever the event loop may take over.

    Works take turns: between two looks at what has come in there is one piece of one of them.
    """
    turn = _TURNS.setdefault(asyncio.get_running_loop(), asyncio.Lock())
    while True:
        async with turn:
            await clock.sleep(0)  # with the turn in hand, or another work would take it in the same pass of the loop
            started = clock.monotonic()
            while clock.monotonic() - started < _SLICE_SECONDS:
                try:
                    next(work)
                except StopIteration as end:
                    return end.value  # type: ignore[no-any-return]  # a generator's answer is its StopIteration's value


_TURNS: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()
