"""How a command that carries out a run shows it to a person, and what it exits with."""

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from kasparro.ingest.asking import PartDone
from kasparro.records import RunSummary

INTERRUPTED = 130
_FAILED, _DEGRADED = 1, 3


def cancel_on_signals() -> None:
    """Let SIGTERM and SIGINT cancel the present task, so that its run is closed in order."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    if task is not None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, task.cancel)


def show(summary: RunSummary, *, as_json: bool) -> int:
    """Print what a run did; 0, or 1 where a source failed, or 3 where one is degraded."""
    if as_json:
        sys.stdout.write(msgspec.json.encode(summary).decode() + "\n")
    else:
        Console().print(_table(summary))
        for source in summary.sources:
            if source.error:
                Console(stderr=True).print(f"{source.source}: {source.error}", highlight=False, soft_wrap=True)
    outcomes = {s.outcome for s in summary.sources}
    return _FAILED if "failed" in outcomes else _DEGRADED if "degraded" in outcomes else 0


@contextmanager
def progress(console: Console) -> Iterator[Callable[[PartDone], None] | None]:
    """A bar per stream on a terminal; nothing elsewhere."""
    if not console.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description:<22}"), BarColumn(), MofNCompleteColumn(), TextColumn("parts"), TimeElapsedColumn())
    bars: dict[str, TaskID] = {}
    with Progress(*columns, console=console) as bar:

        def observe(done: PartDone) -> None:
            if done.stream not in bars:
                bars[done.stream] = bar.add_task(done.stream)
            bar.update(bars[done.stream], total=done.parts_known, completed=done.parts_done)

        yield observe


def _table(summary: RunSummary) -> Table:
    seconds = (summary.finished_at - summary.started_at).total_seconds() if summary.finished_at else 0.0
    written = sum(s.rows_written + s.rows_revised for s in summary.sources)
    said = "" if written else "; nothing new: no quote and no listing was written"
    table = Table(
        title=f"Run {summary.run_id}: {summary.status} in {seconds:.1f} s{said}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    for name in ("source", "outcome"):
        table.add_column(name, no_wrap=True)
    for name in ("calls", "parts", "received", "written", "revised", "rejected"):
        table.add_column(name, justify="right", no_wrap=True)
    for s in summary.sources:
        counts = (s.calls, s.parts, s.rows_received, s.rows_written, s.rows_revised, s.rows_rejected)
        table.add_row(s.source, s.outcome, *(f"{n:,}" for n in counts))
    return table
