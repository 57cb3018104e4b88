"""What CoinGecko's answers become."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kasparro.errors import AbortError, KasparroError, RetryError, SkipError
from kasparro.records import ExchangeRate, ListingContract
from kasparro.sources.coingecko import LIST, MARKETS, PAGES_MAX, RATES
from tests.sources.parsing import FETCHED_AT, KEY, gecko, parsed, reasons


def market_row(**changes: Any) -> dict[str, Any]:
    """A row of /coins/markets with changes."""
    return {
        "id": "amber-quay",
        "symbol": "amqu",
        "name": "Amber Quay",
        "current_price": 1.25,
        "market_cap": 1_000_000,
        "total_volume": 2_000.5,
        "ath": 9.5,
        "ath_date": "2025-03-04T05:06:07.089Z",
        "last_updated": "2026-05-06T07:07:00.123Z",
        "roi": {"times": 1.5},
    } | changes


def test_a_row_of_markets_becomes_a_listing_and_a_quote() -> None:
    """Every value that is read lands in its field, unrounded, with the row as it came beside it."""
    row = market_row()
    page = parsed(gecko(), MARKETS, "page:1", [row])
    [listing], [quote] = page.listings, page.quotes
    assert (listing.source, listing.source_id, listing.symbol, listing.name) == ("coingecko", "amber-quay", "AMQU", "Amber Quay")
    assert listing.active is None
    assert (quote.price, quote.market_cap, quote.volume_24h, quote.ath_price) == (1.25, 1e6, 2000.5, 9.5)
    assert quote.observed_at == datetime(2026, 5, 6, 7, 7, 0, 123_000, UTC)
    assert quote.ath_at == datetime(2025, 3, 4, 5, 6, 7, 89_000, UTC)
    assert json.loads(quote.raw) == row
    assert (page.rows_received, page.rows_without_price, page.rejects) == (1, 0, [])


@pytest.mark.parametrize("text", ["1e-18", "126081769495048", "2.24e-06", "0.1234567890123456789", "77671", "1.0"])
def test_prices_are_the_float64_that_was_sent(text: str) -> None:
    """Integers, exponents and too many digits all decode to what Python makes of them."""
    body = json.dumps([market_row(current_price="@")]).replace('"@"', text).encode()
    assert parsed(gecko(), MARKETS, "page:1", body).quotes[0].price == float(text)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"current_price": 0}, "price is not above zero"),
        ({"current_price": -5}, "price is not above zero"),
        ({"current_price": "1.25"}, "price is not a number"),
        ({"current_price": "1.2.3"}, "price is not a number"),
        ({"current_price": True}, "price is not a number"),
        ({"current_price": [1]}, "price is not a number"),
        ({"current_price": 1.7976931348623157e308}, "price is out of range"),
        ({"current_price": 10**400}, "price is out of range"),
        ({"current_price": 5e-324}, "price is out of range"),
        ({"last_updated": "yesterday"}, "time is not an ISO 8601 time with an offset"),
        ({"last_updated": "2026-05-06T07:07:00"}, "time is not an ISO 8601 time with an offset"),
        ({"last_updated": "2026-05-06"}, "time is not an ISO 8601 time with an offset"),
        ({"last_updated": 1_778_000_000}, "time is not an ISO 8601 time with an offset"),
        ({"last_updated": "9999-12-31T23:59:59-23:00"}, "time is not an ISO 8601 time with an offset"),
        ({"last_updated": (FETCHED_AT + timedelta(minutes=5, seconds=1)).isoformat()}, "observed in the future"),
        ({"last_updated": "2008-12-31T23:59:59Z"}, "observed before there were coins"),
    ],
)
def test_a_price_that_makes_no_sense_is_rejected_and_the_listing_stays(change: dict[str, Any], reason: str) -> None:
    """A bad price or time costs the quote, with its reason, and not the coin."""
    page = parsed(gecko(), MARKETS, "page:1", [market_row(**change), market_row(id="other")])
    assert [x.source_id for x in page.listings] == ["amber-quay", "other"]
    assert [x.source_id for x in page.quotes] == ["other"]
    assert [(r.source_id, r.reason) for r in page.rejects] == [("amber-quay", reason)]
    assert page.rows_without_price == 1


@pytest.mark.parametrize("change", [{"current_price": None}, {"current_price": ""}, {"last_updated": None}, {"last_updated": ""}])
def test_a_row_without_a_price_or_a_time_is_counted_and_no_reject(change: dict[str, Any]) -> None:
    """CoinGecko sends null for what it does not know: that is no defect."""
    page = parsed(gecko(), MARKETS, "page:1", [market_row(**change)])
    assert (len(page.listings), page.quotes, page.rejects, page.rows_without_price) == (1, [], [], 1)


def test_a_field_that_changed_its_name_shows_as_rows_without_a_price() -> None:
    """The run can then tell that the page lost its prices."""
    row = market_row()
    row["price_now"] = row.pop("current_price")
    page = parsed(gecko(), MARKETS, "page:1", [row])
    assert (page.rows_without_price, page.rejects) == (1, [])


def test_five_minutes_ahead_is_a_clock_that_differs() -> None:
    """Up to five minutes in the future a quote is taken."""
    row = market_row(last_updated=(FETCHED_AT + timedelta(minutes=5)).isoformat())
    assert len(parsed(gecko(), MARKETS, "page:1", [row]).quotes) == 1


@pytest.mark.parametrize(
    ("field", "sent", "kept"),
    [
        ("market_cap", 0.0, None),
        ("market_cap", None, None),
        ("market_cap", "", None),
        ("market_cap", "much", None),
        ("market_cap", -1, None),
        ("market_cap", 1e300, None),
        ("market_cap", 5.291e-05, 5.291e-05),
        ("total_volume", 0.0, 0.0),
        ("total_volume", None, None),
        ("ath", 0.0, None),
        ("ath", False, None),
        ("ath_date", "whenever", None),
        ("ath_date", "0001-01-01T00:00:00Z", None),
    ],
)
def test_what_comes_with_a_price_is_kept_where_it_makes_sense(field: str, sent: object, kept: object) -> None:
    """0 is "unknown" for a market cap and an all-time high and a value for a volume; nonsense costs the field, not the price."""
    [quote] = parsed(gecko(), MARKETS, "page:1", [market_row(**{field: sent})]).quotes
    names = {"market_cap": "market_cap", "total_volume": "volume_24h", "ath": "ath_price", "ath_date": "ath_at"}
    assert getattr(quote, names[field]) == kept


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"id": None}, "id is missing or not text"),
        ({"id": ["x"]}, "id is missing or not text"),
        ({"id": " "}, "id is empty"),
        ({"id": "x" * 201}, "id is too long"),
        ({"id": "a\x00b"}, "id holds a control character"),
        ({"symbol": None}, "symbol is missing or not text"),
        ({"symbol": "x" * 201}, "symbol is too long"),
        ({"name": 7}, "name is missing or not text"),
        ({"name": ""}, "name is empty"),
        ({"name": "x" * 501}, "name is too long"),
    ],
)
def test_a_row_without_an_identity_is_rejected(change: dict[str, Any], reason: str) -> None:
    """What cannot be named cannot be a listing; the rows beside it stay."""
    page = parsed(gecko(), MARKETS, "page:1", [market_row(**change), market_row(id="other")])
    assert [x.source_id for x in page.listings] == ["other"]
    assert reasons(page) == [reason]
    assert page.rows_without_price == 0


def test_texts_are_trimmed_and_rid_of_control_characters() -> None:
    """No-break spaces and a NUL go; what is left is the name."""
    [listing] = parsed(gecko(), MARKETS, "page:1", [market_row(symbol="neo\u00a0", name=" Am\x00ber\n Quay ")]).listings
    assert (listing.symbol, listing.name) == ("NEO", "Amber Quay")


def test_a_coin_without_a_symbol_is_a_listing() -> None:
    """CoinGecko lists a few; they must not be lost, nor count as a defect."""
    page = parsed(gecko(), LIST, "all", [{"id": "x", "symbol": "", "name": "X", "platforms": {}}])
    assert ([x.symbol for x in page.listings], page.rejects) == ([""], [])


@pytest.mark.parametrize("row", [7, "text", None, [1], True])
def test_a_row_that_is_no_object_is_rejected(row: object) -> None:
    """Whatever stands where an object belongs costs that row only."""
    page = parsed(gecko(), MARKETS, "page:1", [row, market_row()])
    assert (reasons(page), len(page.quotes)) == (["row is not an object"], 1)


def test_of_two_rows_of_one_listing_the_newer_quote_stays() -> None:
    """Ranks move while pages are read, and a coin may come twice: one of them is taken."""
    rows = [
        market_row(current_price=1),
        market_row(current_price=2, last_updated="2026-05-06T07:08:00Z"),
        market_row(current_price=3, last_updated=None),
    ]
    page = parsed(gecko(), MARKETS, "page:1", rows)
    assert [q.price for q in page.quotes] == [2.0]
    assert len(page.listings) == 1
    assert reasons(page) == ["listed twice in one answer"] * 2


def test_a_full_page_makes_the_next_one_known() -> None:
    """250 rows: there may be more; fewer: this was the last page."""
    rows = [market_row(id=f"coin-{i}") for i in range(250)]
    page = parsed(gecko(), MARKETS, "page:3", rows)
    assert (page.next_parts, page.is_last) == (("page:4",), False)
    page = parsed(gecko(), MARKETS, "page:3", rows[:249])
    assert (page.next_parts, page.is_last) == ((), True)
    assert parsed(gecko(), MARKETS, "page:3", []).is_last


def test_pages_end_somewhere() -> None:
    """A server that always answers with a full page is not asked for ever, and the last page is not taken for the end."""
    rows = [market_row(id=f"coin-{i}") for i in range(250)]
    page = parsed(gecko(), MARKETS, f"page:{PAGES_MAX}", rows)
    assert (page.next_parts, page.is_last) == ((), False)


def test_the_list_gives_listings_and_their_contracts() -> None:
    """An empty platform or address stands for none."""
    rows = [
        {"id": "a", "symbol": "a", "name": "A", "platforms": {"ethereum": "0xAb", "solana": None, "": "", "tron": " "}},
        {"id": "b", "symbol": "b", "name": "B", "platforms": {}},
        {"id": "c", "symbol": "c", "name": "C"},
        {"id": "d", "symbol": "d", "name": "D", "platforms": ["ethereum"]},
        {"id": "e", "symbol": "e", "name": "E", "platforms": {"ethereum": 7, "tron": "x" * 501, "base": "0x1"}},
        {"id": "a", "symbol": "a", "name": "A again", "platforms": {"ethereum": "0xCd"}},
    ]
    page = parsed(gecko(), LIST, "all", rows)
    assert [(x.source_id, x.active) for x in page.listings] == [(i, True) for i in "abcde"]
    assert page.contracts == [
        ListingContract(source_id="a", platform="ethereum", address="0xAb"),
        ListingContract(source_id="e", platform="base", address="0x1"),
    ]
    assert reasons(page) == ["platforms are not an object", "contract is not text", "contract is not usable", "listed twice in one answer"]
    assert page.is_last


def test_rates_are_per_dollar() -> None:
    """CoinGecko's rates are in BTC; a rate that is none costs itself."""
    rates = {c: {"value": v} for c, v in {"usd": 100_000.0, "EUR": 90_000, "btc": 1.0, "xxx": None, "not a code": 1, "neg": -1}.items()}
    page = parsed(gecko(), RATES, "all", {"rates": rates | {"odd": 7}})
    assert page.rates == [
        ExchangeRate(currency="usd", per_usd=1.0),
        ExchangeRate(currency="eur", per_usd=0.9),
        ExchangeRate(currency="btc", per_usd=1e-5),
    ]
    assert (page.rows_received, reasons(page)) == (7, ["rate is not usable"] * 4)


