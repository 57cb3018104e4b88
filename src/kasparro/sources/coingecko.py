"""CoinGecko API v3: its streams, its requests, and what its answers mean. Pure.

References: docs.coingecko.com (API v3 of the Demo and paid plans, November 2026). Where the documents and the API are known
to differ, the comments say so.
"""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Any

import msgspec

from kasparro.errors import AbortError, KasparroError, RetryError, SkipError
from kasparro.records import ExchangeRate, Listing, ListingContract, Page, Pieces, Quote, Reject, Request
from kasparro.settings import SourceSettings
from kasparro.sources import fields
from kasparro.sources.answers import Said, described, error_for, said
from kasparro.sources.base import Stream
from kasparro.sources.pages import listings_page, quotes_page
from kasparro.sources.rows import Reason, RowError, decoded, reject, rows

NAME = "coingecko"
LIST, MARKETS, RATES = "coingecko.list", "coingecko.markets", "coingecko.rates"
PAGE_ROWS = 250  # the most that /coins/markets gives at once, by pages and by ids
PAGES_MAX = 400  # 100,000 coins, five times what there are: a server that ignores `page` is not asked for ever
RETRY_AFTER_SECONDS = 60.0  # after a 429 that does not say how long: its window is a minute
ERROR_BYTES_MAX = 10_000  # a body that may be an error in disguise; /exchange_rates has no error_code either way
RATES_MAX = 500  # about 75 are known
CONTRACTS_MAX = 200  # of one listing; the most that is known is about 30

_CURRENCY = re.compile(r"[a-z0-9]{2,12}")


class _CoinRow(msgspec.Struct):
    """A row of /coins/list. Every field may hold anything: what it has to be is checked value by value."""

    id: Any = None
    symbol: Any = None
    name: Any = None
    platforms: Any = None


class _MarketRow(msgspec.Struct):
    """A row of /coins/markets, as far as it is read; the row as it came stays with the quote."""

    id: Any = None
    symbol: Any = None
    name: Any = None
    current_price: Any = None
    market_cap: Any = None
    total_volume: Any = None
    ath: Any = None
    ath_date: Any = None
    last_updated: Any = None


_COIN = msgspec.json.Decoder(_CoinRow)
_MARKET = msgspec.json.Decoder(_MarketRow)


class CoinGecko:
    """The source `coingecko`."""

    name = NAME
    streams = (
        Stream(name=LIST, first_part="all", priority=10, interval=timedelta(days=1), identity=True, complete=True, contracts="of_source"),
        Stream(name=MARKETS, first_part="page:1", priority=40, interval=timedelta(0), quotes=True, batch_listings=PAGE_ROWS),
        Stream(name=RATES, first_part="all", priority=60, interval=timedelta(hours=6)),
    )

    def __init__(self, settings: SourceSettings) -> None:
        self._settings = settings

    def headers(self) -> dict[str, str]:
        """The key in the header that its plan's host reads; nothing without a key."""
        key = self._settings.api_key
        if key is None:
            return {}
        return {"x-cg-demo-api-key" if self._settings.plan == "demo" else "x-cg-pro-api-key": key.reveal()}

    def ping(self) -> Request:
        """See Source."""
        return Request(source=NAME, stream="", part="", path="/ping")

    def request(self, stream: str, part: str, ids: Sequence[str] = ()) -> Request:
        """See Source. Raises SkipError for a part that this stream cannot have."""
        if (stream, part) == (LIST, "all"):
            return Request(source=NAME, stream=stream, part=part, path="/coins/list", query=(("include_platform", "true"),))
        if (stream, part) == (RATES, "all"):
            return Request(source=NAME, stream=stream, part=part, path="/exchange_rates")
        if stream == MARKETS:
            query = {
                "vs_currency": "usd",
                **({"ids": ",".join(ids)} if ids else {}),
                "order": "market_cap_desc",
                "per_page": str(PAGE_ROWS),
                "page": "1" if ids else str(_page_number(part)),
                "sparkline": "false",
                "precision": "full",
            }
            return Request(source=NAME, stream=stream, part=part, path="/coins/markets", query=tuple(query.items()))
        message = f"{NAME} has no stream {stream!r} with a part {part!r}"
        raise SkipError(message, code="unknown_part")

    def parse(self, request: Request, body: bytes, fetched_at: datetime) -> Pieces[Page]:
        """See Source. Raises RetryError for a limit that came as status 200, SkipError for any other shape."""
        hidden = self.hidden_error(body)
        if hidden is not None:
            raise hidden
        label = f"{request.stream}, {request.part}"
        if request.stream == LIST:
            return (yield from listings_page(body, label, _COIN, _listed, _contracts))
        if request.stream == RATES:
            yield
            return _rates_page(body, label)
        page = yield from quotes_page(rows(body, label), partial(decoded, _MARKET), _listing, partial(_quote, fetched_at=fetched_at))
        if not request.part.startswith("page:"):
            return page  # a batch says nothing of where the market ends
        number = _page_number(request.part)
        page.is_last = page.rows_received < PAGE_ROWS
        page.next_parts = () if page.is_last or number >= PAGES_MAX else (f"page:{number + 1}",)
        return page

    def hidden_error(self, body: bytes) -> KasparroError | None:
        """See Source. CoinGecko is known to send `{"status": {"error_code": 429, ...}}` with status 200."""
        if len(body) > ERROR_BYTES_MAX or not body.lstrip().startswith(b"{"):
            return None
        words = said(body)
        if words.code is None:
            return None
        # 429 and 503 are statuses in disguise; the five-digit codes are refusals of a request.
        status = words.code if words.code in set(HTTPStatus) else HTTPStatus.BAD_REQUEST
        return self._error("status 200 with an error", status, words)

    def explain(self, status: int, body: bytes) -> KasparroError:
        """See Source."""
        return self._error(f"status {status}", status, said(body))

    def _error(self, how: str, status: int, words: Said) -> KasparroError:
        what = f"CoinGecko answered {how}"
        if words.code in _REFUSALS:
            family, code, advice = _REFUSALS[words.code]
            return family(f"{what} ({words}): {advice}", code=code)
        key = "the key was not accepted: check COINGECKO_API_KEY, and that COINGECKO_PLAN is the key's plan"
        if self._settings.api_key is None:
            key = "it wants a key: set COINGECKO_API_KEY (a Demo key is free)"
        error = error_for(what, status, words, _ADVICE | {"key_refused": key})
        if isinstance(error, RetryError) and error.code == "rate_limited":
            error.retry_after_seconds = RETRY_AFTER_SECONDS
        return error


