"""From rows to a catalog: pure, in pieces, building on what the previous catalog has."""

from array import array
from collections.abc import Callable, Iterable
from datetime import datetime
from math import inf
from sys import intern
from typing import Any, Protocol, TypeVar

import msgspec

from kasparro.catalog.entries import Catalog, Entry, JudgementEntry, ListingEntry, Orders, PriceEntry, QuoteEntry
from kasparro.catalog.rows import data_row, encoded_row
from kasparro.catalog.sorting import sort_in_pieces
from kasparro.records import Pieces

_ENTRIES_PER_PIECE = 50
_KEYS_PER_PIECE = 2_000
_SHARED_MAX = 10_000

T = TypeVar("T")


class Row(Protocol):
    """A row of a query's answer, by column name."""

    def __getitem__(self, name: str, /) -> Any: ...  # noqa: ANN401  # columns are of any type


class Rows(Protocol):
    """All rows of some coins. See store/catalog_rows.py."""

    @property
    def coins(self) -> Iterable[Row]: ...
    @property
    def listings(self) -> Iterable[Row]: ...
    @property
    def contracts(self) -> Iterable[Row]: ...
    @property
    def aliases(self) -> Iterable[Row]: ...


Contracts = dict[int, list[tuple[str, str]]]  # listing id -> (platform, address)


class Draft:
    """The next catalog while it is being made from a previous one and the rows of the coins that changed."""

    def __init__(self, previous: Catalog) -> None:
        self._previous = previous
        self._entries = dict(previous.entries)
        self._keys = _OnWrite(previous.keys)
        self._aliases = _OnWrite(previous.aliases)
        self._merged = _OnWrite(previous.merged)
        self._listings = {source: _OnWrite(ids) for source, ids in previous.listings.items()}
        self._coins_changed = False  # the set of coins, or of those with a price
        self._same: dict[Any, Any] = {}
        # The same object for equal values, so that a value which many coins have is kept once.
        self._shared: Callable[..., Any] = lambda value: self._same.setdefault(value, value)

    def add(self, coin_keys: Iterable[int], rows: Rows) -> Pieces[None]:
        """Take over the rows of the coins with these keys; one without a row in `rows.coins` no longer exists."""
        if len(self._same) > _SHARED_MAX:
            self._same.clear()
        listings: dict[int, list[Row]] = {}
        for row in rows.listings:
            listings.setdefault(row["coin_key"], []).append(row)
        contracts: Contracts = {}
        for row in rows.contracts:
            contracts.setdefault(row["listing_id"], []).append((intern(row["platform"]), row["address"]))
        aliases: dict[int, list[str]] = {}
        for row in rows.aliases:
            aliases.setdefault(row["coin_key"], []).append(row["alias"])
        yield
        coins = {row["coin_key"]: row for row in rows.coins}
        for number, key in enumerate(coin_keys):
            self._put(key, coins.get(key), listings.get(key, []), contracts, aliases.get(key, []))
            if number % _ENTRIES_PER_PIECE == _ENTRIES_PER_PIECE - 1:
                yield

    def finish(self, version: int, published_at: datetime | None) -> Pieces[Catalog]:
        """The catalog. The draft must not be used afterwards."""
        orders = yield from _orders(self._entries, self._previous.orders, coins_changed=self._coins_changed)
        return Catalog(
            version=version,
            published_at=published_at,
            entries=self._entries,
            keys=self._keys.now,
            aliases=self._aliases.now,
            merged=self._merged.now,
            listings={source: ids.now for source, ids in self._listings.items()},
            orders=orders,
        )

    def _put(self, key: int, coin: Row | None, listings: list[Row], contracts: Contracts, aliases: list[str]) -> None:
        before = self._entries.pop(key, None)
        after: Entry | None = None
        if coin is not None:
            self._keys.set(coin["coin_id"], key)
            if coin["merged_into"] is None:
                self._merged.drop(key)
                after = self._entry(coin, listings, contracts, aliases, before)
                self._entries[key] = after
            else:
                self._merged.set(key, coin["merged_into"])
        self._index(key, before, after, aliases)
        if (before is None or before.price is None) != (after is None or after.price is None) or (before is None) != (after is None):
            self._coins_changed = True

    def _index(self, key: int, before: Entry | None, after: Entry | None, aliases: list[str]) -> None:
        for alias in before.aliases if before else ():
            if alias not in aliases and self._aliases.now.get(alias) == key:
                self._aliases.drop(alias)
        for alias in aliases:
            self._aliases.set(alias, key)
        for listing in before.listings if before else ():
            ids = self._listings[listing.source]
            # Where the listing has joined another coin that was taken over earlier, it is that coin's already.
            if ids.now.get(listing.source_id) == key and (
                after is None or listing.listing_id not in {n.listing_id for n in after.listings}
            ):
                ids.drop(listing.source_id)
        for listing in after.listings if after else ():
            self._listings.setdefault(listing.source, _OnWrite({})).set(listing.source_id, key)

    def _entry(self, coin: Row, rows: list[Row], contracts: Contracts, aliases: list[str], before: Entry | None) -> Entry:
        coin_id: str = before.coin_id if before else coin["coin_id"]
        symbol: str = intern(coin["symbol"])
        name: str = before.name if before and before.name == coin["name"] else coin["name"]
        known = {n.judgement.judgement_id: n.judgement for n in before.listings} if before else {}
        listings: list[ListingEntry] = []
        others: list[JudgementEntry] = []
        for row in rows:
            # A judgement never changes: it is superseded by another one.
            judgement = known.get(row["judgement_id"]) or self._judgement(row, coin_id)
            if judgement.verdict == "same":
                listings.append(self._listing(row, judgement, tuple(contracts.get(row["listing_id"], ())), name))
            else:
                others.append(judgement)
        # A price stands only while the listing that it comes from is the coin.
        chosen = coin["listing_id"]
        price = self._price(coin) if chosen is not None and any([n.listing_id == chosen for n in listings]) else None  # noqa: C419  # half the time
        sources = self._sources(listings, quoted=price is not None)
        return Entry(
            coin_key=coin["coin_key"],
            coin_id=coin_id,
            symbol=symbol,
            name=name,
            sources=sources,
            listings=tuple(listings),
            others=tuple(others),
            aliases=tuple(aliases),
            price=price,
            folded=f"{name}\n{symbol}\n{coin_id}".casefold(),
            row=None if price is None else encoded_row(data_row(coin_id, symbol, name, sources, price)),
        )

    def _sources(self, listings: list[ListingEntry], *, quoted: bool) -> tuple[str, ...]:
        """The sources that have a quote, where one has and a price stands; otherwise all that list the coin."""
        says_price = {n.source for n in listings if n.quote is not None} if quoted else ()
        sources: tuple[str, ...] = self._shared(tuple(sorted(says_price or {n.source for n in listings})))
        return sources

    def _judgement(self, row: Row, coin_id: str) -> JudgementEntry:
        source_id: str = row["source_id"]
        return JudgementEntry(
            judgement_id=row["judgement_id"],
            source=intern(row["source"]),
            source_id=coin_id if source_id == coin_id else source_id,
            verdict=intern(row["verdict"]),  # type: ignore[arg-type]  # the table's own constraint
            rule=intern(row["rule"]),
            confidence=self._shared(row["confidence"]),
            evidence=self._shared(row["evidence"].encode()),
            decided_by=intern(row["decided_by"]),
            note=row["note"],
            created_at=self._shared(row["created_at"]),
        )

    def _listing(self, row: Row, judgement: JudgementEntry, contracts: tuple[tuple[str, str], ...], name: str) -> ListingEntry:
        return ListingEntry(
            listing_id=row["listing_id"],
            source=judgement.source,
            source_id=judgement.source_id,
            symbol=intern(row["symbol"]),
            name=name if row["name"] == name else row["name"],
            active=row["active"],
            contracts=contracts,
            quote=None
            if row["price"] is None
            else QuoteEntry(
                price=row["price"],
                market_cap=row["market_cap"],
                volume_24h=row["volume_24h"],
                observed_at=row["observed_at"],
                fetched_at=self._shared(row["fetched_at"]),
            ),
            judgement=judgement,
        )

    def _price(self, coin: Row) -> PriceEntry:
        return PriceEntry(
            value=coin["value"],
            listing_id=coin["listing_id"],
            observed_at=coin["observed_at"],
            published_at=self._shared(coin["published_at"]),
            method=intern(coin["method"]),
            sources_used=self._shared(tuple(coin["sources_used"])),
            spread_pct=coin["spread_pct"],
            confidence=self._shared(coin["confidence"]),
            flags=self._shared(tuple(coin["flags"])),
            market_cap=coin["market_cap"],
            volume_24h=coin["volume_24h"],
        )


