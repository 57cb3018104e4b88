"""Finding lines by what they contain and by words that are one letter off."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kasparro.catalog.text_index import EMPTY_INDEX, NEAR_LEAST, TextIndex, make_index, one_off
from kasparro.records import Pieces

_words = st.text("abc", min_size=1, max_size=8).map(str.encode)
_lines = st.lists(st.lists(_words, min_size=1, max_size=3).map(b" ".join), max_size=12).map(
    lambda lines: {100 - n: b"\t%b\t" % line for n, line in enumerate(lines)}
)


def _end(pieces: Pieces[Any]) -> Any:
    while True:
        try:
            next(pieces)
        except StopIteration as stop:
            return stop.value


def _index(lines: dict[int, bytes]) -> TextIndex:
    made: TextIndex = _end(make_index(lines.items()))
    return made


def _changed_once(word: bytes) -> set[bytes]:
    """Everything that a word may be one letter away from, within an alphabet."""
    letters = [bytes([n]) for n in b"abc"]
    places = range(len(word) + 1)
    return {
        word,
        *(word[:n] + letter + word[n:] for n in places for letter in letters),
        *(word[:n] + word[n + 1 :] for n in places[:-1]),
        *(word[:n] + letter + word[n + 1 :] for n in places[:-1] for letter in letters),
        *(word[:n] + word[n : n + 2][::-1] + word[n + 2 :] for n in places[:-2]),
    }


@given(_words, _words)
@example(b"ab", b"ba")
@example(b"abca", b"acba")
@example(b"a", b"")
def test_one_letter_off(one: bytes, other: bytes) -> None:
    """One letter too many, missing, another, or two neighbours swapped; the same both ways."""
    assert one_off(one, other) == (other in _changed_once(one)) == one_off(other, one)


@given(_lines, _words)
def test_lines_are_found_by_what_they_contain(lines: dict[int, bytes], part: bytes) -> None:
    """Every line that contains the bytes, once."""
    assert list(_index(lines).containing(part)) == [(key, line) for key, line in lines.items() if part in line]


@pytest.mark.slow
@given(_lines, st.text("abc", min_size=NEAR_LEAST, max_size=9).map(str.encode))
def test_lines_are_found_by_a_word_that_is_one_letter_off(lines: dict[int, bytes], word: bytes) -> None:
    """Every line with such a word and no other, with the line as it is."""
    expected = {key: line for key, line in lines.items() if any(one_off(other, word) for other in line.split())}
    index = _index(lines)
    near = index.near(word)
    assert set(near) == {other for line in expected.values() for other in line.split() if one_off(other, word)}
    assert dict(index.having(near.values())) == expected


@pytest.mark.parametrize("index", [EMPTY_INDEX, _index({}), _index({1: b"\t\t"})])
def test_an_index_of_nothing_finds_nothing(index: TextIndex) -> None:
    """Before the first data, too."""
    assert list(index.containing(b"word")) == []
    assert index.near(b"bitcoin") == {}
