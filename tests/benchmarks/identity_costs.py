"""What judging a whole market from nothing takes, in a process of its own: memory above what was resident, CPU, the longest slice.

Listings come by the thousand and are let go of, as from the database: only what identity keeps counts.
"""

import subprocess
import sys
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from pathlib import Path
from resource import getpagesize
from typing import BinaryIO, NamedTuple, TypeVar

import msgspec

from kasparro.memory import collect_seldom
from kasparro.records import EvidenceRow
from kasparro.resolver.book import Book
from kasparro.resolver.index import Index
from kasparro.resolver.resolve import resolve

ROWS = 1_000  # at a time
MB = 1_000_000
T = TypeVar("T")
_DECODER = msgspec.msgpack.Decoder(list[EvidenceRow])


class Costs(NamedTuple):
    """What it took."""

    megabytes: float  # the most that was resident, above what was before
    cpu_seconds: float
    slice_ms: float  # CPU time of the longest piece between two chances for others


def measured(rows: Sequence[EvidenceRow]) -> Costs:
    """Judge a market from nothing in a fresh process."""
    with subprocess.Popen([sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        for place in range(0, len(rows), ROWS):
            some = msgspec.msgpack.encode(rows[place : place + ROWS])
            child.stdin.write(len(some).to_bytes(4) + some)
        child.stdin.close()
        return msgspec.json.decode(child.stdout.read(), type=Costs)


class Meter:
    """Runs pieces of work and notes what they take."""

    def __init__(self) -> None:
        self._before = self._most = _resident()
        self._longest = self._cpu = 0.0

    def run(self, pieces: Generator[None, None, T]) -> T:
        """Run to the end, whose answer is this one's."""
        while True:
            began = time.thread_time()
            try:
                next(pieces)
            except StopIteration as end:
                self._note(time.thread_time() - began)
                return end.value  # type: ignore[no-any-return]
            self._note(time.thread_time() - began)

    def _note(self, took: float) -> None:
        self._cpu += took
        self._longest = max(self._longest, took)
        self._most = max(self._most, _resident())

    def read(self) -> Costs:
        """What was taken up to now."""
        return Costs((self._most - self._before) / MB, self._cpu, self._longest * 1000)


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * getpagesize()


def _received(stream: BinaryIO) -> Iterator[list[EvidenceRow]]:
    while size := stream.read(4):
        yield _DECODER.decode(stream.read(int.from_bytes(size)))


def _judge(batches: Iterable[list[EvidenceRow]], meter: Meter) -> Costs:
    index = Index()
    for rows in batches:
        meter.run(index.apply(rows))
    resolution = meter.run(resolve(index, Book({}), provisional=True))
    assert resolution.judgements
    meter.run(index.clear())
    return meter.read()


def main() -> None:
    """Judge what comes on standard input and say what it took."""
    collect_seldom()
    batches = _received(sys.stdin.buffer)
    first = next(batches)
    _judge([first], Meter())  # what is loaded once is resident in a service as well
    costs = _judge((rows for some in ([first], batches) for rows in some), Meter())
    sys.stdout.buffer.write(msgspec.json.encode(costs))


if __name__ == "__main__":
    main()
