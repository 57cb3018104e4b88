"""What weights the known pairs would give the rules, beside the weights in the table.

`python -m tests.benchmarks.fitting MARKET...`
Half of the known pairs of every market in KASPARRO_TEST_MARKETS, by a hash of their ids, is fitted on; the other half is
compared. Among what is compared with a listing of a pair, only its partner is right: nothing is taken as wrong of which no pair
says what is right.

The arguments name the markets whose prices both sources really recorded: rules on price, supply, volume and all-time high are
looked at on those alone. Hardly any two namesakes there are both priced, so a regression has nothing to learn from; the table
shows instead how often each rule applies to the listings of one pair, and to the listings of two, and the logarithm of the ratio.
That is what a rule would weigh if no other said the same; together they say much the same, so the table gives each less.

Last comes what names and symbols do alone: contracts and prices are hidden, and the pairs are the listings that share a contract
which no third one claims. These are many more than the known pairs, and no weight was chosen by them.
"""

import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from math import exp, log
from typing import NamedTuple

import msgspec
from rich.console import Console
from rich.table import Table

from kasparro.resolver import evidence
from kasparro.resolver.index import Index
from kasparro.resolver.pairs import candidates, findings
from kasparro.resolver.rules import BASE, RULES, WEIGHT
from tests.benchmarks.identity import GECKO, PAPRIKA, Pairs, by_rules, priced_pairs, scored
from tests.benchmarks.recorded import Recorded, folders, read
from tests.resolver.driving import finish

OF_MARKETS = (evidence.price, evidence.supply, evidence.volume, evidence.peak)
KINDS_OF_MARKETS = frozenset(compare.__name__ for compare in OF_MARKETS)
RIDGE = 0.1  # how hard a weight is drawn to 0, in examples of which half are right
SWEEPS = 100


class Example(NamedTuple):
    """Two listings that were compared, and whether they are one coin."""

    rules: tuple[str, ...]
    right: bool


def is_fitted_on(pair: tuple[str, str]) -> bool:
    """Whether a pair belongs to the half that weights are fitted on."""
    return sha256(" ".join(pair).encode()).digest()[0] % 2 == 0


def by_id(market: Recorded) -> tuple[Index, dict[tuple[str, str], int]]:
    """A market's index, and its listings by source and source id."""
    index = Index()
    finish(index.apply(market.rows))
    finish(index.close())
    return index, {(row.source, row.source_id): row.listing_id for row in market.rows}


def examples(market: Recorded, pairs: Pairs) -> list[Example]:
    """Every comparison of a listing of the pairs, without the rules on markets.

    What the comparison gives up after its first look is left out: the rules that would follow are not known of it.
    """
    index, at = by_id(market)
    seen: dict[tuple[int, int], Example] = {}
    for g, p in pairs:
        for own, partner, other in (((GECKO, g), (PAPRIKA, p), PAPRIKA), ((PAPRIKA, p), (GECKO, g), GECKO)):
            if own not in at:
                continue
            f = index.features(at[own])
            for i in candidates(index, f, other):
                a, b = (f, index.features(i)) if f.source == GECKO else (index.features(i), f)
                found = findings(index, a, b)
                if len(found) > 1:
                    kept = tuple(r for r in found if RULES[r].kind not in KINDS_OF_MARKETS)
                    seen[a.listing_id, b.listing_id] = Example(kept, at.get(partner) == i)
    return list(seen.values())


def fit(known: list[Example]) -> dict[str, float]:
    """The weights of a logistic regression with a ridge, by one Newton step per weight in turns. The rest is BASE."""
    columns: dict[str, list[int]] = {}
    for n, example in enumerate(known):
        for rule in example.rules:
            columns.setdefault(rule, []).append(n)
    weight = dict.fromkeys(columns, 0.0)
    margin = [BASE] * len(known)
    for _ in range(SWEEPS):
        for rule, rows in columns.items():
            slope, bend = RIDGE * weight[rule], RIDGE
            for n in rows:
                p = chance(margin[n])
                slope += p - known[n].right
                bend += p * (1 - p)
            step = max(-1.0, min(1.0, slope / bend))
            weight[rule] -= step
            for n in rows:
                margin[n] -= step
    return weight


def chance(margin: float) -> float:
    """The probability that a score stands for."""
    return 1 / (1 + exp(-max(-30.0, min(30.0, margin))))


def log_loss(known: list[Example], weight: Mapping[str, float]) -> float:
    """How much the weights are surprised by what is so, in nats for each example."""
    total = 0.0
    for example in known:
        p = chance(BASE + sum(weight.get(rule, 0.0) for rule in example.rules))
        total -= log(max(1e-12, p if example.right else 1 - p))
    return total / max(1, len(known))


def ratios(market: Recorded, pairs: Pairs) -> dict[str, tuple[int, int, float]]:
    """For each rule on markets: to how many pairs it applies, to how many pairs of others' listings, and the ratio's logarithm."""
    index, at = by_id(market)
    known = [(at[GECKO, g], at[PAPRIKA, p]) for g, p in pairs if (GECKO, g) in at and (PAPRIKA, p) in at]
    listed = [(index.features(a), index.features(b)) for a, b in known]
    applied: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    told: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    for n, (a, _) in enumerate(listed):
        for m, (_, b) in enumerate(listed):
            for compare in OF_MARKETS:
                told[n == m][compare.__name__] += 1
                if (rule := compare(a, b)) is not None:
                    applied[n == m][rule] += 1
    out = {}
    for rule in applied[True] | applied[False]:
        same, others = ((applied[x][rule] + 0.5) / (told[x][RULES[rule].kind] + 1) for x in (True, False))
        out[rule] = (applied[True][rule], applied[False][rule], log(same / others))
    return out