_ADVICE = {
    "rate_limited": "too many calls in this minute, or this month's are spent; lower COINGECKO_CALLS_PER_MINUTE if it goes on",
    "plan_refused": "the plan does not allow this call; see COINGECKO_PLAN",
    "not_found": "nothing is there; is COINGECKO_BASE_URL right, with its path /api/v3?",
}
# docs.coingecko.com, "Errors and rate limits". Demo and paid keys have different hosts and headers.
_REFUSALS: dict[int, tuple[type[KasparroError], str, str]] = {
    10002: (AbortError, "key_missing", "the key is missing or wrong: set COINGECKO_API_KEY, and COINGECKO_PLAN to the key's plan"),
    10005: (SkipError, "plan_refused", "the plan does not include this; see COINGECKO_PLAN"),
    10010: (
        AbortError,
        "key_wrong_host",
        "this is a paid plan's key: set COINGECKO_PLAN to basic, analyst, lite or enterprise and leave COINGECKO_BASE_URL unset",
    ),
    10011: (AbortError, "key_wrong_host", "this is a Demo key: set COINGECKO_PLAN=demo and leave COINGECKO_BASE_URL unset"),
    10012: (SkipError, "plan_refused", "the plan does not reach back so far"),
}


def _page_number(part: str) -> int:
    digits = part.removeprefix("page:")
    if not part.startswith("page:") or not digits.isascii() or not digits.isdigit() or not 1 <= int(digits[:9]) <= PAGES_MAX:
        message = f"{MARKETS} has no part {part!r}: its parts are page:1 to page:{PAGES_MAX}"
        raise SkipError(message, code="unknown_part")
    return int(digits)


def _listing(row: _MarketRow) -> Listing:
    return Listing(source=NAME, source_id=fields.identifier(row.id), symbol=fields.symbol(row.symbol), name=fields.name(row.name))


def _listed(row: _CoinRow) -> Listing:
    # The list holds the active coins only.
    source_id, symbol, name = fields.identifier(row.id), fields.symbol(row.symbol), fields.name(row.name)
    return Listing(source=NAME, source_id=source_id, symbol=symbol, name=name, active=True)


def _contracts(row: _CoinRow, source_id: str) -> tuple[list[ListingContract], list[Reason]]:
    if row.platforms is None or row.platforms == {}:
        return [], []
    if not isinstance(row.platforms, dict):
        return [], [Reason.PLATFORMS_NOT_OBJECT]
    found: list[ListingContract] = []
    reasons: set[Reason] = set()
    for key, value in list(row.platforms.items())[:CONTRACTS_MAX]:
        try:
            platform, address = fields.address(key), fields.address(value)
        except RowError as error:
            reasons.add(error.reason)
            continue
        if platform is not None and address is not None:  # {"": ""} stands for a coin with a chain of its own
            found.append(ListingContract(source_id=source_id, platform=platform, address=address))
    return found, sorted(reasons)


def _quote(row: _MarketRow, source_id: str, raw: bytes, fetched_at: datetime) -> Quote | None:
    price = fields.price(row.current_price)
    observed_at = fields.observed_at(row.last_updated, fetched_at)
    if price is None or observed_at is None:
        return None
    return Quote(
        source_id=source_id,
        observed_at=observed_at,
        price=price,
        market_cap=fields.amount(row.market_cap, zero_is_unknown=True),
        volume_24h=fields.amount(row.total_volume),
        ath_price=fields.high(row.ath),
        ath_at=fields.moment_or_none(row.ath_date),
        raw=raw,
    )


def _rates_page(body: bytes, label: str) -> Page:
    """Every rate is in BTC: a dollar's worth of a currency is its rate over the dollar's."""
    try:
        answer = msgspec.json.decode(body)
        rates = answer["rates"]
        usd = fields.price(rates["usd"]["value"])
    except (ValueError, TypeError, KeyError, RecursionError):
        usd = None
    if usd is None or not isinstance(rates, dict):
        message = f'{label}: expected an object with "rates" and in it "usd", got {described(body)}'
        raise SkipError(message, code="wrong_shape")
    page = Page(is_last=True)
    for currency, rate in list(rates.items())[:RATES_MAX]:
        page.rows_received += 1
        found = _rate(currency, rate, usd)
        if isinstance(found, Reject):
            page.rejects.append(found)
        else:
            page.rates.append(found)
    return page


def _rate(currency: str, rate: object, usd: float) -> ExchangeRate | Reject:
    code = currency.strip().lower()
    value = fields.high(rate.get("value")) if isinstance(rate, dict) else None
    per_usd = value / usd if value is not None else 0.0
    if not _CURRENCY.fullmatch(code) or not fields.PRICE_LEAST <= per_usd <= fields.PRICE_MOST:
        return reject(msgspec.json.encode({currency: rate}), currency, Reason.RATE_UNUSABLE)
    return ExchangeRate(currency=code, per_usd=per_usd)