@pytest.mark.parametrize("answer", [[], {}, {"rates": {}}, {"rates": []}, {"rates": {"usd": {"value": 0}}}, {"rates": {"usd": 1}}, 7])
def test_rates_without_the_dollar_are_no_rates(answer: object) -> None:
    """Every rate is measured against the dollar's."""
    with pytest.raises(SkipError, match="usd"):
        parsed(gecko(), RATES, "all", answer)


@pytest.mark.parametrize("stream", [LIST, MARKETS, RATES])
def test_a_limit_in_disguise_is_a_limit(stream: str) -> None:
    """Status 200 with the body of a 429 is to be asked again in a minute."""
    body = {"status": {"error_code": 429, "error_message": "You've exceeded the Rate Limit."}}
    with pytest.raises(RetryError, match="exceeded the Rate Limit") as caught:
        parsed(gecko(), stream, "page:1" if stream == MARKETS else "all", body)
    assert (caught.value.code, caught.value.retry_after_seconds) == ("rate_limited", 60.0)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b'{"data": "moved"}', 'an object with "data"'),
        (b"<html><head><title>Down for\n maintenance</title></head></html>", 'HTML ("Down for maintenance")'),
        (b"", "an empty body"),
        (b"7", "1 bytes that start with '7'"),
        (b"[{}", "cut off"),
        (b"[1,2]]", "not valid JSON"),
        (b'["a]', "not valid JSON"),
        (b"[" * 100_000 + b"]", "not valid JSON"),
    ],
)
def test_another_shape_is_named(body: bytes, named: str) -> None:
    """The error says what came instead of a list."""
    with pytest.raises(SkipError) as caught:
        parsed(gecko(), MARKETS, "page:1", body)
    assert named in str(caught.value)
    assert "coingecko.markets, page:1" in str(caught.value)


