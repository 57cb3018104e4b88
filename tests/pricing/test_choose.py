"""From quotes one price."""

from datetime import UTC, datetime, timedelta
from math import inf, isfinite, nan
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kasparro.pricing.choose import choose
from kasparro.records import CoinQuote, Price

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
G, P = "coingecko", "coinpaprika"


def quote(source: str, price: float, minutes: float = 0, volume: float | None = 1e6, cap: float | None = None) -> CoinQuote:
    """A quote seen some minutes ago."""
    return CoinQuote(
        source=source,
        listing_id=sum(map(ord, source)),
        price=price,
        observed_at=NOW - timedelta(minutes=minutes),
        market_cap=cap,
        volume_24h=volume,
    )


def past(value: float, minutes: float = 5, flags: tuple[str, ...] = ()) -> Price:
    """What the coin cost some minutes ago."""
    return Price(
        value=value,
        observed_at=NOW - timedelta(minutes=minutes),
        method="newest",
        sources_used=(G, P),
        listing_id=1,
        spread_pct=None,
        confidence=1.0,
        flags=flags,
        market_cap=None,
        volume_24h=None,
    )


class Case(NamedTuple):
    """Quotes, what the coin cost before, and the answer."""

    what: str
    quotes: list[CoinQuote]
    before: Price | None
    value: float
    method: str
    flags: tuple[str, ...]
    confidence: float


# fmt: off
CASES = [
    Case("agreeing sources: the newest", [quote(G, 100.0, 3), quote(P, 101.0, 1)], past(100), 101.0, "newest", (), 0.98),
    Case("the same price from both", [quote(G, 7.0, 3), quote(P, 7.0, 1)], None, 7.0, "newest", (), 1.0),
    Case("0.0001 against 100 with a past of 99", [quote(G, 0.0001), quote(P, 100.0, 2)], past(99), 100.0, "past", ("disagree",), 0.3),
    Case("the same, whoever is newer", [quote(G, 100.0, 2), quote(P, 0.0001)], past(99), 100.0, "past", ("disagree",), 0.3),
    Case("without a past: where more is traded", [quote(G, 5.0, 2, 9e6), quote(P, 8.0, 0, 1e3)], None, 5.0, "volume", ("disagree",), 0.3),
    Case("without past and volume: the newest", [quote(G, 5.0, 2, None), quote(P, 8.0, 0, None)], None, 8.0, "newest", ("disagree",), 0.3),
    Case("neither as before: the nearer one", [quote(G, 120.0, 1), quote(P, 900.0)], past(100), 120.0, "past", ("disagree",), 0.3),
    Case("both far from before: volume", [quote(G, 5.0, 1, 9e6), quote(P, 9.0, 0, 2e3)], past(100), 5.0, "volume",
         ("disagree", "suspect_jump"), 0.09),
    Case("both jump alike", [quote(G, 260.0, 1), quote(P, 262.0)], past(100), 262.0, "newest", (), 0.985),
    Case("a crash by 60 % that both see", [quote(G, 40.0, 1), quote(P, 39.5)], past(100), 39.5, "newest", (), 0.975),
    Case("a depeg that is real", [quote(G, 0.88, 1), quote(P, 0.87)], past(1.0), 0.87, "newest", (), 0.977),
    Case("a depeg that one source sees", [quote(G, 0.6, 1), quote(P, 1.0)], past(1.0), 1.0, "past", ("disagree",), 0.3),
    Case("one source alone", [quote(G, 3.0)], past(3.1), 3.0, "only", ("single_source",), 0.6),
    Case("one source alone that jumps", [quote(G, 9.0)], past(3.0), 9.0, "only", ("single_source", "suspect_jump"), 0.18),
    Case("one source gone", [quote(G, 50.0, 180), quote(P, 60.0, 2)], past(59), 60.0, "only", ("single_source",), 0.6),
    Case(
        "a stale good quote against a fresh outlier",
        [quote(G, 100.0, 120), quote(P, 0.0001, 1)], past(100, 120), 0.0001, "only", ("single_source", "suspect_jump"), 0.18,
    ),
    Case("all stale: the newest, and said so", [quote(G, 4.0, 200), quote(P, 4.1, 90)], None, 4.1, "newest", ("stale",), 0.475),
    Case("a thin market", [quote(G, 2.0, 1, 40.0), quote(P, 2.0, 3, 10.0)], None, 2.0, "newest", ("thin",), 0.7),
    Case("traded nowhere", [quote(G, 2.0, 1, 0.0)], None, 2.0, "only", ("single_source", "thin"), 0.42),
    Case("a past that is too old tells nothing", [quote(G, 9.0)], past(3.0, 2_000), 9.0, "only", ("single_source",), 0.6),
    Case("a past that was suspect decides nothing", [quote(G, 9.0, 1, 9e6), quote(P, 3.0)], past(3.0, 5, ("suspect_jump",)), 9.0, "volume",
         ("disagree", "suspect_jump"), 0.09),
    Case("zero, negative, infinite and no number: never a price", [*(quote(G, x) for x in (0.0, -1.0, inf, nan)), quote(P, 2.0)], None,
         2.0, "only", ("single_source",), 0.6),
    Case("two sources against one", [quote(G, 5.0, 9), quote(P, 5.1, 9), quote("third", 9.0, 0, 1e9)], past(9.0), 5.0, "newest",
         ("disagree",), 0.3),
    Case("what moves in an hour is no disagreement", [quote(G, 100.0, 55), quote(P, 106.0)], None, 106.0, "newest", (), 0.88),
]
# fmt: on


