"""What a person sees of a run at work: a bar for each stream under its source, and how far it all is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from kasparro.ingest.asking import PartDone

_WITH_ROWS_WIDTH = 60  # a narrower terminal has no room for a stream's rows beside its bar
_REFRESHES = 8  # a second


class Bars:
    """Follows a run and draws itself."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._newest: dict[str, PartDone] = {}
        self._rows: dict[str, int] = {}
        self._began = console.get_time()
        self._spinner = Spinner("dots")
        self.ended = False

    def observe(self, done: PartDone) -> None:
        """A part was committed."""
        self._newest[done.stream] = done
        self._rows[done.stream] = self._rows.get(done.stream, 0) + done.result.rows_received

    def __rich__(self) -> RenderableType:
        """See rich."""
        with_rows = self._console.width >= _WITH_ROWS_WIDTH
        table = Table.grid(padding=(0, 1, 0, 0), expand=True)
        table.add_column(no_wrap=True)
        table.add_column(ratio=1)
        for _ in range(1 + with_rows):
            table.add_column(justify="right", no_wrap=True)
        # In the order in which a run first heard of them, but all of a source together.
        for source in dict.fromkeys(done.source for done in self._newest.values()):
            table.add_row(Text(source, style="bold"))
            for done in self._newest.values():
                if done.source == source:
                    table.add_row(*self._bar(done, with_rows=with_rows))
        if self.ended:
            return table
        line = Table.grid(padding=(0, 1, 0, 0))
        line.add_column()
        line.add_column(no_wrap=True, overflow="ellipsis")
        line.add_row(self._spinner, Text(self._said()))
        return Group(table, line)

    def _bar(self, done: PartDone, *, with_rows: bool) -> list[RenderableType]:
        name = f"  {done.stream.removeprefix(f'{done.source}.')}"
        bar = ProgressBar(total=max(1, done.parts_known), completed=done.parts_done)
        rows = [Text(f"{self._rows[done.stream]:,} rows")] if with_rows else []
        return [Text(name), bar, Text(f"{done.parts_done}/{done.parts_known}"), *rows]

    def _said(self) -> str:
        seconds = int(self._console.get_time() - self._began)
        if not self._newest:
            return f"{seconds} s; the first answers are on their way"
        return f"{seconds} s, {sum(self._rows.values()):,} rows; matching and publishing what has come"


@contextmanager
def progress(console: Console) -> Iterator[Callable[[PartDone], None] | None]:
    """Bars on a terminal; nothing elsewhere."""
    if not console.is_terminal:
        yield None
        return
    bars = Bars(console)
    with Live(bars, console=console, refresh_per_second=_REFRESHES):
        try:
            yield bars.observe
        finally:
            bars.ended = True
