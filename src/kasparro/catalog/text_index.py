"""An index over short texts, one line each: which contain some bytes, and which have a word that is one letter off another.

All lines are one text, in which what contains a word is found at the speed of memory. What is one letter off is found by the
letters left out: two words are at most one letter apart only where they are equal once at most one letter of each is missing,
so every word is filed under itself and under each of those (the symmetric deletion of SymSpell,
https://github.com/wolfgarbe/SymSpell), and to look one up a dozen files are opened. A letter is a byte of UTF-8 here.

Lines, postings and files are arrays: for 65,000 coins about 7 MB, where dictionaries would take many times as much.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate

import msgspec

from kasparro.records import Pieces

NEAR_LEAST = 5  # letters of a word that may be misspelt: shorter ones are all one letter apart
_WORD_LEAST = NEAR_LEAST - 1  # a word that one of them is one letter off
_LINES_PER_PIECE = 250
_WORDS_PER_PIECE = 500
_PLACES_PER_PIECE = 10_000
_WORDS_PER_FILE = 4


class TextIndex(msgspec.Struct, frozen=True, gc=False, eq=False):
    """Lines by key."""

    text: bytes  # the lines, one after the other
    starts: "array[int]"  # where each begins, and the end
    keys: "array[int]"
    words: bytes  # every word that can be misspelt, once
    word_starts: "array[int]"
    postings: "array[int]"  # the numbers of the lines with each word
    posting_starts: "array[int]"
    files: "array[int]"  # numbers of words, by the hash of the word and of all that it is with a letter left out
    file_starts: "array[int]"  # as many as a power of two, and the end
    stale: frozenset[int] = frozenset()  # keys whose lines are new or other ones since

    def containing(self, part: bytes) -> Iterator[tuple[int, bytes]]:
        """The lines as they were indexed that contain some bytes, with their keys."""
        at = self.text.find(part)
        while at >= 0:
            number = bisect_right(self.starts, at) - 1
            end = self.starts[number + 1]
            yield self.keys[number], self.text[self.starts[number] : end]
            at = self.text.find(part, end)

    def near(self, word: bytes) -> dict[bytes, int]:
        """The words that are at most one letter off this one, each with what `having` takes."""
        mask = len(self.file_starts) - 2
        numbers = {n for h in _filed(word) for n in self.files[self.file_starts[h & mask] : self.file_starts[(h & mask) + 1]]}
        words = {self.words[self.word_starts[n] : self.word_starts[n + 1]]: n for n in numbers}
        return {other: n for other, n in words.items() if one_off(other, word)}

    def having(self, words: Iterable[int]) -> Iterator[tuple[int, bytes]]:
        """The lines as they were indexed that have one of these words, with their keys; some several times."""
        for n in words:
            for number in self.postings[self.posting_starts[n] : self.posting_starts[n + 1]]:
                yield self.keys[number], self.text[self.starts[number] : self.starts[number + 1]]


EMPTY_INDEX = TextIndex(
    text=b"",
    starts=array("i", [0]),
    keys=array("i"),
    words=b"",
    word_starts=array("i", [0]),
    postings=array("i"),
    posting_starts=array("i", [0]),
    files=array("i"),
    file_starts=array("i", [0, 0]),
)


def one_off(one: bytes, other: bytes) -> bool:
    """Whether two words are equal but for one letter that is missing, too many or another one, or for two that are swapped."""
    if len(one) < len(other):
        one, other = other, one
    if len(one) - len(other) > 1:
        return False
    at = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(other))
    if len(one) > len(other):
        return one[at + 1 :] == other[at:]
    return one[at + 1 :] == other[at + 1 :] or (one[at : at + 2] == other[at : at + 2][::-1] and one[at + 2 :] == other[at + 2 :])


def make_index(lines: Iterable[tuple[int, bytes]]) -> Pieces[TextIndex]:
    """The index of lines by key; words are what stands between white space."""
    text, starts, keys = bytearray(), array("i", [0]), array("i")
    numbers: dict[bytes, int] = {}
    occurring, occurring_ends = array("i"), array("i")  # words of each line
    for count, (key, line) in enumerate(lines):
        text += line
        starts.append(len(text))
        keys.append(key)
        occurring.extend([numbers.setdefault(word, len(numbers)) for word in set(line.split()) if len(word) >= _WORD_LEAST])
        occurring_ends.append(len(occurring))
        if count % _LINES_PER_PIECE == 0:
            yield
    postings, posting_starts = yield from _grouped(occurring, len(numbers), occurring_ends)
    filed, filed_ends = array("i"), array("i")
    files = 1 << (sum(len(word) + 1 for word in numbers) // _WORDS_PER_FILE).bit_length()
    for count, word in enumerate(numbers):
        filed.extend([h & (files - 1) for h in _filed(word)])
        filed_ends.append(len(filed))
        if count % _WORDS_PER_PIECE == 0:
            yield
    in_files, file_starts = yield from _grouped(filed, files, filed_ends)
    word_starts = array("i", accumulate(map(len, numbers), initial=0))
    yield
    return TextIndex(
        text=bytes(text),
        starts=starts,
        keys=keys,
        words=b"".join(numbers),
        word_starts=word_starts,
        postings=postings,
        posting_starts=posting_starts,
        files=in_files,
        file_starts=file_starts,
    )


def _filed(word: bytes) -> list[int]:
    """Hashes of what a word is filed under: itself, and itself without each of its letters."""
    return [hash(word), *[hash(word[:n] + word[n + 1 :]) for n in range(len(word))]]


def _grouped(places: "array[int]", groups: int, ends: "array[int]") -> Pieces[tuple["array[int]", "array[int]"]]:
    """Members by group, and where each group begins. Member n is in the groups `places[ends[n - 1]:ends[n]]`."""
    sizes = array("i", bytes(4 * groups))
    for start in range(0, len(places), _PLACES_PER_PIECE):
        for place in places[start : start + _PLACES_PER_PIECE]:
            sizes[place] += 1
        yield
    starts = array("i", [0])
    for start in range(0, groups, _PLACES_PER_PIECE):
        starts.extend(accumulate(sizes[start : start + _PLACES_PER_PIECE], initial=starts.pop()))
        yield
    free = starts[:]
    members = array("i", bytes(4 * len(places)))
    begin = 0
    for member, end in enumerate(ends):
        for place in places[begin:end]:
            members[free[place]] = member
            free[place] += 1
        begin = end
        if member % _WORDS_PER_PIECE == 0:
            yield
    return members, starts
