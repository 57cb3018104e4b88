"""How well listings are told apart: the rules beside three baselines, on a made-up market and on recorded ones.

Counted on known pairs of one CoinGecko and one CoinPaprika listing. A pair is found when both are one coin; a coin that joins a
listing of a pair to any other listing of the other source is a false merge. "Priced" counts the pairs that both sources price.
"""

import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from kasparro.records import EvidenceRow
from kasparro.resolver.book import Book
from kasparro.resolver.index import Index
from kasparro.resolver.normalise import name_keys, symbol_key
from kasparro.resolver.platforms import address, chain
from kasparro.resolver.resolve import resolve
from tests.benchmarks.identity_costs import measured
from tests.benchmarks.recorded import Recorded, folders, read
from tests.resolver.driving import finish
from tests.resolver.market import make

GECKO, PAPRIKA = "coingecko", "coinpaprika"
Pairs = Sequence[tuple[str, str]]  # (CoinGecko id, CoinPaprika id)
CoinOf = Mapping[tuple[str, str], Hashable]  # (source, source id) -> whatever stands for its coin


class Score(NamedTuple):
    """What a way to tell coins apart reaches on known pairs."""

    pairs: int
    found: int
    false: frozenset[tuple[str, str]]
    missed: tuple[tuple[str, str], ...]

    @property
    def precision(self) -> float:
        """The share of what was joined that is right; 1.0 where nothing was joined."""
        return self.found / (self.found + len(self.false)) if self.found or self.false else 1.0

    @property
    def recall(self) -> float:
        """The share of the pairs that was found."""
        return self.found / max(1, self.pairs)


def scored(coin_of: CoinOf, pairs: Pairs) -> Score:
    """Compare coins with known pairs."""
    members: dict[Hashable, dict[str, set[str]]] = {}
    for (source, source_id), coin in coin_of.items():
        members.setdefault(coin, {}).setdefault(source, set()).add(source_id)
    right_p, right_g = dict(pairs), {p: g for g, p in pairs}
    found, missed, false = 0, [], set()
    for g, p in pairs:
        of_g, of_p = coin_of.get((GECKO, g)), coin_of.get((PAPRIKA, p))
        if of_g is not None and of_g == of_p:
            found += 1
        else:
            missed.append((g, p))
        if of_g is not None:
            false |= {(g, other) for other in members[of_g].get(PAPRIKA, ()) if other != right_p[g]}
        if of_p is not None:
            false |= {(other, p) for other in members[of_p].get(GECKO, ()) if other != right_g[p]}
    return Score(len(pairs), found, frozenset(false), tuple(missed))


def by_rules(rows: Iterable[EvidenceRow]) -> CoinOf:
    """Resolve from nothing."""
    index = Index()
    finish(index.apply(rows))
    resolution = finish(resolve(index, Book({}), provisional=True))
    listed = index.listed
    return {(listed[j.listing_id].source, listed[j.listing_id].source_id): j.coin_id for j in resolution.judgements if j.verdict == "same"}


def by_symbol(rows: Iterable[EvidenceRow]) -> CoinOf:
    """Whoever has a symbol is that coin."""
    return {(r.source, r.source_id): symbol_key(r.symbol) for r in rows}


def by_symbol_and_name(rows: Iterable[EvidenceRow]) -> CoinOf:
    """Whoever has both a symbol and a name is that coin."""
    return {(r.source, r.source_id): (symbol_key(r.symbol), name_keys(r.name).whole) for r in rows}


def by_contract(rows: Iterable[EvidenceRow]) -> CoinOf:
    """Whoever has a contract is that coin; who has none is alone. Contracts that a listing has together are one coin's."""
    parent: dict[Hashable, Hashable] = {}

    def root(key: Hashable) -> Hashable:
        while (above := parent.setdefault(key, key)) != key:
            key = above
        return key

    listed = [(r.source, r.source_id) for r in rows]
    for row in rows:
        for platform, text in row.contracts:
            if (spelled := address(text)) is not None:
                parent[root((row.source, row.source_id))] = root(("contract", chain(row.source, platform), spelled))
    return {key: root(key) for key in listed}


WAYS: dict[str, Callable[[list[EvidenceRow]], CoinOf]] = {
    "rules": by_rules,
    "symbol": by_symbol,
    "symbol + name": by_symbol_and_name,
    "contract": by_contract,
}


def made_up(seed: int = 1, size: int = 4_000) -> Recorded:
    """The made-up market of the tests, larger, with the pairs that are the truth about it: coins that each source lists once."""
    market = make(seed, size)
    of_label: dict[str, dict[str, list[str]]] = {}
    for (source, source_id), label in market.truth.items():
        of_label.setdefault(label, {}).setdefault(source, []).append(source_id)
    pairs = [(g[0], p[0]) for ids in of_label.values() if len(g := ids.get(GECKO, [])) == 1 and len(p := ids.get(PAPRIKA, [])) == 1]
    return Recorded(f"made up, {len(market.rows):,} listings", market.rows, pairs)


def priced_pairs(market: Recorded) -> Pairs:
    """The known pairs of which both sources tell a price."""
    priced = {(r.source, r.source_id) for r in market.rows if r.price is not None}
    return [(g, p) for g, p in market.pairs if (GECKO, g) in priced and (PAPRIKA, p) in priced]


def main() -> None:
    """Print a table of every market."""
    for market in [made_up(), *(read(folder) for folder in folders())]:
        priced = priced_pairs(market)
        table = Table(title=f"Identity: {market.name}, {len(priced)} priced of {len(market.pairs)} known pairs")
        for column in ("", "priced\nprec.", "\nrecall", "all\nprec.", "\nrecall", "\nfalse", "\nmissed", "\nCPU s"):
            table.add_column(column, justify="right" if column else "left", no_wrap=True)
        for name, way in WAYS.items():
            before = time.process_time()
            coin_of = way(market.rows)
            seconds = time.process_time() - before
            few, every = scored(coin_of, priced), scored(coin_of, market.pairs)
            figures = (few.precision, few.recall, every.precision, every.recall)
            table.add_row(name, *(f"{f:.4f}" for f in figures), str(len(every.false)), str(len(every.missed)), f"{seconds:.2f}")
        Console().print(table)
        costs = measured(market.rows)
        Console().print(
            f"All {len(market.rows):,} listings from nothing, in a process of its own: {costs.megabytes:.0f} MB above the resident set, "
            f"{costs.cpu_seconds:.2f} s of CPU, longest slice {costs.slice_ms:.1f} ms"
        )


if __name__ == "__main__":
    main()
