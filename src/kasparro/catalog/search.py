"""Text search: coins by what their name, symbol or id is, begins with, contains, or is but for a letter."""

from collections.abc import Collection, Iterator, Mapping
from itertools import chain
from string import punctuation

import msgspec

from kasparro.catalog.entries import Catalog, Entry
from kasparro.catalog.text_index import NEAR_LEAST, TextIndex, make_index, one_off
from kasparro.records import Pieces

# How well a coin matches, the best first. BEGINS: a field begins with it, or is one letter off it as a whole; of these
# the coin with the higher rank is more likely meant, so that "bitcon" is Bitcoin before it is BitCone.
EXACT, BEGINS, WORDS, CONTAINS, NEARLY = range(5)

STALE_MAX = 200  # so many coins are looked through one by one, in about 1 ms
_CONTAINED_LEAST = 3  # bytes that are looked for inside of words; fewer are in almost every name
_LINES_PER_PIECE = 500

_SEPARATORS = str.maketrans(dict.fromkeys(punctuation, " "))


def folded(text: str) -> bytes:
    """A text as it is searched: in any case, one space between words, punctuation counting as space."""
    return " ".join(text.casefold().translate(_SEPARATORS).split()).encode("utf-8", "surrogatepass")


def line_of(name: str, symbol: str, coin_id: str) -> bytes:
    """What of a coin is searched: its fields, each between tabs."""
    return b"\t%b\t" % b"\t".join(dict.fromkeys((folded(name), folded(symbol), folded(coin_id))))


def carried_on(index: TextIndex, named: Collection[int]) -> TextIndex:
    """The index when the coins with the keys `named` are new or are called otherwise. It finds them, too, one by one."""
    return msgspec.structs.replace(index, stale=index.stale.union(named)) if named else index


def indexed(index: TextIndex, entries: Mapping[int, Entry]) -> Pieces[TextIndex]:
    """The index of all coins made anew where looking through the stale ones would take long; else as it is."""
    if len(index.stale) <= STALE_MAX:
        return index
    return (yield from make_index((key, _line(entry)) for key, entry in entries.items()))


def search(catalog: Catalog, text: str) -> Pieces[dict[int, int]]:
    """How well coins match a text (EXACT to NEARLY), by coin key; coins that do not match are left out."""
    found: dict[int, int] = {}
    query = _Query(folded(text))
    if not query.words:
        return found
    index, entries = catalog.texts, catalog.entries
    known = ((key, line) for key, line in query.candidates(index) if key not in index.stale)
    stale = ((key, _line(entries[key])) for key in index.stale if key in entries)
    for count, (key, line) in enumerate(chain(known, stale)):
        if key not in found and key in entries:
            grade = query.grade(line)
            if grade is not None:
                found[key] = grade
        if count % _LINES_PER_PIECE == 0:
            yield
    return found


class _Query:
    """A text that was asked for."""

    def __init__(self, whole: bytes) -> None:
        self.words = whole.split()
        self._whole = whole
        self._is, self._begins = b"\t%b\t" % whole, b"\t%b" % whole
        self._forms = [(word, b"\t%b" % word, b" %b" % word, len(word) >= _CONTAINED_LEAST, len(word) >= NEAR_LEAST) for word in self.words]

    def candidates(self, index: TextIndex) -> Iterator[tuple[int, bytes]]:
        """The lines that may match, with their keys, some several times: those that have the longest word in one way or another."""
        word, at_field, at_word, contained, near = max(self._forms, key=lambda form: len(form[0]))
        begin_or_contain = (index.containing(word),) if contained else (index.containing(at_field), index.containing(at_word))
        return chain(*begin_or_contain, *((index.near(word),) if near else ()))

    def grade(self, line: bytes) -> int | None:
        """How well a line matches; None: not at all."""
        if self._is in line:
            return EXACT
        if self._begins in line or (len(self._whole) >= NEAR_LEAST and any(one_off(field, self._whole) for field in line.split(b"\t"))):
            return BEGINS
        worst = WORDS
        for word, at_field, at_word, contained, near in self._forms:
            if at_field in line or at_word in line:
                continue
            if contained and word in line:
                worst = max(worst, CONTAINS)
            elif near and any(one_off(other, word) for other in line.split()):
                worst = NEARLY
            else:
                return None
        return worst


def _line(entry: Entry) -> bytes:
    return line_of(entry.name, entry.symbol, entry.coin_id)
