"""The page of one coin: its price with where it comes from, how it went, and why its listings are one coin."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import quote as percent_encoded

import msgspec

from kasparro import logs
from kasparro.catalog.entries import Catalog, Entry, ListingEntry, Quote
from kasparro.catalog.find import near_ids, wrapped_coin, wrapping_coins
from kasparro.serving.dependencies import Dependencies
from kasparro.serving.loading import whole
from kasparro.serving.operations import Answer, Call, Operation
from kasparro.serving.problems import DATABASE_TROUBLE, not_found, trouble
from kasparro.store import history
from kasparro.store.history import StoredCandle
from kasparro.web import words
from kasparro.web.coins import Flag, change, flag, rank
from kasparro.web.evidence import Why, explained, told_once
from kasparro.web.frame import Frame, View
from kasparro.web.sparks import SPAN, Sparks

log = logs.get()

_TABLE_ROWS = 24
_CANDLES_MAX = 400
_WRAPPING_MAX = 20
_WAITED_SECONDS = 1.0  # for the database: the page is good without its history


class Said(msgspec.Struct, frozen=True):
    """A listing of the coin beside what it was last quoted at."""

    listing: ListingEntry
    quote: Quote | None
    apart: float | None  # per cent, from the published price
    chosen: bool
    href: str | None  # of the source's own page


class Contract(msgspec.Struct, frozen=True):
    """An address, and who gives it."""

    platform: str
    address: str
    sources: tuple[str, ...]


class Told(msgspec.Struct, frozen=True):
    """What is shown of a coin besides its entry."""

    flags: tuple[Flag, ...]
    method: str
    said: list[Said]
    same: list[Why]
    others: list[Why]
    contracts: list[Contract]
    wraps: Entry | None
    wrapped_by: list[Entry]


def pages(frame: Frame, sparks: Sparks) -> list[Operation]:
    """The page."""

    async def show_coin(call: Call) -> View | Answer:
        return await _view(call, sparks)

    return [
        frame.page(
            "/pages/coins/{coin_id}",
            show_coin,
            operation_id="show_coin_page",
            summary="One coin",
            path_parameters={"coin_id": "The coin's id. An alias or a merged coin's id redirects."},
        )
    ]


async def _view(call: Call, sparks: Sparks) -> View | Answer:
    """One coin, or where it is now."""
    asked, catalog = call.path_parameters["coin_id"], await whole(call.services.catalog)
    entry = catalog.find(asked)
    if entry is None:
        detail = f"No coin has the id {asked[:100]!r}."
        raise not_found(detail, candidates=near_ids(catalog, asked))
    if entry.coin_id != asked:
        location = f"/pages/coins/{percent_encoded(entry.coin_id, safe='')}"
        return Answer(body=b"", status=308, headers=[("location", location)])
    now = call.services.clock.now()
    spark = (await sparks.of([entry]))[entry.coin_key]
    candles = await _candles(call.services, entry, now)
    closes = [candle.close for candle in candles or ()]
    context = {
        "coin": entry,
        "rank": rank(catalog, entry),
        "told": _told(catalog, entry),
        "spark": spark,
        "change": None if entry.price is None else change(entry.price.value, spark.day_ago),
        "low": min(closes, default=None),
        "high": max(closes, default=None),
        "candles": None if candles is None else candles[: -_TABLE_ROWS - 1 : -1],
    }
    return View(template="coin.html", context=context)


async def _candles(services: Dependencies, entry: Entry, now: datetime) -> list[StoredCandle] | None:
    """The hours of the last days, oldest first; None where the database does not answer."""
    try:
        async with asyncio.timeout(_WAITED_SECONDS), services.database.read(timeout_seconds=_WAITED_SECONDS) as conn:
            return await history.candles(conn, "1h", [n.listing_id for n in entry.listings], now - SPAN, now, _CANDLES_MAX)
    except DATABASE_TROUBLE as error:
        log.info("web.history_missing", coin=entry.coin_id, error=trouble(error))
        return None


def _told(catalog: Catalog, entry: Entry) -> Told:
    price = entry.price
    return Told(
        flags=() if price is None else tuple(map(flag, price.flags)),
        method="" if price is None else words.METHODS.get(price.method, price.method),
        said=[_said(entry, listing) for listing in entry.listings],
        same=told_once([explained(n.judgement, n) for n in entry.listings]),
        others=[explained(judgement, catalog.listing(judgement.source, judgement.source_id)) for judgement in entry.others],
        contracts=_contracts(entry.listings),
        wraps=wrapped_coin(catalog, entry),
        wrapped_by=wrapping_coins(catalog, entry)[:_WRAPPING_MAX] if entry.coin_key in catalog.wrapped else [],
    )


def _said(entry: Entry, listing: ListingEntry) -> Said:
    place = words.PLACES.get(listing.source)
    return Said(
        listing=listing,
        quote=listing.quote,
        apart=None if listing.quote is None or entry.price is None else change(listing.quote.price, entry.price.value),
        chosen=listing is entry.chosen,
        href=None if place is None else place.format(percent_encoded(listing.source_id, safe="")),
    )


def _contracts(listings: Sequence[ListingEntry]) -> list[Contract]:
    """Each address once. Sources name chains differently: an address under two names is shown under both."""
    found: dict[tuple[str, str], list[str]] = {}
    spelled: dict[tuple[str, str], str] = {}
    for listing in listings:
        for contract in listing.contracts:
            key = (contract.platform, contract.address.casefold())
            spelled.setdefault(key, contract.address)
            found.setdefault(key, []).append(listing.source)
    return [Contract(key[0], spelled[key], tuple(dict.fromkeys(sources))) for key, sources in found.items()]
