"""Columns of rows as array literals: what Postgres reads is what was given."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kasparro.store.columns import scalars, texts

_NOT_TEXT = {"exclude_characters": "\0\x1f", "exclude_categories": ["Cs"]}
_SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize(
    "values", [[], [""], ["", ""], ['a"b', "c\\d", "{e,f}", "NULL", "null", " g ", "h\ni\tj", "\\N", '\\"', "日本, 🦀"]], ids=repr
)
async def test_texts_are_read_as_they_are(rolled_back: Any, values: list[str]) -> None:
    """Quotation marks, backslashes, braces, line ends, spaces, empty ones and the word NULL."""
    assert await rolled_back.fetchval("SELECT $1::text::text[]", texts(values)) == values


@_SETTINGS
@given(values=st.lists(st.text(st.characters(**_NOT_TEXT))))
async def test_any_texts_are_read_as_they_are(rolled_back: Any, values: list[str]) -> None:
    """All that a column can hold, but for what stands between two."""
    assert await rolled_back.fetchval("SELECT $1::text::text[]", texts(values)) == values


def test_a_text_that_would_shift_the_others_is_refused() -> None:
    """What stands between two texts cannot be in one."""
    with pytest.raises(ValueError, match=r"U\+001F"):
        texts(["a", "b\x1fc"])


@_SETTINGS
@given(values=st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False)))
async def test_every_number_comes_out_as_it_went_in(rolled_back: Any, values: list[float | None]) -> None:
    """To the last bit, the smallest and the largest included; None is null."""
    found = await rolled_back.fetchval("SELECT $1::text::float8[]", scalars(values))

    assert [repr(x) for x in found] == [repr(x) for x in values]


async def test_times_whole_numbers_and_truth_values_are_read_as_they_are(rolled_back: Any) -> None:
    """To the microsecond, in whichever zone they were told."""
    times = [datetime(2026, 3, 29, 1, 30, 0, 123457, UTC), None, datetime(2009, 1, 3, tzinfo=UTC), datetime(1999, 12, 31, 23, tzinfo=UTC)]

    assert await rolled_back.fetchval("SELECT $1::text::timestamptz[]", scalars(times)) == times
    assert await rolled_back.fetchval("SELECT $1::text::integer[]", scalars([0, -1, 2**31 - 1])) == [0, -1, 2**31 - 1]
    assert await rolled_back.fetchval("SELECT $1::text::boolean[]", scalars([True, False, None])) == [True, False, None]
