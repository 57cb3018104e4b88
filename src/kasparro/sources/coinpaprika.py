"""CoinPaprika API v1: its streams, its requests, and what its answers mean. Pure.

References: api.coinpaprika.com (specification 1.7.10, November 2026). "Missing values are returned as empty string" there;
nulls and zeros are seen as well.
"""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Any

import msgspec

from kasparro.errors import KasparroError, SkipError
from kasparro.records import Listing, ListingContract, Page, Pieces, Quote, Request
from kasparro.settings import SourceSettings
from kasparro.sources import fields
from kasparro.sources.answers import error_for, said
from kasparro.sources.base import Stream
from kasparro.sources.pages import listings_page, quotes_page
from kasparro.sources.rows import ROWS_PER_PIECE, Reason, RowError, decoded, reject, rows

NAME = "coinpaprika"
COINS, TICKERS, CONTRACTS = "coinpaprika.coins", "coinpaprika.tickers", "coinpaprika.contracts"
PLATFORMS = "platforms"  # the part of CONTRACTS that says which others there are
ERROR_BYTES_MAX = 10_000  # a body that may be an error in disguise
PLATFORMS_MAX = 200  # about 30 are known, and each costs a call

_PLATFORM = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")  # it goes into a path


_NULL = msgspec.Raw(b"null")
_NOTHING = (_NULL, msgspec.Raw(b'""'))


class _CoinRow(msgspec.Struct):
    """A row of /coins. Every field may hold anything: what it has to be is checked value by value."""

    id: Any = None
    symbol: Any = None
    name: Any = None
    is_active: Any = None


class _TickerRow(msgspec.Struct):
    """A row of /tickers, as far as it is read; the row as it came stays with the quote."""

    id: Any = None
    symbol: Any = None
    name: Any = None
    last_updated: Any = None
    quotes: msgspec.Raw = _NULL


class _Usd(msgspec.Struct):
    """A ticker in US dollars."""

    price: Any = None
    market_cap: Any = None
    volume_24h: Any = None
    ath_price: Any = None
    ath_date: Any = None


class _Quotes(msgspec.Struct):
    """The quotes of a ticker: by currency, and only one is asked for."""

    USD: _Usd | None = None


class _ContractRow(msgspec.Struct):
    """A row of /contracts/{platform}. A contract of an inactive coin is kept: it still says what that coin is."""

    id: Any = None
    address: Any = None


_QUOTES = msgspec.json.Decoder(_Quotes)
_COIN = msgspec.json.Decoder(_CoinRow)
_TICKER = msgspec.json.Decoder(_TickerRow)
_CONTRACT = msgspec.json.Decoder(_ContractRow)


class CoinPaprika:
    """The source `coinpaprika`."""

    name = NAME
    streams = (
        Stream(name=COINS, first_part="all", priority=20, interval=timedelta(days=1), identity=True, complete=True),
        Stream(name=TICKERS, first_part="all", priority=30, interval=timedelta(0), quotes=True),
        Stream(name=CONTRACTS, first_part=PLATFORMS, priority=50, interval=timedelta(days=1), identity=True, contracts="of_part"),
    )

    def __init__(self, settings: SourceSettings) -> None:
        self._settings = settings

    def headers(self) -> dict[str, str]:
        """The key as it is: the specification and the clients send it without the word Bearer."""
        key = self._settings.api_key
        return {} if key is None else {"Authorization": key.reveal()}

    def ping(self) -> Request:
        """See Source."""
        return Request(source=NAME, stream="", part="", path="/global")

    def request(self, stream: str, part: str, ids: Sequence[str] = ()) -> Request:  # noqa: ARG002  # no stream of it has batches
        """See Source. Raises SkipError for a part that this stream cannot have."""
        path = {(COINS, "all"): "/coins", (TICKERS, "all"): "/tickers", (CONTRACTS, PLATFORMS): "/contracts"}.get((stream, part))
        if path is None and stream == CONTRACTS and _PLATFORM.fullmatch(part):
            path = f"/contracts/{part}"
        if path is None:
            message = f"{NAME} has no stream {stream!r} with a part {part!r}"
            raise SkipError(message, code="unknown_part")
        return Request(source=NAME, stream=stream, part=part, path=path, query=(("quotes", "USD"),) if stream == TICKERS else ())

    def parse(self, request: Request, body: bytes, fetched_at: datetime) -> Pieces[Page]:
        """See Source. Raises SkipError for a body of another shape."""
        label = f"{request.stream}, {request.part}"
        if request.stream == COINS:
            return (yield from listings_page(body, label, _COIN, _listed))
        if request.stream == CONTRACTS:
            if request.part == PLATFORMS:
                return (yield from _platforms_page(body, label))
            return (yield from _contracts_page(body, label, request.part))
        page = yield from quotes_page(rows(body, label), partial(decoded, _TICKER), _listing, partial(_quote, fetched_at=fetched_at))
        page.is_last = True
        return page

    def hidden_error(self, body: bytes) -> KasparroError | None:
        """See Source. CoinPaprika is not known to do this; an object that is nothing but an error would be one."""
        if len(body) > ERROR_BYTES_MAX or not body.lstrip().startswith(b'{"error"'):
            return None
        words = said(body)
        return error_for("CoinPaprika answered status 200 with an error", HTTPStatus.BAD_REQUEST, words, {})

    def explain(self, status: int, body: bytes) -> KasparroError:
        """See Source."""
        key = "the key was not accepted: check COINPAPRIKA_API_KEY and COINPAPRIKA_PLAN"
        if self._settings.api_key is None:
            key = "it wants a key: set COINPAPRIKA_API_KEY and COINPAPRIKA_PLAN"
        advice = {
            "rate_limited": "too many calls at once from this address; lower COINPAPRIKA_CALLS_PER_MINUTE if it goes on",
            "key_refused": key,
            "plan_refused": f"this month's calls are spent, or the plan ({self._settings.plan}) does not include this call: "
            "wait for the next month, or set COINPAPRIKA_API_KEY and COINPAPRIKA_PLAN to those of a larger plan",
            "not_found": "nothing is there; is COINPAPRIKA_BASE_URL right, with its path /v1?",
        }
        return error_for(f"CoinPaprika answered status {status}", status, said(body), advice)


