"""From quotes one price."""

from datetime import UTC, datetime, timedelta

import pytest

from kasparro.pricing.choose import choose
from kasparro.records import CoinQuote

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def quote(source: str, price: float, *, age_seconds: float = 0, market_cap: float | None = None) -> CoinQuote:
    """A quote seen some seconds ago."""
    return CoinQuote(
        source=source,
        listing_id=sum(map(ord, source)),
        price=price,
        observed_at=NOW - timedelta(seconds=age_seconds),
        market_cap=market_cap,
        volume_24h=None,
    )


def test_the_newest_quote_is_the_price() -> None:
    """It is served as the float64 that the source sent."""
    price = choose([quote("coingecko", 0.1 + 0.2, age_seconds=5), quote("coinpaprika", 0.3, age_seconds=60)], None, NOW)

    assert price is not None
    assert price.value == 0.1 + 0.2
    assert (price.sources_used, price.method, price.flags) == (("coingecko",), "newest", ())
    assert price.observed_at == NOW - timedelta(seconds=5)


def test_quotes_of_one_moment_are_ordered_by_source() -> None:
    """The order in which they arrive must not matter."""
    quotes = [quote("coinpaprika", 2.0), quote("coingecko", 1.0)]

    assert choose(quotes, None, NOW) == choose(quotes[::-1], None, NOW)


def test_a_market_cap_that_the_newest_quote_lacks_is_taken_from_the_other() -> None:
    """A coin must not lose its rank each time that the other source is the newer one."""
    price = choose([quote("coingecko", 1.0, market_cap=7e9, age_seconds=9), quote("coinpaprika", 1.0)], None, NOW)

    assert price is not None
    assert price.market_cap == 7e9


def test_one_source_alone_is_said_so() -> None:
    """It has no spread and half the confidence."""
    price = choose([quote("coingecko", 1.0)], None, NOW)

    assert price is not None
    assert (price.spread_pct, price.confidence, price.flags) == (None, 0.5, ("single_source",))


@pytest.mark.parametrize(("minutes", "stale"), [(0, False), (60, False), (60.1, True), (1440, True)])
def test_a_price_that_was_seen_over_an_hour_ago_is_stale(minutes: float, *, stale: bool) -> None:
    """By the source's own time; where one of two quotes is young, the price is that one and not stale."""
    old = quote("coingecko", 1.0, age_seconds=minutes * 60)

    alone, beside = choose([old], None, NOW), choose([old, quote("coinpaprika", 2.0)], None, NOW)

    assert alone is not None
    assert beside is not None
    assert alone.flags == (("single_source", "stale") if stale else ("single_source",))
    assert beside.flags == ()


def test_no_quote_is_no_price() -> None:
    """Nothing is made up."""
    assert choose([], None, NOW) is None
