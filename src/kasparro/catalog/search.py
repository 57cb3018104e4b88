"""Text search: coins by what their name, symbol or id is, begins with, contains, or is but for a letter."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain
from string import punctuation

import msgspec

from kasparro.catalog.entries import Catalog, Entry
from kasparro.catalog.text_index import NEAR_LEAST, TextIndex, make_index, one_off
from kasparro.records import Pieces

# How well a coin matches, the best first. BEGINS: a field begins with it, or is one letter off it as a whole; of these
# the coin with the higher rank is more likely meant, so that "bitcon" is Bitcoin before it is BitCone. Of a coin without a price,
# which is dead more often than not, EXACT is no more than that: there is a BITCON, too.
EXACT, BEGINS, WORDS, CONTAINS, NEARLY = range(5)

STALE_MAX = 200  # so many coins are looked through one by one, in about 1 ms
_CONTAINED_LEAST = 3  # bytes that are looked for inside of words; fewer are in almost every name
_LINES_PER_PIECE = 500

_SEPARATORS = str.maketrans(dict.fromkeys(punctuation, " "))
_ASCII_SEPARATORS = bytes(ord(" ") if chr(n) in punctuation or chr(n).isspace() else n for n in range(128)).ljust(256)


def folded(text: str) -> bytes:
    """A text as it is searched: in any case, one space between words, punctuation counting as space."""
    if text.isascii():  # as almost all are: a table of bytes takes half the time
        return b" ".join(text.lower().encode().translate(_ASCII_SEPARATORS).split())
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
    whole = folded(text)
    if not whole:
        return found
    index, entries = catalog.texts, catalog.entries
    stale = [(key, _line(entries[key])) for key in index.stale if key in entries]
    words = [_Word(word, index, stale) for word in whole.split()]
    known = max(words, key=lambda word: len(word.word)).lines(index)
    for count, (key, line) in enumerate(chain(((key, line) for key, line in known if key not in index.stale), stale)):
        if key not in found and key in entries:
            grade = _grade(line, whole, words)
            if grade is not None:
                found[key] = max(grade, BEGINS) if entries[key].price is None else grade
        if count % _LINES_PER_PIECE == 0:
            yield
    return found


class _Word:
    """A word that was asked for."""

    def __init__(self, word: bytes, index: TextIndex, stale: Iterable[tuple[int, bytes]]) -> None:
        self.word = word
        self.begins_field, self.begins_word = b"\t%b" % word, b" %b" % word
        self.may_be_inside = len(word) >= _CONTAINED_LEAST
        self._near = index.near(word) if len(word) >= NEAR_LEAST else {}
        self.near = frozenset(self._near)
        if len(word) >= NEAR_LEAST:
            self.near |= {other for _, line in stale for other in line.split() if one_off(other, word)}

    def lines(self, index: TextIndex) -> Iterator[tuple[int, bytes]]:
        """The lines that may match because of it, with their keys, some several times."""
        begin_or_have = (index.containing(part) for part in ((self.word,) if self.may_be_inside else (self.begins_field, self.begins_word)))
        return chain(*begin_or_have, index.having(self._near.values()))


def _grade(line: bytes, whole: bytes, words: list[_Word]) -> int | None:
    """How well a line matches; None: not at all."""
    if b"\t%b" % whole in line:
        return EXACT if b"\t%b\t" % whole in line else BEGINS
    size = len(whole)
    if size >= NEAR_LEAST and any(one_off(field, whole) for field in line.split(b"\t") if -2 < len(field) - size < 2):  # noqa: PLR2004  # one off
        return BEGINS
    worst = WORDS
    for word in words:
        if word.begins_field in line or word.begins_word in line:
            continue
        if word.may_be_inside and word.word in line:
            worst = max(worst, CONTAINS)
        elif word.near.isdisjoint(line.split()):
            return None
        else:
            worst = NEARLY
    return worst


def _line(entry: Entry) -> bytes:
    return line_of(entry.name, entry.symbol, entry.coin_id)
