"""What a listing is compared by: a row as it is kept, and the keys and numbers that are told from it."""

from collections.abc import Iterable
from math import inf
from struct import Struct
from sys import intern
from typing import Any, NamedTuple

import msgspec

from kasparro.records import EvidenceRow, NamedRow
from kasparro.resolver.normalise import STANDS_FOR_ANOTHER, hyphened, name_keys, slug_keys, symbol_key
from kasparro.resolver.platforms import address, chain


class Numbers(NamedTuple):
    """What of a market is compared; 0 where it is not known."""

    price: float = 0.0
    observed: float = 0.0  # seconds since 1970
    supply: float = 0.0  # market cap over price: holds while prices move
    volume: float = 0.0
    ath_price: float = 0.0
    ath: float = 0.0  # seconds since 1970


_NUMBERS = Struct("6d")
_NO_NUMBERS = Numbers()


class Listed(msgspec.Struct, frozen=True, gc=False):
    """One listing as it is kept by tens of thousands: nothing that can be told from the rest, and numbers in one piece.

    A float of its own takes 32 bytes and a tuple of two 64, which the garbage collector looks at besides; sizes are rounded up to 16.
    """

    source: str
    source_id: str
    symbol: str
    name: str
    active: bool
    settled: bool
    contracts: str  # chain, address, chain, address, ..., sorted, with NUL, which the database knows no text with, between them
    packed: bytes  # its numbers; empty without any
    first_seen: float  # seconds since 1970, 0 where unknown
    course: tuple[tuple[float, float], ...]  # (seconds since 1970, price), oldest first

    @property
    def numbers(self) -> Numbers:
        """What of its market is compared."""
        return Numbers._make(_NUMBERS.unpack(self.packed)) if self.packed else _NO_NUMBERS

    @property
    def contract_pairs(self) -> tuple[tuple[str, str], ...]:
        """Its contracts as (chain, address), sorted."""
        if not self.contracts:
            return ()
        parts = self.contracts.split("\0")
        return tuple(zip(parts[::2], parts[1::2], strict=True))


class Texts(msgspec.Struct, frozen=True, gc=False):
    """The keys of a symbol, a name and an id."""

    symbol: str
    whole: str  # every word of the name
    core: str  # the words of the name that tell something
    words: tuple[str, ...]  # the words of the core, in order
    slug: str  # the id's words, without the symbol that CoinPaprika puts before them
    slug_core: str
    marks: int  # bits into normalise.KINDS, of name and id together


class Features(msgspec.Struct, frozen=True, gc=False):
    """One listing, ready to be compared. Made when it is, since it takes several times the memory of what it is made from."""

    listing_id: int
    source: str
    symbol: str  # from here to `marks`: as in Texts
    whole: str
    core: str
    words: tuple[str, ...]
    slug: str
    slug_core: str
    marks: int
    contracts: tuple[tuple[str, str], ...]  # (chain, address), sorted
    active: bool
    price: float | None
    observed: float  # seconds since 1970, 0 without a price
    supply: float | None
    volume: float | None
    ath_price: float | None
    ath: float  # seconds since 1970, 0 where unknown
    course: tuple[tuple[float, float], ...]  # (seconds since 1970, price), oldest first


def slug_of(source: str, source_id: str, symbol: str) -> str:
    """The part of an id that is words. CoinPaprika's ids begin with the symbol that a coin had when it was listed."""
    if source == "coinpaprika":
        # "FREN PET" stands as two words before the name's. A symbol of one word may have been another at the time.
        if not symbol.isalnum() and "-" in (prefix := hyphened(symbol)) and source_id.startswith(prefix + "-"):
            return source_id[len(prefix) + 1 :]
        _, hyphen, rest = source_id.partition("-")
        return rest if hyphen and rest else source_id
    return source_id


def texts_of(of: EvidenceRow | NamedRow | Listed) -> Texts:
    """The keys of what a listing is called."""
    name = name_keys(of.name)
    slug_text = slug_of(of.source, of.source_id, of.symbol)
    # Most ids are the name with hyphens: what is known already is not taken apart again.
    slug = name if of.name.lower().replace(" ", "-") == slug_text else slug_keys(slug_text)
    marks = name.marks | (slug.marks & STANDS_FOR_ANOTHER)
    return Texts(symbol_key(of.symbol), name.whole, name.core, name.words, slug.whole, slug.core, marks)


def addresses_of(row: EvidenceRow) -> Iterable[str]:
    """The addresses of its contracts, each once."""
    return {spelled for _, text in row.contracts if (spelled := address(text))} if row.contracts else ()


def _packed(row: EvidenceRow) -> bytes:
    price, ath_price = row.price or 0.0, row.ath_price or 0.0
    if not (price or ath_price or row.volume_24h):
        return b""
    supply = row.market_cap / price if row.market_cap and price else 0.0
    return _NUMBERS.pack(
        price,
        row.observed_at.timestamp() if price and row.observed_at is not None else 0.0,
        supply if 0.0 < supply < inf else 0.0,
        row.volume_24h or 0.0,
        ath_price,
        row.ath_at.timestamp() if ath_price and row.ath_at is not None else 0.0,
    )


def listed(row: EvidenceRow, once: dict[Any, Any]) -> Listed:
    """A row as it is kept. Every row brings strings and numbers of its own: what many have is taken from, or put into, `once`."""
    contracts = ""
    if row.contracts:
        found = {(chain(row.source, platform), spelled) for platform, text in row.contracts if (spelled := address(text))}
        contracts = "\0".join([part for contract in sorted(found) for part in contract])
    first_seen = row.first_seen_at.timestamp() if row.first_seen_at is not None else 0.0
    return Listed(
        intern(row.source), row.source_id, once.setdefault(row.symbol, row.symbol), row.name, row.active, row.settled,
        contracts, _packed(row), once.setdefault(first_seen, first_seen), row.course,
    )  # fmt: skip


def features_of(listing_id: int, kept: Listed) -> Features:
    """Everything that is compared."""
    texts = texts_of(kept)
    price, observed, supply, volume, ath_price, ath = _NUMBERS.unpack(kept.packed) if kept.packed else _NO_NUMBERS
    return Features(
        listing_id, kept.source, texts.symbol, texts.whole, texts.core, texts.words, texts.slug, texts.slug_core, texts.marks,
        kept.contract_pairs, kept.active,
        price or None, observed, supply or None, volume or None, ath_price or None, ath, kept.course,
    )  # fmt: skip
