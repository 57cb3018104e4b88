"""What CoinPaprika's answers become."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from kasparro.errors import AbortError, KasparroError, RetryError, SkipError
from kasparro.records import ListingContract
from kasparro.sources.coinpaprika import COINS, CONTRACTS, PLATFORMS, PLATFORMS_MAX, TICKERS
from tests.sources.parsing import KEY, paprika, parsed, reasons


def ticker(usd: object = None, **changes: Any) -> dict[str, Any]:
    """A row of /tickers with changes; `usd` is merged into its quote where it is an object, and is the quote otherwise."""
    quote: dict[str, Any] = {
        "price": 1.25,
        "volume_24h": 2_000.5,
        "market_cap": 1_000_000,
        "ath_price": 9.5,
        "ath_date": "2025-03-04T05:06:00Z",
    }
    return {
        "id": "amqu-amber-quay",
        "name": "Amber Quay",
        "symbol": "AMQU",
        "rank": 12,
        "total_supply": "",
        "max_supply": 0,
        "last_updated": "2026-05-06T07:07:00Z",
        "quotes": {"USD": quote | usd if isinstance(usd, dict) else quote if usd is None else usd},
    } | changes


def test_a_ticker_becomes_a_listing_and_a_quote() -> None:
    """Every value that is read lands in its field, unrounded, with the row as it came beside it."""
    row = ticker()
    page = parsed(paprika(), TICKERS, "all", [row])
    [listing], [quote] = page.listings, page.quotes
    assert (listing.source, listing.source_id, listing.symbol, listing.name) == ("coinpaprika", "amqu-amber-quay", "AMQU", "Amber Quay")
    assert listing.active is None
    assert (quote.price, quote.market_cap, quote.volume_24h, quote.ath_price) == (1.25, 1e6, 2000.5, 9.5)
    assert quote.observed_at == datetime(2026, 5, 6, 7, 7, 0, tzinfo=UTC)
    assert quote.ath_at == datetime(2025, 3, 4, 5, 6, tzinfo=UTC)
    assert json.loads(quote.raw) == row
    assert (page.is_last, page.next_parts, page.rows_without_price) == (True, (), 0)


@pytest.mark.parametrize(
    ("usd", "market_cap", "volume", "ath"),
    [
        ({"market_cap": 0, "volume_24h": 0, "ath_price": 0}, None, 0.0, None),
        ({"market_cap": "", "volume_24h": "", "ath_price": "", "ath_date": ""}, None, None, None),
        ({"market_cap": None, "volume_24h": None, "ath_price": None, "ath_date": None}, None, None, None),
        ({"market_cap": "7", "volume_24h": [], "ath_price": {}}, None, None, None),
    ],
)
def test_missing_numbers_come_in_three_shapes(usd: dict[str, Any], market_cap: object, volume: object, ath: object) -> None:
    """Empty text and null are unknown, and so is 0 but for a volume."""
    [quote] = parsed(paprika(), TICKERS, "all", [ticker(usd)]).quotes
    assert (quote.market_cap, quote.volume_24h, quote.ath_price) == (market_cap, volume, ath)


@pytest.mark.parametrize("usd", [{"price": ""}, {"price": None}])
@pytest.mark.parametrize("changes", [{}, {"last_updated": None}])
def test_a_ticker_without_a_price_is_counted_and_no_reject(usd: dict[str, Any], changes: dict[str, Any]) -> None:
    """The specification says that missing values are empty strings: that is no defect."""
    page = parsed(paprika(), TICKERS, "all", [ticker(usd, **changes)])
    assert (len(page.listings), page.quotes, page.rejects, page.rows_without_price) == (1, [], [], 1)


@pytest.mark.parametrize("quotes", [None, "", {}, {"EUR": {"price": 1}}, {"USD": None}])
def test_a_ticker_without_a_dollar_quote_is_counted_and_no_reject(quotes: object) -> None:
    """No quote in dollars is no price."""
    page = parsed(paprika(), TICKERS, "all", [ticker(quotes=quotes)])
    assert (page.quotes, page.rejects, page.rows_without_price) == ([], [], 1)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (ticker({"price": "1.2.3"}), "price is not a number"),
        (ticker({"price": -5}), "price is not above zero"),
        (ticker({"price": 0}), "price is not above zero"),
        (ticker({"price": 1.7976931348623157e308}), "price is out of range"),
        (ticker(7), "quotes are not an object"),
        (ticker([]), "quotes are not an object"),
        (ticker(quotes=7), "quotes are not an object"),
        (ticker(last_updated="2026-05-06T07:14:00Z"), "observed in the future"),
        (ticker(last_updated="1970-01-01T00:00:00Z"), "observed before there were coins"),
    ],
)
def test_a_price_that_makes_no_sense_is_rejected_and_the_listing_stays(row: dict[str, Any], reason: str) -> None:
    """A bad price or time costs the quote, with its reason, and not the coin."""
    page = parsed(paprika(), TICKERS, "all", [row])
    assert (len(page.listings), page.quotes, reasons(page)) == (1, [], [reason])


def test_coins_say_which_are_active() -> None:
    """The list names every coin that there ever was."""
    rows = [
        {"id": "a", "symbol": "A", "name": "A", "is_active": True},
        {"id": "b", "symbol": "B", "name": "B", "is_active": False},
        {"id": "c", "symbol": "C", "name": "C"},
        {"id": "b", "symbol": "B", "name": "B again", "is_active": True},
        {"id": 7, "symbol": "D", "name": "D"},
    ]
    page = parsed(paprika(), COINS, "all", rows)
    assert [(x.source_id, x.active) for x in page.listings] == [("a", True), ("b", False), ("c", None)]
    assert reasons(page) == ["listed twice in one answer", "id is missing or not text"]
    assert [r.source_id for r in page.rejects] == ["b", None]
    assert (page.is_last, page.rows_received) == (True, 5)


def test_the_platforms_become_parts() -> None:
    """What would not be one segment of a path is refused: it is the other side's text."""
    page = parsed(
        paprika(), CONTRACTS, PLATFORMS, ["eth-ethereum", " sol-solana ", "eth-ethereum", "../coins", "a/b", "", 7, None, PLATFORMS]
    )
    assert page.next_parts == ("eth-ethereum", "sol-solana")
    assert (page.is_last, page.rows_received) == (False, 9)
    assert reasons(page) == ["listed twice in one answer", *["platform id is not usable"] * 6]
    assert paprika().request(CONTRACTS, "sol-solana").path == "/contracts/sol-solana"
    with pytest.raises(SkipError):
        paprika().request(CONTRACTS, "../coins")


