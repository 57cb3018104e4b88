"""A coin of which no more changed than its price and what its listings were quoted at, as almost always: the rest of its entry stays."""

from collections.abc import Iterable
from datetime import datetime
from sys import intern
from typing import Any, Protocol

import msgspec

from kasparro.catalog.entries import Entry, ListingEntry, Price, Quote
from kasparro.catalog.rows import data_row, encoded_row
from kasparro.store.columns import parts


class PriceRows(Protocol):
    """Prices and quotes of some coins, columns in the order of their queries. See store/catalog_rows.py."""

    @property
    def prices(self) -> Iterable[Any]: ...
    @property
    def quotes(self) -> Iterable[Any]: ...


class Repricer:
    """Makes entries anew, with these quotes."""

    def __init__(self, quotes: Iterable[Any]) -> None:
        self._quotes = {row[0]: row for row in quotes}
        self._confidences: dict[float, float] = {}  # as in a draft, what many coins have is kept once
        self._times: dict[datetime, datetime] = {}
        self._published_at: datetime | None = None

    def entry(self, before: Entry, row: Any) -> Entry:  # noqa: ANN401  # a row of prices
        """The entry with another price, or without one where the listing that it comes from is not the coin."""
        _, chosen_id, published_at, observed_at, value, method, sources_used, spread_pct, confidence, flags, market_cap, volume_24h = row
        listings = tuple([self._quoted(n) for n in before.listings])
        chosen = next((n for n in listings if n.listing_id == chosen_id), None)
        if chosen is None:
            return msgspec.structs.replace(before, listings=listings, price=None, row=None)
        if published_at != self._published_at:
            self._published_at = published_at
        price = Price(
            value=value,
            source=chosen.source,
            source_id=chosen.source_id,
            observed_at=observed_at,
            published_at=self._published_at,
            method=intern(method),
            sources_used=parts(sources_used),
            spread_pct=spread_pct,
            confidence=self._confidences.setdefault(confidence, confidence),
            flags=parts(flags),
            market_cap=market_cap,
            volume_24h=volume_24h,
        )
        sources = before.sources
        if len(listings) > 1:
            sources = parts(",".join(sorted({n.source for n in listings if n.quote is not None})))
        row_of_data = encoded_row(data_row(before.coin_id, before.symbol, before.name, sources, price))
        return msgspec.structs.replace(before, sources=sources, listings=listings, price=price, row=row_of_data)

    def _quoted(self, listing: ListingEntry) -> ListingEntry:
        row = self._quotes.get(listing.listing_id)
        if row is None:
            return listing
        _, price, market_cap, volume_24h, observed_at, fetched_at = row
        quote = Quote(
            source=listing.source,
            source_id=listing.source_id,
            price=price,
            market_cap=market_cap,
            volume_24h=volume_24h,
            observed_at=observed_at,
            fetched_at=self._times.setdefault(fetched_at, fetched_at),
        )
        return msgspec.structs.replace(listing, quote=quote)
