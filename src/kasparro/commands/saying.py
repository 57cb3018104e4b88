"""How commands put words on a terminal: each line within its width, continued below where it began. Elsewhere a line stays a line."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

_INDENT = "  "


def say(console: Console, *parts: str | Text) -> None:
    """One line. On a terminal its last part is wrapped at words, beside the others; nothing in it is taken for markup."""
    if not console.is_terminal:
        console.print(Text(" ").join([Text(str(part)) for part in parts]), soft_wrap=True)
        return
    grid = Table.grid(padding=(0, 1, 0, 0))
    narrow = sum(len(part) for part in parts[:-1]) > console.width // 3
    if narrow:  # beside them would be too little room
        console.print(Text(" ").join([part if isinstance(part, Text) else Text(part) for part in parts[:-1]]))
        parts = (_INDENT[:-1], parts[-1])
    for _ in parts[:-1]:
        grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(*[part if isinstance(part, Text) else Text(part) for part in parts])
    console.print(grid)