def envelope(code: int, message: str = "because") -> bytes:
    """CoinGecko's nested error."""
    return json.dumps({"error": {"status": {"error_code": code, "error_message": message}}}).encode()


BLOCKED = b"<!DOCTYPE html><html><head><title>Access denied</title></head><body>error code: 1020</body></html>"


@pytest.mark.parametrize(
    ("status", "body", "family", "code", "said"),
    [
        (400, b'{"error":"invalid vs_currency"}', SkipError, "refused", "invalid vs_currency"),
        (401, b"{}", AbortError, "key_refused", "COINGECKO_API_KEY"),
        (401, envelope(10002), AbortError, "key_missing", "COINGECKO_API_KEY"),
        (401, envelope(10005), SkipError, "plan_refused", "COINGECKO_PLAN"),
        (400, envelope(10010), AbortError, "key_wrong_host", "basic, analyst, lite or enterprise"),
        (400, envelope(10011), AbortError, "key_wrong_host", "COINGECKO_PLAN=demo"),
        (401, envelope(10012), SkipError, "plan_refused", "reach back"),
        (402, b"", AbortError, "plan_refused", "plan"),
        (403, BLOCKED, AbortError, "blocked", "firewall"),
        (403, b'{"error":"no"}', AbortError, "key_refused", "COINGECKO_API_KEY"),
        (404, b'{"error":"coin not found"}', SkipError, "not_found", "COINGECKO_BASE_URL"),
        (408, b"", RetryError, "upstream_error", "its side"),
        (429, b'{"status":{"error_code":429,"error_message":"Too fast"}}', RetryError, "rate_limited", "Too fast"),
        (500, b"<html>oops", RetryError, "upstream_error", "500"),
        (503, b"", RetryError, "upstream_error", "503"),
        (520, b"error code: 520", RetryError, "upstream_error", "520"),
        (418, b"", SkipError, "refused", "418"),
    ],
)
def test_every_status_says_what_to_do(status: int, body: bytes, family: type[KasparroError], code: str, said: str) -> None:
    """Which family an answer belongs to, and the advice in its message."""
    error = gecko().explain(status, body)
    assert type(error) is family
    assert error.code == code
    assert said in str(error)
    assert str(status) in str(error)


