"""What a listing is compared by: an evidence row turned into keys and numbers once, not once per pair."""

from math import inf
from sys import intern

import msgspec

from kasparro.records import EvidenceRow
from kasparro.resolver.normalise import STANDS_FOR_ANOTHER, hyphened, name_keys, slug_keys, symbol_key
from kasparro.resolver.platforms import address, chain

_EMPTY: tuple[()] = ()


class Features(msgspec.Struct, frozen=True, gc=False):
    """One listing, ready to be compared. Holds no cycle, so the garbage collector need not look at it."""

    listing_id: int
    source: str
    source_id: str
    symbol_shown: str
    name_shown: str
    symbol: str
    whole: str  # every word of the name
    core: str  # the words of the name that tell something
    words: str  # the words of the core in order, with blanks between them: a tuple of them takes four times the memory
    slug: str  # the id's words, without the symbol that CoinPaprika puts before them
    slug_core: str
    marks: int  # bits into normalise.KINDS, of name and id together
    contracts: tuple[tuple[str, str], ...]  # (chain, address), sorted
    active: bool
    settled: bool
    price: float | None
    observed: float  # seconds since 1970, 0 without a price
    supply: float | None  # market cap over price: holds while prices move
    volume: float | None
    ath_price: float | None
    ath: float  # seconds since 1970, 0 where unknown
    first_seen: float  # seconds since 1970, 0 where unknown
    course: tuple[tuple[float, float], ...] = ()  # (seconds since 1970, price), oldest first


def slug_of(source: str, source_id: str, symbol: str) -> str:
    """The part of an id that is words. CoinPaprika's ids begin with the symbol that a coin had when it was listed."""
    if source == "coinpaprika":
        # "FREN PET" stands as two words before the name's. A symbol of one word may have been another at the time.
        if not symbol.isalnum() and "-" in (prefix := hyphened(symbol)) and source_id.startswith(prefix + "-"):
            return source_id[len(prefix) + 1 :]
        _, hyphen, rest = source_id.partition("-")
        return rest if hyphen and rest else source_id
    return source_id


def _supply(cap: float | None, price: float | None) -> float | None:
    """Market cap over price, where that is a number above zero."""
    supply = cap / price if cap and price else 0.0
    return supply if 0.0 < supply < inf else None


def features_of(row: EvidenceRow) -> Features:
    """Everything that is compared, from one row."""
    name = name_keys(row.name)
    slug_text = slug_of(row.source, row.source_id, row.symbol)
    # Most ids are the name with hyphens: what is known already is not taken apart again.
    slug = name if row.name.lower().replace(" ", "-") == slug_text else slug_keys(slug_text)
    price = row.price
    cap = row.market_cap
    contracts: tuple[tuple[str, str], ...] = _EMPTY
    if row.contracts:
        found = {(chain(row.source, platform), spelled) for platform, text in row.contracts if (spelled := address(text))}
        contracts = tuple(sorted(found))
    whole, core = name.whole, name.core
    # Every row brings strings of its own; what many listings have is kept once.
    symbol_shown, symbol = intern(row.symbol), intern(symbol_key(row.symbol))
    return Features(
        row.listing_id, intern(row.source), row.source_id, symbol_shown, row.name, symbol,
        whole, whole if core == whole else core, core if len(name.words) == 1 else " ".join(name.words),
        whole if slug.whole == whole else slug.whole,
        core if slug.core == core else slug.core,
        name.marks | (slug.marks & STANDS_FOR_ANOTHER), contracts, row.active, row.settled,
        price, row.observed_at.timestamp() if price is not None and row.observed_at is not None else 0.0,
        _supply(cap, price),
        row.volume_24h or None,
        row.ath_price or None, row.ath_at.timestamp() if row.ath_at is not None and row.ath_price else 0.0,
        row.first_seen_at.timestamp() if row.first_seen_at is not None else 0.0,
        row.course,
    )  # fmt: skip
