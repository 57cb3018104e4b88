"""The files of the checkout and their syntax trees, read once."""

import ast
import functools
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "kasparro"


@functools.cache
def files() -> tuple[Path, ...]:
    """Every file that is committed or would be: tracked, or neither tracked nor ignored."""
    # safe.directory: the checkout may belong to another user than the one who runs the tests.
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return tuple(sorted({path for name in listed.split("\0") if name and (path := ROOT / name).is_file()}))


@functools.cache
def text(path: Path) -> str:
    """A file's text; an empty one for what is not text."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


@functools.cache
def syntax(path: Path) -> ast.Module:
    """A Python file's syntax tree."""
    return ast.parse(text(path), filename=str(path))


def package_modules() -> dict[str, Path]:
    """The modules that are shipped, by their path under src/kasparro."""
    return {p.relative_to(PACKAGE).as_posix(): p for p in files() if p.suffix == ".py" and p.is_relative_to(PACKAGE)}


def test_modules() -> dict[str, Path]:
    """The modules of tests, by their path in the checkout."""
    return {p.relative_to(ROOT).as_posix(): p for p in files() if p.suffix == ".py" and p.is_relative_to(ROOT / "tests")}


test_modules.__test__ = False  # type: ignore[attr-defined]  # pytest would take it for a test by its name
