"""Prices from the columns that they are stored in, and coins of which no more is known yet than what lists show of them."""

from collections.abc import Callable, Sequence
from sys import intern
from typing import Any, TypeVar

from kasparro.catalog.entries import Entry, Price, Quote
from kasparro.catalog.rows import data_row, encoded_row
from kasparro.store.columns import parts

_SOURCE, _CHOSEN = 4, 6  # of a row of what lists show

T = TypeVar("T")
Shared = Callable[[T], T]  # the same object for equal values


def listed(rows: Sequence[Sequence[Any]], shared: Shared[Any]) -> Entry | None:
    """A coin from its rows of what lists show, one for each of its listings with a quote; None where its price comes from none of them.

    Its listings, its aliases and what it wraps are not known: whoever needs them waits until the catalog is complete.
    """
    chosen = next((row for row in rows if row[_CHOSEN]), None)
    if chosen is None:
        return None
    coin_key, coin_id, symbol, name, source, source_id, _, *price_columns = chosen
    symbol = intern(symbol)
    sources: tuple[str, ...] = shared(tuple(sorted({intern(row[_SOURCE]) for row in rows})))
    price = price_of(price_columns, intern(source), coin_id if source_id == coin_id else source_id, shared, None)
    return Entry(
        coin_key=coin_key,
        coin_id=coin_id,
        symbol=symbol,
        name=name,
        sources=sources,
        listings=(),
        others=(),
        aliases=(),
        wraps=None,
        price=price,
        row=row_of(coin_id, symbol, name, sources, price, None),
    )


def price_of(columns: Sequence[Any], source: str, source_id: str, shared: Shared[Any], before: Entry | None) -> Price:
    """The price that comes from a listing. Of a coin that was only listed it stays: it is of the same snapshot, and flagged once stale."""
    if before is not None and before.price is not None and not before.listings:
        return before.price
    published_at, observed_at, value, method, sources_used, spread_pct, confidence, flags, market_cap, volume_24h = columns
    return Price(
        value=value,
        source=source,
        source_id=source_id,
        observed_at=observed_at,
        published_at=shared(published_at),
        method=intern(method),
        sources_used=parts(sources_used),
        spread_pct=spread_pct,
        confidence=shared(confidence),
        flags=parts(flags),
        market_cap=market_cap,
        volume_24h=volume_24h,
    )


def quote_of(columns: Sequence[Any], source: str, source_id: str, price: Price | None) -> Quote:
    """The quote of a listing. What the price that comes from it says as well is kept once."""
    value, market_cap, volume_24h, observed_at, fetched_at = columns
    if price is not None:
        value, observed_at = _once(value, price.value), _once(observed_at, price.observed_at)
        market_cap, volume_24h = _once(market_cap, price.market_cap), _once(volume_24h, price.volume_24h)
    return Quote(
        source=source,
        source_id=source_id,
        price=value,
        market_cap=market_cap,
        volume_24h=volume_24h,
        observed_at=observed_at,
        fetched_at=fetched_at,
    )


def _once(told: T, kept: T) -> T:
    return kept if kept == told else told


def row_of(coin_id: str, symbol: str, name: str, sources: tuple[str, ...], price: Price | None, before: Entry | None) -> bytes | None:
    """A coin's row as JSON, None without a price; the one that it had where that says the same."""
    if before is not None and (before.price, before.symbol, before.name, before.sources) == (price, symbol, name, sources):
        return before.row
    return None if price is None else encoded_row(data_row(coin_id, symbol, name, sources, price))