def test_there_are_no_more_platforms_than_calls_for_them() -> None:
    """Each platform costs a call: a list of thousands is cut, and says so."""
    page = parsed(paprika(), CONTRACTS, PLATFORMS, [f"p{i}" for i in range(PLATFORMS_MAX + 1)])
    assert len(page.next_parts) == PLATFORMS_MAX
    assert reasons(page) == ["too many platforms"]


def test_without_platforms_the_stream_ends() -> None:
    """An empty list of platforms makes nothing known."""
    page = parsed(paprika(), CONTRACTS, PLATFORMS, [])
    assert (page.next_parts, page.is_last) == ((), True)


def test_a_platform_gives_its_contracts() -> None:
    """Each address once per coin, spelled as it came; inactive coins' too."""
    rows = [
        {"address": "0xAb", "type": "ERC20", "id": "a", "active": True},
        {"address": "0xAb", "type": "ERC20", "id": "b", "active": False},
        {"address": "0xAb", "type": "ERC20", "id": "a", "active": True},
        {"address": None, "id": "c"},
        {"address": 7, "id": "d"},
        {"id": None, "address": "0x1"},
        "no object",
    ]
    page = parsed(paprika(), CONTRACTS, "eth-ethereum", rows)
    assert page.contracts == [ListingContract(source_id=i, platform="eth-ethereum", address="0xAb") for i in "ab"]
    assert reasons(page) == [
        "listed twice in one answer",
        "contract is missing",
        "contract is not text",
        "id is missing or not text",
        "row is not an object",
    ]


@pytest.mark.parametrize(("stream", "part"), [(COINS, "all"), (TICKERS, "all"), (CONTRACTS, PLATFORMS), (CONTRACTS, "eth-ethereum")])
def test_an_error_in_place_of_a_list_is_told(stream: str, part: str) -> None:
    """The source's own words are in the error."""
    with pytest.raises(SkipError, match="maximum request limit"):
        parsed(paprika(), stream, part, {"error": "you have reached maximum request limit"})


@pytest.mark.parametrize(
    ("status", "body", "family", "code", "said"),
    [
        (400, b'{"error":"invalid parameters"}', SkipError, "refused", "invalid parameters"),
        (402, b'{"error":"payment required"}', AbortError, "plan_refused", "COINPAPRIKA_PLAN"),
        (403, b'{"error":"forbidden"}', AbortError, "key_refused", "COINPAPRIKA_API_KEY"),
        (403, b"<html>error code: 1020</html>", AbortError, "blocked", "firewall"),
        (404, b'{"error":"id not found"}', SkipError, "not_found", "id not found"),
        (429, b'{"error":"you have reached maximum request limit"}', RetryError, "rate_limited", "maximum request limit"),
        (500, b"", RetryError, "upstream_error", "500"),
        (301, b"", SkipError, "refused", "301"),
    ],
)
def test_every_status_says_what_to_do(status: int, body: bytes, family: type[KasparroError], code: str, said: str) -> None:
    """Which family an answer belongs to, and the advice in its message."""
    error = paprika(COINPAPRIKA_API_KEY=KEY, COINPAPRIKA_PLAN="starter").explain(status, body)
    assert (type(error), error.code) == (family, code)
    assert said in str(error)
    assert KEY not in str(error)


def test_the_key_is_sent_without_the_word_bearer() -> None:
    """The specification and the clients agree on the raw key."""
    assert paprika(COINPAPRIKA_API_KEY=KEY, COINPAPRIKA_PLAN="starter").headers() == {"Authorization": KEY}
    assert paprika().headers() == {}
    assert paprika(COINPAPRIKA_API_KEY=KEY).headers() == {}
