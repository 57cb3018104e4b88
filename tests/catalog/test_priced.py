"""Prices and quotes from the columns that they are stored in."""

from datetime import UTC, datetime
from typing import Any

from kasparro.catalog.priced import price_of, quote_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def shared(value: Any) -> Any:
    """Each value as it is."""
    return value


def test_a_quote_says_what_it_says_beside_the_price_that_comes_from_its_listing() -> None:
    """What both say is one object; a newer quote, of which no price was made yet, stays itself."""
    price = price_of((NOW, NOW, 1234.5, "only", "a", None, 1.0, "", 99.5, None), "a", "x", shared, None)

    same = quote_of((float("1234.5"), float("99.5"), None, NOW, NOW), "a", "x", price)
    other = quote_of((2.0, None, 3.0, NOW.replace(hour=1), NOW), "a", "x", price)

    assert (same.price is price.value, same.market_cap is price.market_cap, same.volume_24h) == (True, True, None)
    assert (other.price, other.market_cap, other.volume_24h, other.observed_at) == (2.0, None, 3.0, NOW.replace(hour=1))
