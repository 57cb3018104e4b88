"""Building a page out of rows: what is kept, what is rejected, and how it adds up.

For a stream of listings `rows_received` is the listings plus the rejects that have no listing; each listing of a stream of
quotes has a quote or counts in `rows_without_price`.
"""

from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeAlias, TypeVar

import msgspec

from kasparro.records import Listing, ListingContract, Page, Pieces, Quote
from kasparro.sources.rows import ROWS_PER_PIECE, Reason, RowError, decoded, reject, rows

_KEPT_PER_PIECE = 5_000  # a row is looked at once more


class WireRow(Protocol):
    """What every row on the wire has."""

    @property
    def id(self) -> Any:  # noqa: ANN401  # whatever the source sent
        """The listing's id at its source."""


WireT = TypeVar("WireT", bound=WireRow)
Found: TypeAlias = tuple[list[ListingContract], list[Reason]]
ContractsOf: TypeAlias = Callable[[WireT, str], Found]


class Kept:
    """The rows of a page of quotes. Of two rows of one listing the one with the newer quote stays."""

    def __init__(self) -> None:
        self._rows: dict[str, tuple[Listing, Quote | None, bytes]] = {}

    def put(self, listing: Listing, quote: Quote | None, row: bytes) -> bytes | None:
        """Keep a row; the one that is left out where the listing has another."""
        here = (listing, quote, row)
        there = self._rows.setdefault(listing.source_id, here)
        if there is here:
            return None
        if _is_newer(quote, there[1]):
            self._rows[listing.source_id] = here
            return there[2]
        return row

    def fill(self, page: Page) -> Pieces[None]:
        """Put them into their page."""
        for number, (listing, quote, _) in enumerate(self._rows.values()):
            if number % _KEPT_PER_PIECE == 0:
                yield
            page.listings.append(listing)
            if quote is not None:
                page.quotes.append(quote)
        page.rows_without_price = len(page.listings) - len(page.quotes)


def listings_page(
    body: bytes,
    label: str,
    decoder: msgspec.json.Decoder[WireT],
    listing_of: Callable[[WireT], Listing],
    contracts_of: ContractsOf[WireT] | None = None,
) -> Pieces[Page]:
    """A page of listings, with the contracts that their rows carry (and the reasons why some of these could not be kept)."""
    page = Page(is_last=True)
    seen: set[str] = set()
    for row in rows(body, label):
        if page.rows_received % ROWS_PER_PIECE == 0:
            yield
        page.rows_received += 1
        source_id: object = None
        try:
            wire = decoded(decoder, row)
            source_id = wire.id
            listing = listing_of(wire)
        except RowError as error:
            page.rejects.append(reject(row, source_id, error.reason))
            continue
        if listing.source_id in seen:
            page.rejects.append(reject(row, listing.source_id, Reason.TWICE))
            continue
        seen.add(listing.source_id)
        page.listings.append(listing)
        if contracts_of is not None:
            _add_contracts(page, row, listing.source_id, contracts_of(wire, listing.source_id))
    return page


def quotes_page(
    rows_of_page: Iterable[bytes],
    decode: Callable[[bytes], WireT],
    listing_of: Callable[[WireT], Listing],
    quote_of: Callable[[WireT, str, bytes], Quote | None],
    contracts_of: ContractsOf[WireT] | None = None,
) -> Pieces[Page]:
    """A page of quotes with their listings, and the contracts that their rows carry. `decode` raises RowError."""
    page, kept = Page(), Kept()
    for row in rows_of_page:
        if page.rows_received % ROWS_PER_PIECE == 0:
            yield
        page.rows_received += 1
        source_id: object = None
        try:
            wire = decode(row)
            source_id = wire.id
            listing = listing_of(wire)
        except RowError as error:
            page.rejects.append(reject(row, source_id, error.reason))
            continue
        try:
            quote = quote_of(wire, listing.source_id, row)
        except RowError as error:
            page.rejects.append(reject(row, source_id, error.reason))
            quote = None
        lost = kept.put(listing, quote, row)
        if lost is not None:
            page.rejects.append(reject(lost, listing.source_id, Reason.TWICE))
        if contracts_of is not None:
            _add_contracts(page, row, listing.source_id, contracts_of(wire, listing.source_id))
    yield from kept.fill(page)
    return page


def _add_contracts(page: Page, row: bytes, source_id: str, found: Found) -> None:
    contracts, reasons = found
    page.contracts += contracts
    page.rejects += [reject(row, source_id, reason) for reason in reasons]


def _is_newer(quote: Quote | None, than: Quote | None) -> bool:
    return quote is not None and (than is None or quote.observed_at > than.observed_at)
