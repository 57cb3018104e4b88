"""The figures that the rules reach on a market whose truth is known."""

import pytest

from tests.resolver.driving import resolved
from tests.resolver.market import figures, make


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5, 6])
def test_a_made_up_market_is_told_apart(seed: int) -> None:
    """Clones, namesakes, wrapped coins, impostors and coins that are listed twice: no more is joined than belongs together."""
    market = make(seed, size=400)
    precision, recall, wrong = figures(resolved(market.rows).coin_of(), market.rows, market.labels())
    assert precision >= 0.985, "\n".join(wrong)
    assert recall >= 0.975, "\n".join(wrong)


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5, 6])
def test_coins_that_both_sources_price_are_never_mixed_up(seed: int) -> None:
    """With a price from both sources, nothing is joined that does not belong together and next to nothing is missed."""
    market = make(seed, size=400)
    coin_of, labels = resolved(market.rows).coin_of(), market.labels()
    priced_by: dict[str, set[str]] = {}
    for row in market.rows:
        if row.price is not None:
            priced_by.setdefault(labels[row.listing_id], set()).add(row.source)
    rows = [r for r in market.rows if r.price is not None and len(priced_by[labels[r.listing_id]]) == 2]
    precision, recall, wrong = figures(coin_of, rows, labels)
    assert precision == 1.0, "\n".join(wrong)
    assert recall >= 0.995, "\n".join(wrong)
