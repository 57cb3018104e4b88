"""Which listings are worth comparing, and what comparing two of them gives."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from kasparro.resolver import evidence
from kasparro.resolver.features import Features, Listed
from kasparro.resolver.index import Index
from kasparro.resolver.keys import Blocks
from kasparro.resolver.rules import BASE, RULES, WEIGHT

# A key that more pairs of two sources share than this is no block: who shares only that must have a price in common, too.
BLOCK_PAIRS_MAX = 20_000


class Pair(msgspec.Struct, frozen=True, order=True, gc=False):
    """Two listings that may be one coin. Of different sources: `a` is of the one whose name comes first."""

    score: float
    a: int
    b: int
    rules: tuple[str, ...] = ()  # that apply to them: what the score is the sum of

    def other(self, listing_id: int) -> int:
        """The one that this listing is paired with."""
        return self.b if listing_id == self.a else self.a


def candidates(index: Index, f: Features, other: str) -> set[int]:
    """The listings of another source that share a contract, a symbol, a name or the words of the id with this one."""
    ours, theirs = index.sources[f.source], index.sources[other]
    found: set[int] = set()
    for mine, block, keys in (
        (ours.texts, theirs.texts, (f.core, f.slug_core) if f.slug_core != f.core else (f.core,)),
        (ours.symbols, theirs.symbols, (f.symbol,)),
        (ours.addresses, theirs.addresses, [address for _, address in f.contracts]),
    ):
        for key in keys:
            if (there := block.members(key)) and mine.crowd(key) * len(there) <= BLOCK_PAIRS_MAX:
                found.update(there)
            elif there and f.price is not None:
                found.update([i for i in there if evidence.price(f, index.features(i)) in {"price.close", "price.stable"}])
    return found


def findings(index: Index, a: Features, b: Features) -> list[str]:
    """The rules that apply to two listings. Stops early, with few rules, where nothing could make them one coin."""
    text = evidence.text(a, b)
    ours, theirs = index.sources[a.source], index.sources[b.source]
    contract = evidence.contract(a, b, _contested(ours, theirs, a, b)) if a.contracts and b.contracts else None
    priced = a.price is not None and b.price is not None
    if not priced and text in _WEAK_TEXTS and contract in _NO_CONTRACT:
        return [text]
    if a.symbol == b.symbol:
        found = [text, evidence.same_symbol(max(ours.symbols.crowd(a.symbol), theirs.symbols.crowd(a.symbol)))]
        twins = a.core == b.core
    else:
        found = [text, evidence.other_symbol(a, b)]
        twins = False
    if contract is not None:
        found.append(contract)
    if twins:
        found.append(evidence.twins(max(_twins(ours, a), _twins(theirs, b))))
    else:
        # What they are taken for is what they have in common: the words of the id where the names differ.
        by_id = text == "text.slug"
        crowd_of_text = max(ours.texts.crowd(a.slug_core if by_id else a.core), theirs.texts.crowd(b.slug_core if by_id else b.core))
        if (name := evidence.namesakes(crowd_of_text)) is not None:
            found.append(name)
    if a.marks != b.marks and (derivation := evidence.derivation(a, b)) is not None:
        found.append(derivation)
    if a.active != b.active:
        found.append("activity.apart")
    if priced:
        found.extend([name for compare in _OF_MARKETS if (name := compare(a, b)) is not None])
        if a.course and b.course and (course := evidence.course(a, b)) is not None:
            found.append(course)
    return found


_WEAK_TEXTS = frozenset({"text.word", "text.apart"})
_NO_CONTRACT = frozenset({None, "contract.other"})
_OF_MARKETS = (evidence.price, evidence.supply, evidence.volume, evidence.peak)


def _contested(ours: Blocks, theirs: Blocks, a: Features, b: Features) -> bool:
    """Whether every address that they share is claimed by a third listing as well."""
    shared = {address for _, address in a.contracts} & {address for _, address in b.contracts}
    return all(ours.addresses.crowd(s) > 1 or theirs.addresses.crowd(s) > 1 for s in shared)


def _twins(source: Blocks, f: Features) -> int:
    """How many listings of its source have both its name and its symbol, itself included."""
    return len(set(source.symbols.members(f.symbol)).intersection(source.texts.members(f.core)))


def score(rules: Iterable[str]) -> float:
    """The logarithm of the odds that two listings are one coin to which some rules apply."""
    points = BASE
    for name in rules:
        points += WEIGHT[name]
    return points


@lru_cache(maxsize=4_096)
def _once(rules: tuple[str, ...]) -> tuple[str, ...]:
    """The rules themselves: the same ones apply to thousands of pairs."""
    return rules


def plausible(index: Index, f: Features, floor: float, into: list[Pair], above: str = "") -> int:
    """Add the pairs of a listing that score at least `floor`, with listings of sources whose name comes after `above`.

    Returns how many pairs were looked at, which is what it cost.
    """
    looked_at = 0
    for other in index.sources:
        if other == f.source or other <= above:
            continue
        near = candidates(index, f, other)
        looked_at += len(near)
        for i in near:
            g = index.features(i)
            a, b = (f, g) if f.source < g.source else (g, f)
            rules = findings(index, a, b)
            points = score(rules)
            if points >= floor:
                into.append(Pair(points, a.listing_id, b.listing_id, _once(tuple(rules))))
    return looked_at


def renamed(index: Index, f: Features) -> Pair | None:
    """The one active listing of the same source that a dead one lives on in, under another id.

    A name alone does not say so: the dead are full of bridged twins of the living. Claimed where symbol or name are the same and
    they have a contract in common, or the new one took over the old one's last price and supply.
    """
    heirs = []
    for i in index.same_source_neighbours(f):
        g = index.features(i)
        if not g.active or (f.symbol != g.symbol and f.whole != g.whole):
            continue
        contract = evidence.contract(f, g, contested=False)
        went_on = evidence.price(f, g) in {"price.close", "price.stable"} and evidence.supply(f, g) == "supply.close"
        parted = evidence.price(f, g) in {"price.apart", "price.far"}
        if (contract == "contract.shared" and not parted) or (went_on and contract != "contract.other"):
            heirs.append(g)
    if len(heirs) != 1:
        return None
    return Pair(WEIGHT["source.renamed"], f.listing_id, heirs[0].listing_id, ("source.renamed",))


_SHOWN: dict[str, Callable[[Listed], Any]] = {
    "contract": lambda f: f.contract_pairs[:5],
    "text": lambda f: f.name,
    "source": lambda f: f.source_id,
    "symbol": lambda f: f.symbol,
    "namesakes": lambda f: f.name,
    "twins": lambda f: f.symbol,
    "derivation": lambda f: f.name,
    "version": lambda f: f.name,
    "activity": lambda f: "active" if f.active else "inactive",
    "price": lambda f: f.numbers.price,
    "supply": lambda f: f.numbers.supply,
    "volume": lambda f: f.numbers.volume,
    "peak": lambda f: (f.numbers.ath_price, f.numbers.ath),
    "course": lambda f: (f.course[0], f.course[-1]),
}


class Explanation(NamedTuple):
    """Why two listings are thought to be one coin."""

    rule: str  # the strongest
    evidence: bytes  # JSON: between whom, the score, and per rule its weight and both listings' values


def explain(index: Index, pair: Pair) -> Explanation:
    """The evidence on a pair as it is stored."""
    a, b = index.listed[pair.a], index.listed[pair.b]
    rules = {}
    for name in pair.rules:
        shown = _SHOWN[RULES[name].kind]
        rules[name] = (WEIGHT[name], shown(a), shown(b))
    between = (f"{a.source}:{a.source_id}", f"{b.source}:{b.source_id}")
    evidence = msgspec.json.encode({"between": between, "score": pair.score, "rules": rules})
    return Explanation(max(rules, key=lambda name: (WEIGHT[name], name)), evidence)