def test_messages_are_short() -> None:
    """Pages of text with line breaks do not get into our logs."""
    source = gecko(COINGECKO_API_KEY=KEY)
    for words in ("x" * 10_000, "line\r\nbreak"):
        for status in (400, 401, 403, 429, 500):
            for body in (envelope(1, words), words.encode(), f"<html><title>{words}</title>".encode()):
                message = str(source.explain(status, body))
                assert len(message) < 600
                assert "\n" not in message


@pytest.mark.parametrize(
    ("environment", "headers"),
    [
        ({}, {}),
        ({"COINGECKO_API_KEY": KEY}, {"x-cg-demo-api-key": KEY}),
        ({"COINGECKO_API_KEY": KEY, "COINGECKO_PLAN": "analyst"}, {"x-cg-pro-api-key": KEY}),
        ({"COINGECKO_API_KEY": KEY, "COINGECKO_PLAN": "keyless"}, {}),
    ],
)
def test_the_key_goes_into_its_plans_header(environment: dict[str, str], headers: dict[str, str]) -> None:
    """Demo and paid keys have different headers; the keyless plan sends none."""
    assert gecko(**environment).headers() == headers


def test_requests_ask_for_everything_unrounded() -> None:
    """250 rows a page, full precision, in one order."""
    request = gecko().request(MARKETS, "page:7")
    assert request.path == "/coins/markets"
    assert dict(request.query) == {
        "vs_currency": "usd",
        "order": "market_cap_desc",
        "per_page": "250",
        "page": "7",
        "sparkline": "false",
        "precision": "full",
    }
    assert gecko().request(LIST, "all").query == (("include_platform", "true"),)


@pytest.mark.parametrize("part", ["page:0", "page:x", "page:", "page:-1", "page:99999999999", "all", "page:²"])
def test_unknown_parts_are_refused(part: str) -> None:
    """A part that a stream cannot have is never asked for."""
    with pytest.raises(SkipError):
        gecko().request(MARKETS, part)
