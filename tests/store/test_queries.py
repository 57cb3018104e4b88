"""Named queries: their files' format, and that the server takes each of them."""

import re
from typing import Any

import asyncpg
import pytest

from kasparro.store import queries

_ANY_OF_A_LITERAL = re.compile(r"\b(?:ANY|SOME|ALL)\s*\(\W*\d+\W*text\b(?!\[)", re.IGNORECASE)


def test_file_is_read_into_queries_by_name() -> None:
    """A query is what follows its name and description, up to the next name."""
    text = (
        "-- About the table.\n\n-- name: one\n-- The one.\n-- And more.\nSELECT 1;\n\n"
        "-- name: two\n-- unprepared: a reason\n-- The two.\nSELECT\n  2; -- two\n"
    )

    found = queries.parse("x.sql", text)

    assert found["one"] == queries.Query("one", "The one. And more.", "", "SELECT 1;")
    assert found["two"] == queries.Query("two", "The two.", "a reason", "SELECT\n  2; -- two")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: no query"),
        ("SELECT 1;\n", "line 1: SQL before the first"),
        ("-- name: one\n-- d\nSELECT 1;\n-- name: one\n-- d\nSELECT 2;\n", "line 4: a second query named one"),
        ("-- name: one\nSELECT 1;\n", "line 1: one has no description"),
        ("-- name: one\n-- d\n\n", "line 1: one has no SQL"),
        ("-- name: one\n-- d\n\n-- not SQL\n", "line 1: one has no SQL"),
        ("-- name: One\n-- d\nSELECT 1;\n", "line 1: a name must be"),
        ("-- name: one\n-- d\n-- unprepared:\nSELECT 1;\n", "line 3: `-- unprepared:` without its reason"),
    ],
)
def test_broken_file_is_refused_with_its_line(text: str, message: str) -> None:
    """A file that breaks the format is an error that names the file and the line."""
    with pytest.raises(ValueError, match=r"store/sql/x\.sql, ") as caught:
        queries.parse("x.sql", text)

    assert message in str(caught.value)


def test_unknown_name_is_an_error_that_names_the_file() -> None:
    """A name that a file lacks is a KeyError with the file and the names it has."""
    loaded = queries.load("embedded")

    with pytest.raises(KeyError, match=r"embedded\.sql has no query 'x'; it has select_database, create_database"):
        loaded["x"]
    assert list(loaded) == ["select_database", "create_database"]


def test_no_literal_is_looked_into_row_by_row() -> None:
    """A text that is an array is never what ANY looks into: the server would read all of it again for each row that it joins."""
    found = [
        f"{noun}.{query.name}" for noun in queries.nouns() for query in queries.read(noun).values() if _ANY_OF_A_LITERAL.search(query.sql)
    ]
    assert not found


async def test_server_prepares_every_query(each_postgres: Any) -> None:
    """Every named query of every file fits the migrated schema, on each version that is here."""
    database = await each_postgres.create()
    connection = await asyncpg.connect(each_postgres.url(database))
    broken = []
    for noun in queries.nouns():
        for query in queries.read(noun).values():
            if query.unprepared:
                continue
            try:
                await connection.prepare(query.sql)
            except asyncpg.PostgresError as error:
                broken.append(f"{noun}.sql, {query.name}: {error}")
    await connection.close()
    await each_postgres.drop(database)

    assert not broken, "\n".join(broken)
