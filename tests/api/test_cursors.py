"""Cursors: what was given out is read back, and nothing else is."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kasparro.serving.cursors import Place, read, write
from kasparro.serving.problems import ProblemError

_places = st.builds(
    Place, version=st.integers(0, 2**60), position=st.integers(0, 2**31), after=st.none() | st.text(max_size=20), grade=st.integers(0, 9)
)


@given(_places, st.text())
def test_a_cursor_leads_back_to_its_place(place: Place, listed: str) -> None:
    """Whatever is in it, and it fits into a URL as it is."""
    cursor = write(place, listed)
    assert read(cursor, listed) == place
    assert cursor.replace("-", "").replace("_", "").isalnum()


@given(_places, st.text(max_size=9), st.text(max_size=9), st.data())
def test_a_cursor_that_was_changed_or_is_another_lists_is_refused(place: Place, listed: str, other: str, data: st.DataObject) -> None:
    """One bit is enough."""
    cursor = write(place, listed)
    if other != listed:
        _refused(cursor, other)
    raw = bytearray(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    bit = data.draw(st.integers(0, 8 * len(raw) - 1))
    raw[bit // 8] ^= 1 << bit % 8
    _refused(urlsafe_b64encode(raw).decode().rstrip("="), listed)


@given(st.text(max_size=60))
def test_any_text_is_refused_in_order(text: str) -> None:
    """A problem and no fault."""
    _refused(text, "/data")


def _refused(cursor: str, listed: str) -> None:
    with pytest.raises(ProblemError) as caught:
        read(cursor, listed)
    assert b"cursor_invalid" in caught.value.body