@pytest.mark.parametrize("case", CASES, ids=[case.what for case in CASES])
def test_the_price_that_is_chosen(case: Case) -> None:
    """The table of docs/prices.md: value, method, flags and confidence."""
    price = choose(case.quotes, case.before, NOW)

    assert price is not None
    assert (price.value, price.method, price.flags) == (case.value, case.method, case.flags)
    assert price.confidence == pytest.approx(case.confidence, abs=0.006)


@pytest.mark.parametrize("quotes", [[], [quote(G, 0.0)], [quote(G, inf), quote(P, -3.0)], [quote(G, 1.0, -10)]])
def test_where_nothing_can_be_said_there_is_no_price(quotes: list[CoinQuote]) -> None:
    """No quote, none that is a price, or none but of the future."""
    assert choose(quotes, past(1.0), NOW) is None


def test_the_price_is_the_quote_to_the_last_bit() -> None:
    """It is served as the float64 that the source sent, with its own time, and with what it lacks from one that agrees."""
    price = choose([quote(G, 0.1 + 0.2, 1, None), quote(P, 0.3, 2, 5e5, 7e9)], None, NOW)

    assert price is not None
    assert price.value == 0.1 + 0.2
    assert price.observed_at == NOW - timedelta(minutes=1)
    assert (price.market_cap, price.volume_24h, price.sources_used) == (7e9, 5e5, (G, P))


@pytest.mark.parametrize("listing_ids", [(1, 2), (2, 1)])
def test_of_quotes_of_one_time_it_does_not_matter_which_comes_first(listing_ids: tuple[int, int]) -> None:
    """The first by source and listing is taken, so that the price does not change with the order of rows."""
    quotes = [msgspec.structs.replace(quote(G, float(n)), listing_id=n) for n in listing_ids]
    agreeing = [msgspec.structs.replace(quote(source, 100.0 + n / 10), listing_id=n) for n, source in enumerate((P, G, G))]
    for some, listing_id in ((quotes, 1), (agreeing, 1), (agreeing[::-1], 1)):
        price = choose(some, None, NOW)
        assert price is not None
        assert price.listing_id == listing_id


def test_nothing_is_taken_from_a_quote_that_disagrees() -> None:
    """Neither its market cap nor its name among the sources."""
    price = choose([quote(G, 100.0, 1), quote(P, 0.5, 0, 1e6, 9e9)], past(100), NOW)

    assert price is not None
    assert (price.value, price.market_cap, price.sources_used) == (100.0, None, (G,))


_QUOTES = st.lists(
    st.builds(
        quote,
        st.sampled_from([G, P, "third"]),
        st.floats(allow_nan=True, allow_infinity=True),
        st.floats(-10, 5_000),
        st.none() | st.floats(0, 1e12),
        st.none() | st.floats(1, 1e12),
    ),
    max_size=5,
)


@given(_QUOTES, st.none() | st.floats(1e-12, 1e12), st.randoms(use_true_random=False))
def test_a_price_is_always_one_of_the_quotes(quotes: list[CoinQuote], before: float | None, rng: object) -> None:
    """Whatever comes in whatever order: finite, above zero, never a mean, with a confidence between 0 and 1."""
    previous = None if before is None else past(before)
    price = choose(quotes, previous, NOW)
    shuffled = list(quotes)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    if price is None:
        assert not [q for q in quotes if q.price > 0 and isfinite(q.price) and q.observed_at <= NOW + timedelta(minutes=5)]
        return
    assert price.value in [q.price for q in quotes]
    assert isfinite(price.value)
    assert price.value > 0
    assert 0 <= price.confidence <= 1
    assert price.spread_pct is None or isfinite(price.spread_pct)
    again = choose(shuffled, previous, NOW)
    assert again is not None
    assert len({q.source for q in quotes}) < len(quotes) or again.value == price.value


@pytest.mark.parametrize(("minutes", "stale"), [(0, False), (60, False), (60.1, True), (1440, True)])
def test_a_price_that_was_seen_over_an_hour_ago_is_stale(minutes: float, *, stale: bool) -> None:
    """By the source's own time."""
    alone = choose([quote(G, 1.0, minutes)], None, NOW)

    assert alone is not None
    assert alone.flags == (("single_source", "stale") if stale else ("single_source",))