def paired_by_contract(market: Recorded) -> Pairs:
    """The listings of both sources that share an address on one chain, if no third listing claims it and they share no other."""
    index, _ = by_id(market)
    ours, theirs = index.sources[GECKO].addresses, index.sources[PAPRIKA].addresses
    found: set[tuple[int, int]] = set()
    addresses = {address for kept in index.listed.values() for _, address in kept.contract_pairs}
    for address in sorted(addresses):
        (a, *more), (b, *others) = ours.members(address) or (0,), theirs.members(address) or (0,)
        if a and b and not more and not others and set(index.listed[a].contract_pairs) & set(index.listed[b].contract_pairs):
            found.add((a, b))
    times: dict[int, int] = defaultdict(int)
    for i in [i for pair in found for i in pair]:
        times[i] += 1
    return [(index.listed[a].source_id, index.listed[b].source_id) for a, b in found if times[a] == times[b] == 1]


@contextmanager
def weighing(weight: Mapping[str, float]) -> Iterator[None]:
    """Let the rules weigh what is given, for as long as this lasts."""
    before = dict(WEIGHT)
    WEIGHT.update(weight)
    try:
        yield
    finally:
        WEIGHT.update(before)


def show_ratios(market: Recorded) -> None:
    """Print what the rules on markets tell apart, in both halves."""
    priced = priced_pairs(market)
    halves = [ratios(market, [pair for pair in priced if is_fitted_on(pair) is half]) for half in (True, False)]
    table = Table(title=f"Rules on markets: {market.name}")
    for column in ("rule", "table", "fitting\none pair", "\ntwo pairs", "\nlog ratio", "held out\none pair", "\ntwo pairs", "\nlog ratio"):
        table.add_column(column, justify="left" if column == "rule" else "right", no_wrap=True)
    for rule, row in RULES.items():
        if row.kind in KINDS_OF_MARKETS:
            figures = [half.get(rule, (0, 0, 0.0)) for half in halves]
            table.add_row(rule, f"{row.weight:+.1f}", *(text for f in figures for text in (str(f[0]), str(f[1]), f"{f[2]:+.1f}")))
    Console().print(table)


def show_weights(known: list[Example], fitted: Mapping[str, float]) -> None:
    """Print what the regression found."""
    seen = {right: Counter(rule for e in known if e.right is right for rule in e.rules) for right in (True, False)}
    right = sum(e.right for e in known)
    table = Table(title=f"Other rules, fitted: {right} right and {len(known) - right} wrong matches")
    for column in ("rule", "table", "fitted", "right", "wrong"):
        table.add_column(column, justify="left" if column == "rule" else "right", no_wrap=True)
    for rule, row in RULES.items():
        if rule in fitted:
            table.add_row(rule, f"{row.weight:+.1f}", f"{fitted[rule]:+.1f}", str(seen[True][rule]), str(seen[False][rule]))
    Console().print(table)


def main(recorded: set[str]) -> None:
    """Print the weights, and what they reach on the half that they were not fitted on."""
    markets = [read(folder) for folder in folders()]
    halves: dict[bool, list[Example]] = {True: [], False: []}
    for market in markets:
        if market.name in recorded:
            show_ratios(market)
        for half, known in halves.items():
            known.extend(examples(market, [pair for pair in market.pairs if is_fitted_on(pair) is half]))
    fitted = fit(halves[True])
    show_weights(halves[True], fitted)
    table = Table(title="On the half that was held out")
    for column in ("", "log loss", "priced\nprec.", "\nrecall", "all\nprec.", "\nrecall", "\nfalse", "\nmissed"):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    for name, weight in (("table", {}), ("fitted", fitted)):
        loss = log_loss(halves[False], WEIGHT | weight)
        for market in markets:
            held = [pair for pair in market.pairs if not is_fitted_on(pair)]
            with weighing(weight):
                coin_of = by_rules(market.rows)
            few, every = scored(coin_of, [p for p in priced_pairs(market) if p in set(held)]), scored(coin_of, held)
            figures = (few.precision, few.recall, every.precision, every.recall)
            counts = (str(len(every.false)), str(len(every.missed)))
            table.add_row(f"{name}, {market.name}", f"{loss:.4f}", *(f"{f:.4f}" for f in figures), *counts)
    Console().print(table)
    table = Table(title="Names and symbols alone, against contracts")
    for column in ("", "pairs", "precision", "recall", "false", "missed"):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    hidden = dict.fromkeys(("price", "observed_at", "market_cap", "volume_24h", "ath_price", "ath_at")) | {"contracts": ()}
    for market in markets:
        score = scored(by_rules(msgspec.structs.replace(row, **hidden) for row in market.rows), paired_by_contract(market))
        counts = (str(score.pairs), f"{score.precision:.4f}", f"{score.recall:.4f}", str(len(score.false)), str(len(score.missed)))
        table.add_row(market.name, *counts)
    Console().print(table)


if __name__ == "__main__":
    main(set(sys.argv[1:]))
