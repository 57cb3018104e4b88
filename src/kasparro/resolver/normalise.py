"""Brings names, symbols and ids of different sources into a shape in which they can be compared. Pure and total.

Nothing here decides anything: two listings with equal keys are candidates, no more.
"""

import re
import unicodedata
from typing import NamedTuple

import msgspec

_WORD = re.compile(r"[^\W_]+")
_BRACKETS = re.compile(r"\(([^()]*)\)|\[([^\[\]]*)\]")
_COUNTER = re.compile(r"-\d{1,2}$")
_APOSTROPHE = re.compile(r"(?<=[a-z])39(?=[a-z])")

# Words that sources add to a name or leave out as they please. "Coin", "Finance", "Cash", "Chain", "DAO" and "Governance" are not
# among them: counted over the known pairs, they tell coins apart.
GENERIC_WORDS = frozenset({
    "and", "app", "com", "erc", "erc20", "foundation", "io", "network", "of", "official", "org", "platform", "project", "protocol",
    "technologies", "technology", "token", "tokens", "xyz",
})  # fmt: skip


class Derivation(NamedTuple):
    """What makes a coin another coin than the one it is named after: a word, and the kind of thing that it names."""

    words: frozenset[str]
    kind: str


# A coin whose name carries such a word stands for another coin and is not that coin.
_DERIVATIONS = (
    Derivation(frozenset({"wrapped", "wrap"}), "wrapped"),
    Derivation(
        frozenset({"bridged", "bridge", "wormhole", "multichain", "anyswap", "portal", "allbridge", "axelar", "layerzero"}), "bridged"
    ),
    Derivation(frozenset({"pegged", "peg"}), "pegged"),
    Derivation(frozenset({"staked", "staking", "restaked", "liquid"}), "staked"),
    Derivation(frozenset({"synthetic", "synth", "mirrored", "tokenized", "tokenised", "xstock", "ondo"}), "synthetic"),
    Derivation(frozenset({"iou", "futures", "future"}), "promised"),
    Derivation(frozenset({"bull", "bear", "3x", "2x", "5x", "short", "long", "hedge", "leveraged", "leverage", "inverse"}), "leveraged"),
    Derivation(frozenset({"vault", "yield", "interest", "amm", "lp", "escrowed"}), "yielding"),
    Derivation(frozenset({"old", "legacy", "deprecated", "v1"}), "old"),
    Derivation(frozenset({"ordinals", "brc", "brc20", "runes", "rune"}), "inscribed"),
    Derivation(frozenset({"v2", "v3", "v4", "2", "new"}), "renewed"),
)
KINDS = tuple(d.kind for d in _DERIVATIONS)
_MARK_OF_WORD = {word: 1 << i for i, d in enumerate(_DERIVATIONS) for word in d.words}
_SPECIAL = GENERIC_WORDS | frozenset(_MARK_OF_WORD)
OLD = 1 << KINDS.index("old")
RENEWED = 1 << KINDS.index("renewed")

# Ids keep words that have long become wrong ("ethereum-pow-iou"); these do not.
STANDS_FOR_ANOTHER = sum(1 << KINDS.index(kind) for kind in ("wrapped", "bridged", "pegged"))

BRIDGED = (1 << KINDS.index("bridged")) | (1 << KINDS.index("pegged"))
WORDS_OF_ANOTHER = frozenset(word for word, mark in _MARK_OF_WORD.items() if mark & STANDS_FOR_ANOTHER)


class Name(msgspec.Struct, frozen=True, gc=False):
    """A name's keys. `whole` has every word, `core` only those that tell something; both without spaces and brackets."""

    whole: str
    core: str
    words: tuple[str, ...]  # the words of the core, in order
    marks: int  # bits into KINDS: which derivations the name states, brackets included


def fold(text: str) -> str:
    """Compatibility forms, accents and case folded away; scripts other than Latin stay as they are."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    kept = "".join(c for c in decomposed if not unicodedata.combining(c) and unicodedata.category(c) != "Cf")
    return unicodedata.normalize("NFKC", kept).casefold()


def symbol_key(symbol: str) -> str:
    """Letters and digits only ("$WIF" is WIF); a symbol without any, such as an emoji, is its own key."""
    folded = fold(symbol)
    if folded.isalnum():
        return folded
    return "".join(_WORD.findall(folded)) or folded.strip()


def hyphened(text: str) -> str:
    """The words of a text as ids spell them."""
    return "-".join(_WORD.findall(text.lower()))


def name_keys(name: str) -> Name:
    """The keys of a name. Generic words count when nothing else is left ("Token" is a name, too)."""
    folded = fold(name)
    if folded.replace(" ", "").isalnum():  # most names are words and blanks
        return _keys(folded.split(), ())
    bracketed = ""
    if "(" in folded or "[" in folded:
        bracketed = " ".join(a or b for a, b in _BRACKETS.findall(folded))
        # A name that is all brackets keeps what is inside them.
        folded = _BRACKETS.sub(" ", folded) if _WORD.search(_BRACKETS.sub(" ", folded)) else folded
    return _keys(_WORD.findall(folded) or [folded.strip()], _WORD.findall(bracketed) if bracketed else ())


def slug_keys(slug: str) -> Name:
    """The keys of an id in words with hyphens. A small number at the end is a source's way to tell namesakes apart.

    CoinPaprika keeps the number of an escaped apostrophe: "Simon&#39;s Cat" is simon39s-cat there.
    """
    folded = slug.lower()
    if "39" in folded:
        folded = _APOSTROPHE.sub("-", folded)
    if folded[-1:].isdigit() and (found := _COUNTER.search(folded)) and found.start() > 0:
        folded = folded[: found.start()]
    return _keys(_WORD.findall(folded) or [folded], ())


def _keys(words: list[str], bracketed: "list[str] | tuple[()]") -> Name:
    marks = 0
    whole = "".join(words)
    if _SPECIAL.isdisjoint(words) and not bracketed:
        return Name(whole, whole, tuple(words), 0)
    for word in (*words, *bracketed):
        marks |= _MARK_OF_WORD.get(word, 0)
    telling = tuple([w for w in words if w not in GENERIC_WORDS])
    return Name(whole, "".join(telling), telling, marks) if telling else Name(whole, whole, tuple(words), marks)
