"""The house rules for files of every kind, and what documents must have in common with the code."""

import re
import subprocess
from pathlib import Path

import pytest

from kasparro import settings
from tests.tidy import tree

FILE_BYTES_MAX = 400_000
TOP = {
    *(".containerignore", ".dockerignore", ".env.example", ".gitignore", ".squawk.toml", "pyproject.toml"),
    *("CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md", "Containerfile", "Makefile", "compose.yaml"),
}
# Made by others and kept as they made it: what the pages load, which must load nothing from outside.
VENDORED = ("src/kasparro/api/static/swagger/", "src/kasparro/web/static/charts/")
CONTRACT_TARGETS = ("run", "test", "env", "lint", "bench", "torture", "lock", "up", "down", "help")
# With a letter in brackets, or this file would break its own rule.
UNFINISHED = re.compile(r"\b(TO[D]O|FIX[M]E|X[X]X)\b")
HOSTS = re.compile(r"pypi[.]org|python[h]osted|registry[.]npmjs|deb[.]debian|file:[/]//")
MACHINE_PATHS = re.compile(r"(?<![\w.$}])/(?:work|root)/")
SETTING = re.compile(r"`([A-Z][A-Z0-9_]+)`")


def _ours() -> list[Path]:
    return [path for path in tree.files() if not path.relative_to(tree.ROOT).as_posix().startswith(VENDORED)]


def _lines_matching(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{path.relative_to(tree.ROOT)}:{number}: {line.strip()}"
        for path in _ours()
        for number, line in enumerate(tree.text(path).splitlines(), 1)
        if pattern.search(line)
    ]


def test_nothing_is_left_unfinished() -> None:
    """What is not done yet is an issue and not a remark in a file."""
    assert not _lines_matching(UNFINISHED)


def test_no_file_names_a_registry() -> None:
    """Where packages come from is the installing machine's affair."""
    assert not _lines_matching(HOSTS)


def test_no_file_names_a_path_of_a_build_machine() -> None:
    """A path that exists on one machine only helps nobody."""
    assert not _lines_matching(MACHINE_PATHS)


def test_nothing_lies_at_the_top_by_accident() -> None:
    """Files at the top level are documents, settings and what starts things: what a command has left behind is none of these."""
    assert {path.name for path in tree.files() if path.parent == tree.ROOT} == TOP


def test_files_are_small() -> None:
    """Large data is made by the tests that need it."""
    assert not [f"{p}: {p.stat().st_size}" for p in _ours() if p.stat().st_size > FILE_BYTES_MAX]


def test_every_text_ends_with_one_newline() -> None:
    """Files end where editors and diffs expect it."""
    texts = {p: tree.text(p) for p in _ours() if p.suffix in {".py", ".sql", ".md", ".toml", ".yaml", ".yml", ".in"}}
    assert not [str(p) for p, text in texts.items() if text and (not text.endswith("\n") or text.endswith("\n\n"))]


def test_every_named_query_is_asked_for() -> None:
    """A query that no code names any more is taken out with what asked for it."""
    code = "".join(tree.text(path) for path in _ours() if path.suffix == ".py" and path.is_relative_to(tree.ROOT / "src"))
    named = [name for path in _ours() if path.suffix == ".sql" for name in re.findall(r"^-- name: (\w+)", tree.text(path), re.MULTILINE)]
    assert named
    assert [name for name in named if f'"{name}"' not in code] == []


def test_readme_lists_every_setting() -> None:
    """README's table of settings and the code name the same variables."""
    readme = tree.ROOT / "README.md"
    assert readme.is_file(), "README.md is missing"
    section = re.search(
        r"^#+ [^\n]*settings[^\n]*\n(.*?)(?=^#+ |\Z)", readme.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE | re.IGNORECASE
    )
    assert section, "README.md has no section on settings"
    rows = [line.split("|")[1] for line in section[1].splitlines() if line.startswith("|")]
    documented = {name for row in rows for name in SETTING.findall(row)}
    assert documented == set(settings.NAMES)


@pytest.mark.parametrize("file", [".env.example", "compose.yaml"])
def test_examples_name_known_settings(file: str) -> None:
    """An example never sets what the service would refuse or ignore."""
    pattern = r"^#? ?([A-Z][A-Z0-9_]+)=" if file == ".env.example" else r"^      ([A-Z][A-Z0-9_]+):"
    named = set(re.findall(pattern, tree.text(tree.ROOT / file), re.MULTILINE))
    of_the_database_image = {"POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD"}
    assert named
    assert named - of_the_database_image <= set(settings.NAMES)


def test_every_promised_make_target_exists() -> None:
    """Each target of the contract is there and `make help` describes it."""
    listed = subprocess.run(["make", "--no-print-directory", "help"], cwd=tree.ROOT, check=True, capture_output=True, text=True).stdout
    targets = set(re.findall(r"^  make ([a-z-]+) +\S", listed, re.MULTILINE))
    assert targets >= set(CONTRACT_TARGETS)


def test_documents_name_only_tests_that_there_are() -> None:
    """A claim that rests on a test names one that still exists."""
    pages = [path for path in tree.files() if path.suffix == ".md"]
    named = {name for path in pages for name in re.findall(r"\btest_\w+", tree.text(path))}
    modules = tree.test_modules()
    there = {name for path in modules.values() for name in re.findall(r"def (test_\w+)", tree.text(path))}
    assert named
    assert named <= there | {path.stem for path in modules.values()}, named - there