def _listing(row: _TickerRow) -> Listing:
    return Listing(source=NAME, source_id=fields.identifier(row.id), symbol=fields.symbol(row.symbol), name=fields.name(row.name))


def _listed(row: _CoinRow) -> Listing:
    active = row.is_active if isinstance(row.is_active, bool) else None
    source_id, symbol, name = fields.identifier(row.id), fields.symbol(row.symbol), fields.name(row.name)
    return Listing(source=NAME, source_id=source_id, symbol=symbol, name=name, active=active)


def _quote(row: _TickerRow, source_id: str, raw: bytes, fetched_at: datetime) -> Quote | None:
    usd = _usd(row.quotes)
    if usd is None:
        return None
    price = fields.price(usd.price)
    observed_at = fields.observed_at(row.last_updated, fetched_at)
    if price is None or observed_at is None:
        return None
    return Quote(
        source_id=source_id,
        observed_at=observed_at,
        price=price,
        market_cap=fields.amount(usd.market_cap, zero_is_unknown=True),
        volume_24h=fields.amount(usd.volume_24h),
        ath_price=fields.high(usd.ath_price),
        ath_at=fields.moment_or_none(usd.ath_date),
        raw=raw,
    )


def _usd(quotes: msgspec.Raw) -> _Usd | None:
    if quotes in _NOTHING:
        return None
    try:
        return _QUOTES.decode(quotes).USD
    except (ValueError, RecursionError):
        raise RowError(Reason.QUOTES_NOT_OBJECT) from None


def _platforms_page(body: bytes, label: str) -> Pieces[Page]:
    """Which platforms there are: each becomes a part. With none, the stream ends here."""
    page = Page()
    found: dict[str, None] = {}
    for row in rows(body, label):
        if page.rows_received % ROWS_PER_PIECE == 0:
            yield
        page.rows_received += 1
        try:
            platform = msgspec.json.decode(row, type=str).strip()
        except (ValueError, RecursionError):
            platform = ""
        if not _PLATFORM.fullmatch(platform) or platform == PLATFORMS:
            page.rejects.append(reject(row, None, Reason.PLATFORM_UNUSABLE))
        elif platform in found or len(found) == PLATFORMS_MAX:
            page.rejects.append(reject(row, None, Reason.TWICE if platform in found else Reason.PLATFORM_TOO_MANY))
        else:
            found[platform] = None
    page.next_parts, page.is_index = tuple(found), True
    page.is_last = not found
    return page


def _contracts_page(body: bytes, label: str, platform: str) -> Pieces[Page]:
    page = Page()
    seen: set[tuple[str, str]] = set()
    for row in rows(body, label):
        if page.rows_received % ROWS_PER_PIECE == 0:
            yield
        page.rows_received += 1
        source_id: object = None
        try:
            wire = decoded(_CONTRACT, row)
            source_id = wire.id
            contract = _contract(wire, platform)
        except RowError as error:
            page.rejects.append(reject(row, source_id, error.reason))
            continue
        if (contract.source_id, contract.address) in seen:
            page.rejects.append(reject(row, contract.source_id, Reason.TWICE))
            continue
        seen.add((contract.source_id, contract.address))
        page.contracts.append(contract)
    return page


def _contract(row: _ContractRow, platform: str) -> ListingContract:
    source_id, address = fields.identifier(row.id), fields.address(row.address)
    if address is None:
        raise RowError(Reason.CONTRACT_MISSING)
    return ListingContract(source_id=source_id, platform=platform, address=address)
