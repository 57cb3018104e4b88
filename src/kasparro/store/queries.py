"""Named queries: the SQL of `store/sql/<noun>.sql`, read and checked once, when the module that uses it is imported.

A file is a sequence of queries, each introduced by its name and described in at least one sentence:

    -- name: select_version
    -- The version that every process polls.
    SELECT version FROM catalog_version;

What stands before the first name must be comment. A description line `-- unprepared: <reason>` marks a statement that the
server cannot prepare; every other query is prepared against a migrated database by a test.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from typing import NamedTuple, TypeVar

_NAME = re.compile(r"-- name: ([a-z][a-z0-9_]*)")
Row = TypeVar("Row")
_UNPREPARED = "unprepared:"


class Query(NamedTuple):
    """One query of a file. `unprepared` is the reason why the server cannot prepare it, empty where it can."""

    name: str
    description: str
    unprepared: str
    sql: str


class Queries(Mapping[str, str]):
    """The SQL of one file by name. An unknown name is a KeyError that names the file."""

    def __init__(self, file: str, queries: Mapping[str, Query]) -> None:
        self._file = file
        self._queries = queries

    def __getitem__(self, name: str) -> str:
        query = self._queries.get(name)
        if query is None:
            message = f"{self._file} has no query {name!r}; it has {', '.join(self._queries)}"
            raise KeyError(message)
        return query.sql

    def __iter__(self) -> Iterator[str]:
        return iter(self._queries)

    def __len__(self) -> int:
        return len(self._queries)


def load(noun: str) -> Queries:
    """The queries of `store/sql/<noun>.sql`. Raises ValueError for a file that breaks the format, naming file and line."""
    file = f"{noun}.sql"
    return Queries(file, parse(file, (_folder() / file).read_text(encoding="utf-8")))


def nouns() -> list[str]:
    """The names that `load` takes."""
    return sorted(entry.name.removesuffix(".sql") for entry in _folder().iterdir() if entry.name.endswith(".sql"))


def read(noun: str) -> dict[str, Query]:
    """The same queries with what their files say of them."""
    file = f"{noun}.sql"
    return parse(file, (_folder() / file).read_text(encoding="utf-8"))


def parse(file: str, text: str) -> dict[str, Query]:
    """The queries of a file's text, in its order. Raises ValueError naming the file and the line."""
    found: dict[str, Query] = {}
    lines = text.splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("-- name:")]
    for number, line in enumerate(lines[: starts[0] if starts else len(lines)]):
        if line.strip() and not line.startswith("--"):
            raise _broken(file, number, "SQL before the first `-- name:`")
    if not starts:
        raise _broken(file, 0, "no query in it")
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        query = _query(file, start, lines[start:end])
        if query.name in found:
            raise _broken(file, start, f"a second query named {query.name}")
        found[query.name] = query
    return found


def _query(file: str, start: int, lines: list[str]) -> Query:
    matched = _NAME.fullmatch(lines[0].rstrip())
    if matched is None:
        raise _broken(file, start, "a name must be `-- name: verb_noun`, in lower case")
    description: list[str] = []
    unprepared = ""
    body = 1
    while body < len(lines) and lines[body].startswith("--"):
        line = lines[body].removeprefix("--").strip()
        if line.startswith(_UNPREPARED):
            unprepared = line.removeprefix(_UNPREPARED).strip()
            if not unprepared:
                raise _broken(file, start + body, "`-- unprepared:` without its reason")
        elif line:
            description.append(line)
        body += 1
    name = matched.group(1)
    if not description:
        raise _broken(file, start, f"{name} has no description")
    sql = "\n".join(lines[body:]).strip()
    if not any(line.strip() and not line.lstrip().startswith("--") for line in sql.splitlines()):
        raise _broken(file, start, f"{name} has no SQL")
    return Query(name, " ".join(description), unprepared, sql)


def _broken(file: str, number: int, what: str) -> ValueError:
    return ValueError(f"store/sql/{file}, line {number + 1}: {what}")


def _folder() -> Traversable:
    return resources.files("kasparro.store") / "sql"


def batches(rows: Sequence[Row], size: int) -> list[Sequence[Row]]:
    """The rows in as many parts of at most `size` as one statement each takes."""
    return [rows[i : i + size] for i in range(0, len(rows), size)]