class _OnWrite(msgspec.Struct):
    """A mapping of the previous catalog, copied when it first changes."""

    now: Any  # dict[K, V]
    own: bool = False

    def set(self, key: object, value: object) -> None:
        if self.now.get(key) != value:
            self._copy()
            self.now[key] = value

    def drop(self, key: object) -> None:
        if key in self.now:
            self._copy()
            del self.now[key]

    def _copy(self) -> None:
        if not self.own:
            self.now = dict(self.now)
            self.own = True


def _orders(entries: dict[int, Entry], previous: Orders, *, coins_changed: bool) -> Pieces[Orders]:
    """The places of all coins. `previous` gives what did not change, and nearly sorted input where it did."""
    by_id, by_id_all = previous.id, previous.id_all
    if coins_changed:
        ids: list[tuple[str, int]] = []
        for number, entry in enumerate(entries.values()):
            ids.append((entry.coin_id, entry.coin_key))
            if number % _KEYS_PER_PIECE == 0:
                yield
        ids = yield from sort_in_pieces(ids)
        by_id, by_id_all = array("i"), array("i")
        for start in range(0, len(ids), _KEYS_PER_PIECE):
            keys = [key for _, key in ids[start : start + _KEYS_PER_PIECE]]
            by_id_all.extend(keys)
            by_id.extend([key for key in keys if entries[key].price is not None])
            yield
    rank = yield from _by_amount(entries, by_id, lambda price: (_descending(price.market_cap), _descending(price.volume_24h)))
    yield
    volume = yield from _by_amount(entries, by_id, lambda price: (_descending(price.volume_24h), _descending(price.market_cap)))
    yield
    return Orders(
        # An order that stayed the same is kept once, over all the versions of which the orders are remembered.
        rank=previous.rank if previous.rank == rank else rank,
        volume=previous.volume if previous.volume == volume else volume,
        id=by_id,
        id_all=by_id_all,
    )


def _by_amount(
    entries: dict[int, Entry], by_id: "array[int]", amounts: Callable[[PriceEntry], tuple[float, float]]
) -> Pieces["array[int]"]:
    """The coins with a price by two amounts, then by id."""
    rows: list[tuple[tuple[float, float], str, int]] = []
    for number, key in enumerate(by_id):
        entry = entries[key]
        if entry.price is not None:
            rows.append((amounts(entry.price), entry.coin_id, key))
        if number % _KEYS_PER_PIECE == 0:
            yield
    rows = yield from sort_in_pieces(rows)
    yield
    return array("i", [row[2] for row in rows])


def _descending(amount: float | None) -> float:
    """A sort key: the largest amount first, what is not known last."""
    return inf if amount is None else -amount
