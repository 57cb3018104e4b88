"""Where the service spends its time: the functions that py-spy sees it in, during reads, a full run and an ordinary refresh.

A sample counts once for the innermost function (own) and once for every function of ours on the stack (with what it calls).
"""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.benchmarks import load
from tests.benchmarks.load import Wrk
from tests.benchmarks.peers import BENCH_PYTHON
from tests.benchmarks.processes import running
from tests.benchmarks.report import Line, Topic, say
from tests.benchmarks.serving import Filled, Service, serving

RATE = 500  # samples a second
SHOWN = 20
_READ_SECONDS = 5
_STARTED_SECONDS = 1.0
_SPY = BENCH_PYTHON.with_name("py-spy")


@asynccontextmanager
async def _spied(service: Service, file: Path) -> AsyncIterator[None]:
    """Sample the process while the block runs; stacks and how often each was seen are in the file afterwards."""
    options = ["--rate", str(RATE), "--duration", "600", "--format", "raw", "--native", "--output", str(file)]
    async with running(str(_SPY), "record", *options, "--pid", str(service.pid), log=file.with_suffix(".log")) as spy:
        await asyncio.sleep(_STARTED_SECONDS)
        if spy.returncode is not None:
            message = f"py-spy can't look into the service: {file.with_suffix('.log').read_text(errors='replace')}"
            raise RuntimeError(message)
        yield
        spy.send_signal(signal.SIGINT)  # it writes what it has seen
        await spy.wait()


def _stacks(file: Path) -> Iterable[tuple[list[str], int]]:
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        stack, _, seen = line.rpartition(" ")
        yield [frame for frame in stack.split(";") if frame], int(seen)


def _topic(title: str, file: Path, *, waits: bool = False) -> Topic:
    """A table of what was seen. With `waits`, looking for what is ready counts as work: a loaded server does that all the time."""
    own: Counter[str] = Counter()
    within: Counter[str] = Counter()
    total = 0
    for frames, seen in _stacks(file):
        names = [_named(frame) for frame in frames]
        ours = {name for name in names if "(kasparro/" in name}
        # Threads that wait for work have no frame of ours.
        if not ours or ("epoll" in names[-1] and not waits):
            continue
        total += seen
        own[names[-1]] += seen
        for name in ours:
            within[name] += seen
    share = 100 / max(1, total)
    lines = [Line(name, {"own %": seen * share, "with calls %": within[name] * share or None}) for name, seen in own.most_common(SHOWN)]
    deeper = [
        (name, seen)
        for name, seen in within.most_common()
        if seen < total and name not in dict(own.most_common(SHOWN)) and "__main__" not in name
    ]
    lines += [Line(name, {"own %": own[name] * share, "with calls %": seen * share}) for name, seen in deeper[:SHOWN]]
    return Topic(f"Profile: {title}", lines, [f"{total:,} samples at {RATE} a second; waiting is left out"])


def _named(frame: str) -> str:
    """A frame's function and file, without the line: `function (kasparro/api/edge.py)`."""
    function, _, place = frame.partition(" (")
    file = place.rstrip(")").rpartition(":")[0] or place.rstrip(")")
    for root in ("src/", "site-packages/", "lib/"):
        file = file.rpartition(root)[2]
    return f"{function} ({file})" if file else function


async def measure(filled: Filled) -> list[Topic]:
    """A table per kind of work."""
    if not _SPY.exists():
        return [Topic("Profile", [], ["py-spy is missing: make bench puts it into .venv-bench"])]
    folder = filled.folder / "profile"
    folder.mkdir()
    topics: list[Topic] = []
    async with serving(filled.folder, filled.market.url) as service:
        await service.answering()
        await service.until_idle()
        if load.missing() is None:
            say("  reads")
            file = folder / "reads"
            async with _spied(service, file):
                await Wrk(folder).measure(service.pid, service.port, "/data?limit=50", seconds=_READ_SECONDS)
            topics.append(_topic("/data?limit=50", file, waits=True))
        for title, batches, body in (("an ordinary refresh, after a first one", 1, {}), ("a full run", None, {"full": True})):
            say(f"  {title}")
            file = folder / f"run-{len(topics)}"
            filled.market.allow(batches)
            filled.market.move()
            if batches is not None:
                await service.cost()  # what only the first refresh of a process does
                filled.market.allow(batches)
                filled.market.move()
            async with _spied(service, file):
                await service.cost(**body)
            topics.append(_topic(title, file))
    return topics
