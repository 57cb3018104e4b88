"""What a benchmark has found: figures with their units, beside each what it may be at most and whether that holds."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

WIDTH = 100


class Bound(NamedTuple):
    """What a value may be at most."""

    value: float
    most: float
    said: str  # of the bound, as a reader is told it

    @property
    def holds(self) -> bool:
        """Whether the value is within it."""
        return self.value <= self.most


class Line(NamedTuple):
    """One thing that was measured. A figure that could not be had is None."""

    what: str
    figures: dict[str, float | None]
    bounds: Sequence[Bound] = ()


class Topic(NamedTuple):
    """One table. Column names may have a line break; notes say what the figures rest on."""

    title: str
    lines: Sequence[Line]
    notes: Sequence[str] = ()


def say(text: str) -> None:
    """Tell how far things are, beside the output."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201  # a benchmark speaks to a person


def show(topics: Sequence[Topic]) -> None:
    """Print a table per topic."""
    console = Console(width=WIDTH)
    for topic in topics:
        columns = list(dict.fromkeys(name for line in topic.lines for name in line.figures))
        bounded = any(line.bounds for line in topic.lines)
        table = Table(title=topic.title, box=SIMPLE_HEAD, pad_edge=False)
        table.add_column("", min_width=min(24, max((len(line.what) for line in topic.lines), default=0)))
        for name in columns:
            table.add_column(name, justify="right", no_wrap=True)
        if bounded:
            table.add_column("at most")
            table.add_column("holds")
        for line in topic.lines:
            cells = [_figure(line.figures.get(name)) for name in columns]
            if bounded:
                cells += ["\n".join(b.said for b in line.bounds), "\n".join("yes" if b.holds else "no" for b in line.bounds)]
            table.add_row(line.what, *cells)
        console.print(table)
        for note in topic.notes:
            console.print(note, style="dim", highlight=False)


def write(topics: Sequence[Topic], file: Path) -> None:
    """All figures as JSON."""
    found = [
        {
            "title": t.title,
            "notes": list(t.notes),
            "lines": [
                {
                    "what": line.what,
                    "figures": {name.replace("\n", " "): value for name, value in line.figures.items()},
                    "bounds": [{"value": b.value, "most": b.most, "said": b.said, "holds": b.holds} for b in line.bounds],
                }
                for line in t.lines
            ],
        }
        for t in topics
    ]
    file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _figure(value: float | None) -> str:
    """Three digits that matter, more where they stand before the point."""
    if value is None:
        return "-"
    size = abs(value)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 0.1 or not size else 3
    return f"{value:,.{digits}f}"
