"""What the catalog keeps per coin. Slots without garbage collection: there are as many entries as coins, and they form no cycles.

What is shown of a coin is kept as it is shown, so that it is encoded as it stands. Amounts in US dollars, times aware UTC.
"""

from array import array
from collections.abc import Mapping
from datetime import datetime

import msgspec

from kasparro.catalog.text_index import EMPTY_INDEX, TextIndex
from kasparro.records import Verdict


class Held(msgspec.Struct, frozen=True, gc=False, kw_only=True, eq=False):
    """Base of what the catalog holds."""


class Quote(Held, frozen=True, gc=False, kw_only=True, eq=False):
    """The newest quote of one of the coin's listings."""

    source: str
    source_id: str
    price: float = msgspec.field(name="price_usd")
    market_cap: float | None = msgspec.field(name="market_cap_usd")
    volume_24h: float | None = msgspec.field(name="volume_24h_usd")
    observed_at: datetime
    fetched_at: datetime


class Judgement(Held, frozen=True, gc=False, kw_only=True, eq=False):
    """Whether a listing is the coin, and why."""

    judgement_id: int = msgspec.field(name="id")
    source: str
    source_id: str
    verdict: Verdict
    rule: str
    confidence: float
    evidence: msgspec.Raw  # JSON
    decided_by: str
    note: str | None
    created_at: datetime


class Contract(Held, frozen=True, gc=False, kw_only=True, eq=False):
    """A contract address of one of the coin's listings; the platform as the source names it."""

    source: str
    source_id: str
    platform: str
    address: str


class ListingEntry(Held, frozen=True, gc=False, kw_only=True, eq=False):
    """A listing that is judged the same as the coin."""

    listing_id: int
    source: str
    source_id: str
    symbol: str
    name: str
    active: bool
    contracts: tuple[Contract, ...]  # by platform and address
    quote: Quote | None
    judgement: Judgement


class Price(Held, frozen=True, gc=False, kw_only=True, eq=False):
    """What the service says the coin costs, and why."""

    value: float = msgspec.field(name="value_usd")
    source: str
    source_id: str  # the listing whose quote was chosen
    method: str
    sources_used: tuple[str, ...]
    spread_pct: float | None
    observed_at: datetime
    published_at: datetime
    confidence: float
    flags: tuple[str, ...]
    market_cap: float | None = msgspec.field(name="market_cap_usd")
    volume_24h: float | None = msgspec.field(name="volume_24h_usd")


class Entry(Held, frozen=True, gc=False, kw_only=True, eq=False):
    """A coin that is not merged into another one."""

    coin_key: int
    coin_id: str
    symbol: str
    name: str
    sources: tuple[str, ...]  # those that say a price of it; of a coin without any price, those that list it
    listings: tuple[ListingEntry, ...]
    others: tuple[Judgement, ...]  # `different` and `unsure`
    aliases: tuple[str, ...]
    wraps: int | None  # the key of the coin that it stands for, which may have been merged since
    price: Price | None
    row: bytes | None  # its row of /data as JSON; None where there is no price: encoded when it is asked for

    @property
    def chosen(self) -> ListingEntry | None:
        """The listing whose quote is the price."""
        price = self.price
        return None if price is None else next(n for n in self.listings if (n.source, n.source_id) == (price.source, price.source_id))


class Orders(Held, frozen=True, gc=False, kw_only=True, eq=False):
    """The places of coins at one version, as coin keys."""

    rank: "array[int]"  # coins with a price by market cap, volume, id
    volume: "array[int]"  # the same coins by volume
    id: "array[int]"  # the same coins by id
    id_all: "array[int]"  # every coin by id
    # By what `rank` and `volume` go first, coin for coin and rising: the amount below zero, infinity where it is not known. So a place is
    # found without a look at the coins. Empty once the version is current no more.
    rank_by: "array[float]"
    volume_by: "array[float]"


class Catalog(Held, frozen=True, gc=False, kw_only=True, eq=False):
    """Every coin at one version. Never changed: the next version is another catalog that shares what stayed."""

    version: int  # 0: nothing was published yet
    published_at: datetime | None
    stale: int  # prices that are flagged so, by a run or by time alone
    complete: bool  # false after a start, while no more was read than what lists show of the coins with a price; see priced.py
    entries: Mapping[int, Entry]  # by coin key
    keys: Mapping[str, int]  # every coin's own id, merged coins included -> coin key
    aliases: Mapping[str, int]  # further ids -> coin key
    merged: Mapping[int, int]  # coin key -> the key of the coin that it became
    listings: Mapping[str, Mapping[str, int]]  # source -> source id -> coin key
    # See indexes.py. One coin key or several, ascending:
    symbols: Mapping[str, int | tuple[int, ...]]  # by symbol, folded
    addresses: Mapping[str, int | tuple[int, ...]]  # by contract address, folded, on any chain
    wrapping: Mapping[int, int | tuple[int, ...]]  # the coins that wrap one, by its key
    wrapped: frozenset[int]  # keys of the coins that others wrap, merges followed
    texts: TextIndex  # name, symbol and id of every coin; see search.py
    orders: Orders

    def find(self, coin_id: str) -> Entry | None:
        """The coin that an id, an alias or a merged coin's id leads to. Its `coin_id` differs where it is known by another id now."""
        key = self.keys.get(coin_id)
        if key is None:
            key = self.aliases.get(coin_id)
        return None if key is None else self.living(key)

    def find_listing(self, source: str, source_id: str) -> Entry | None:
        """The coin that a source's listing is."""
        key = self.listings.get(source, {}).get(source_id)
        return None if key is None else self.living(key)

    def listing(self, source: str, source_id: str) -> ListingEntry | None:
        """A source's listing, as the coin has it that it is."""
        coin = self.find_listing(source, source_id)
        return None if coin is None else next((n for n in coin.listings if (n.source, n.source_id) == (source, source_id)), None)

    def living(self, key: int) -> Entry | None:
        """The coin with a key, or what it was merged into."""
        for _ in range(len(self.merged) + 1):
            target = self.merged.get(key)
            if target is None:
                break
            key = target
        return self.entries.get(key)


EMPTY = Catalog(
    version=0,
    published_at=None,
    stale=0,
    complete=True,
    entries={},
    keys={},
    aliases={},
    merged={},
    listings={},
    symbols={},
    addresses={},
    wrapping={},
    wrapped=frozenset(),
    texts=EMPTY_INDEX,
    orders=Orders(rank=array("i"), volume=array("i"), id=array("i"), id_all=array("i"), rank_by=array("d"), volume_by=array("d")),
)
