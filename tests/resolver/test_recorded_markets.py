"""The figures that the rules reach on recorded markets, where their folder is given."""

from pathlib import Path

import pytest

from tests.benchmarks.identity import GECKO, PAPRIKA, by_rules, made_up, priced_pairs, scored
from tests.benchmarks.recorded import Recorded, folders, read

MARKETS = folders()
# CoinPaprika's ids of coins whose symbols are those of far larger ones.
NAMESAKES = {
    "ton-tokamak-network": "the-open-network",
    "kas-wrapped-kaspa": "kaspa",
    "pepe-pepe-ordinals": "pepe",
    "apt-apricot": "aptos",
    "comp-compound-coin": "compound-governance-token",
}


def shown(market: Recorded, pairs: object) -> str:
    """Which pairs, in lines."""
    return f"{market.name}: {pairs}"


@pytest.mark.slow
@pytest.mark.skipif(not MARKETS, reason="KASPARRO_TEST_MARKETS names no folder of recorded markets with known pairs")
@pytest.mark.parametrize("folder", MARKETS or [Path("none")], ids=lambda folder: folder.name)
def test_a_recorded_market_is_told_apart(folder: Path) -> None:
    """Known pairs are found and joined to nothing else, and clones stay away from the coins whose symbols they share."""
    market = read(folder)
    coin_of = by_rules(market.rows)
    priced, every = scored(coin_of, priced_pairs(market)), scored(coin_of, market.pairs)
    assert priced.precision == 1.0, shown(market, priced.false)
    assert priced.recall >= 0.995, shown(market, priced.missed)
    assert every.precision >= 0.985, shown(market, every.false)
    assert every.recall >= 0.975, shown(market, every.missed)
    for clone, original in NAMESAKES.items():
        if (PAPRIKA, clone) in coin_of:
            assert coin_of[PAPRIKA, clone] != coin_of[GECKO, original]


def test_the_benchmark_counts_as_it_says() -> None:
    """A pair is found or missed, a third listing in its coin is a false merge, and nothing joined is nothing wrong."""
    pairs = [("a", "a"), ("b", "b"), ("c", "c")]
    coin_of = {(GECKO, "a"): 1, (PAPRIKA, "a"): 1, (GECKO, "b"): 2, (PAPRIKA, "b"): 3, (PAPRIKA, "x"): 2, (GECKO, "c"): 4}
    result = scored(coin_of, pairs)
    assert (result.found, result.false, result.missed) == (1, {("b", "x")}, (("b", "b"), ("c", "c")))
    assert (result.precision, result.recall) == (1 / 2, 1 / 3)
    assert scored({}, pairs).precision == 1.0


@pytest.mark.slow
def test_a_large_made_up_market_is_told_apart() -> None:
    """On the market of the benchmark the figures hold as well, and no baseline reaches them."""
    market = made_up()
    result = scored(by_rules(market.rows), market.pairs)
    assert result.precision >= 0.985
    assert result.recall >= 0.975
