"""A coin of which no more changed than its price and what its listings were quoted at, as almost always: the rest of its entry stays."""

from collections.abc import Iterable
from typing import Any, Protocol, TypeVar

import msgspec

from kasparro.catalog.entries import Entry, ListingEntry, Price
from kasparro.catalog.priced import price_of, quote_of
from kasparro.catalog.rows import data_row, encoded_row
from kasparro.store.columns import parts

T = TypeVar("T")


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
        self._same: dict[Any, Any] = {}  # as in a draft, what many coins have is kept once

    def entry(self, before: Entry, row: Any) -> Entry:  # noqa: ANN401  # a row of prices
        """The entry with another price, or without one where the listing that it comes from is not the coin."""
        _, chosen_id, *columns = row
        chosen = next((n for n in before.listings if n.listing_id == chosen_id), None)
        if chosen is None:
            return msgspec.structs.replace(before, listings=self._requoted(before.listings, None, None), price=None, row=None)
        price = price_of(columns, chosen.source, chosen.source_id, self._shared, None)
        listings = self._requoted(before.listings, chosen, price)
        sources = before.sources
        if len(sources) < len(listings):  # another may have a quote now; none loses one
            sources = parts(",".join(sorted({n.source for n in listings if n.quote is not None})))
        row_of_data = encoded_row(data_row(before.coin_id, before.symbol, before.name, sources, price))
        return msgspec.structs.replace(before, sources=sources, listings=listings, price=price, row=row_of_data)

    def _shared(self, value: T) -> T:
        same: T = self._same.setdefault(value, value)
        return same

    def _requoted(self, listings: Iterable[ListingEntry], chosen: ListingEntry | None, price: Price | None) -> tuple[ListingEntry, ...]:
        return tuple([self._quoted(n, price if n is chosen else None) for n in listings])

    def _quoted(self, listing: ListingEntry, price_of_it: Price | None) -> ListingEntry:
        row = self._quotes.get(listing.listing_id)
        if row is None:
            return listing
        _, price, market_cap, volume_24h, observed_at, fetched_at = row
        had = listing.quote
        if (
            had is not None
            and (had.fetched_at, had.observed_at, had.price) == (fetched_at, observed_at, price)
            and (had.market_cap, had.volume_24h) == (market_cap, volume_24h)
        ):
            return listing
        columns = price, market_cap, volume_24h, observed_at, self._shared(fetched_at)
        quote = quote_of(columns, listing.source, listing.source_id, price_of_it)
        return msgspec.structs.replace(listing, quote=quote)
