"""The made-up market holds what tests rely on."""

from collections import Counter

from kasparro.demo.market import made_market
from kasparro.sources import coingecko, coinpaprika
from tests.sources.parsing import gecko, paprika, parsed
from tests.upstream.server import Upstream


def test_the_market_has_its_sizes() -> None:
    """Three pages of CoinGecko, 400 coins and 250 tickers of CoinPaprika, three platforms, every id once per provider."""
    market = made_market()
    assert (len(market.gecko_markets), len(market.gecko_list)) == (600, 660)
    assert (len(market.paprika_coins), len(market.paprika_tickers), len(market.paprika_contracts)) == (400, 250, 3)
    for rows in (market.gecko_markets, market.gecko_list, market.paprika_coins, market.paprika_tickers):
        assert len({r["id"] for r in rows}) == len(rows)


def test_the_truth_is_about_listings_that_exist() -> None:
    """Each kind is there, and no pair is both the same coin and two."""
    market = made_market()
    listed, coins = {r["id"] for r in market.gecko_list}, {r["id"] for r in market.paprika_coins}
    assert all(g in listed and p in coins for g, p in market.same + market.different)
    assert not set(market.same) & set(market.different)
    assert {("bitcoin", "btc-bitcoin"), ("wrapped-bitcoin", "wbtc-wrapped-bitcoin")} <= set(market.same)
    assert len(market.twice) == 5
    assert set(Counter(market.kinds.values())) == {"great", "plain", "renamed", "clone", "wrapped", "twice", "alone"}
    assert made_market.__wrapped__() == market


async def test_the_sources_read_the_market_without_a_reject(upstream: Upstream) -> None:
    """What the fake upstream sends is what the sources send."""
    market = upstream.market
    pages = [
        parsed(gecko(), coingecko.LIST, "all", market.gecko_list),
        parsed(gecko(), coingecko.MARKETS, "page:1", [dict(r, last_updated="2026-05-06T07:07:00.000Z") for r in market.gecko_markets]),
        parsed(paprika(), coinpaprika.COINS, "all", market.paprika_coins),
        parsed(paprika(), coinpaprika.TICKERS, "all", [dict(r, last_updated="2026-05-06T07:07:00Z") for r in market.paprika_tickers]),
        *(parsed(paprika(), coinpaprika.CONTRACTS, p, rows) for p, rows in market.paprika_contracts.items()),
    ]
    assert [len(p.rejects) for p in pages] == [0] * len(pages)
    assert [len(p.quotes) for p in pages[:4]] == [0, 600, 0, 250]
    assert sum(len(p.contracts) for p in pages) > 600


async def test_a_tick_moves_prices_and_times_together(upstream: Upstream) -> None:
    """Both providers' prices of a coin walk one course; without a tick nothing changes."""
    before = upstream.price("bitcoin"), upstream.price("btc-bitcoin"), upstream.observed_at
    assert (upstream.price("bitcoin"), upstream.observed_at) == (before[0], before[2])
    upstream.tick(5)
    assert upstream.price("bitcoin") != before[0]
    assert abs(upstream.price("bitcoin") / before[0] - upstream.price("btc-bitcoin") / before[1]) < 1e-12
    assert (upstream.observed_at - before[2]).total_seconds() == 300
