"""How a command that carries out a run shows it to a person, and what it exits with."""

import asyncio
import sys

import msgspec
from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from kasparro.commands.saying import say
from kasparro.records import RunSummary
from kasparro.stopping import ending_signals

INTERRUPTED = 130
_FAILED, _DEGRADED = 1, 3
_ANY_WIDTH = 1_000
_STYLES = {"succeeded": "green", "degraded": "yellow", "failed": "red"}


def cancel_on_signals() -> None:
    """Let what asks us to end cancel the present task, so that its run is closed in order."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    if task is not None:
        for number in ending_signals():
            loop.add_signal_handler(number, task.cancel)


def show(summary: RunSummary, *, as_json: bool) -> int:
    """Print what a run did; 0, or 1 where a source failed, or 3 where one is degraded."""
    if as_json:
        sys.stdout.write(msgspec.json.encode(summary).decode() + "\n")
    else:
        _show(summary)
    outcomes = {s.outcome for s in summary.sources}
    return _FAILED if "failed" in outcomes else _DEGRADED if "degraded" in outcomes else 0


def _show(summary: RunSummary) -> None:
    console, errors = Console(), Console(stderr=True)
    seconds = (summary.finished_at - summary.started_at).total_seconds() if summary.finished_at else 0.0
    written = sum(s.rows_written + s.rows_revised for s in summary.sources)
    said = "" if written else "; nothing new: no quote and no listing was written"
    say(console, f"Run {summary.run_id}: {summary.status} in {seconds:.1f} s{said}")
    table = _table(summary)
    if Measurement.get(console, console.options.update(max_width=_ANY_WIDTH), table).maximum <= console.width:
        console.print(table)
    else:
        _list(summary, console)
    for source in summary.sources:
        if source.error:
            say(errors, f"{source.source}:", source.error)


def _table(summary: RunSummary) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ("source", "outcome"):
        table.add_column(name, no_wrap=True)
    for name in ("calls", "parts", "received", "written", "revised", "rejected"):
        table.add_column(name, justify="right", no_wrap=True)
    for s in summary.sources:
        counts = (s.calls, s.parts, s.rows_received, s.rows_written, s.rows_revised, s.rows_rejected)
        table.add_row(s.source, Text(s.outcome, style=_STYLES.get(s.outcome, "")), *(f"{n:,}" for n in counts))
    return table


def _list(summary: RunSummary, console: Console) -> None:
    """The table's figures for a terminal that is too narrow for it."""
    for s in summary.sources:
        say(console, Text.assemble(f"{s.source}: ", (s.outcome, _STYLES.get(s.outcome, ""))))
        say(console, " ", f"{s.calls:,} calls, {s.parts:,} parts")
        say(console, " ", f"{s.rows_received:,} received, {s.rows_written:,} written")
        say(console, " ", f"{s.rows_revised:,} revised, {s.rows_rejected:,} rejected")
