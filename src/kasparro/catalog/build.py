"""From rows to a catalog: pure, in pieces, building on what the previous catalog has."""

from collections.abc import Collection, Iterable
from datetime import datetime
from sys import intern
from typing import Any, Protocol, TypeVar

import msgspec

from kasparro.catalog.entries import Catalog, Contract, Entry, Judgement, ListingEntry, Price, Quote
from kasparro.catalog.indexes import Groups, OnWrite, addresses, symbols, wrapped
from kasparro.catalog.orders import make_orders
from kasparro.catalog.repriced import PriceRows, Repricer
from kasparro.catalog.rows import data_row, encoded_row
from kasparro.catalog.search import carried_on
from kasparro.catalog.staling import is_flagged
from kasparro.records import Pieces

_ENTRIES_PER_PIECE = 50
_REPRICED_PER_PIECE = 50
_ROWS_PER_PIECE = 1_000
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


def _contracts(judgement: Judgement, given: Collection[tuple[str, str]], before: tuple[Contract, ...]) -> tuple[Contract, ...]:
    """A listing's contracts. What stayed is kept, so that the index by address goes on sharing its keys with the entries."""
    ordered = sorted(given)
    if before and ordered == [(contract.platform, contract.address) for contract in before]:
        return before
    source, source_id = judgement.source, judgement.source_id
    return tuple([Contract(source=source, source_id=source_id, platform=platform, address=address) for platform, address in ordered])


def _by_coin(rows: Iterable[Row]) -> Pieces[dict[int, list[Row]]]:
    found: dict[int, list[Row]] = {}
    for number, row in enumerate(rows):
        found.setdefault(row["coin_key"], []).append(row)
        if number % _ROWS_PER_PIECE == 0:
            yield
    return found


def _by_source(row: Row) -> tuple[str, str]:
    return row["source"], row["source_id"]


class Draft:
    """The next catalog while it is being made from a previous one and the rows of the coins that changed."""

    def __init__(self, previous: Catalog) -> None:
        self._previous = previous
        self._entries = dict(previous.entries)
        self._keys = OnWrite(previous.keys)
        self._aliases = OnWrite(previous.aliases)
        self._merged = OnWrite(previous.merged)
        self._listings = {source: OnWrite(ids) for source, ids in previous.listings.items()}
        self._symbols = Groups(previous.symbols)
        self._addresses = Groups(previous.addresses)
        self._wrapping = Groups(previous.wrapping)
        self.replaced: list[Entry] = []  # what the previous catalog has and the next one has not
        self._named: list[int] = []  # coins that are new or are called otherwise
        self._changed: set[int] = set()  # coins that have or had a price
        self._stale = previous.stale
        self._moved: set[int] = set()  # coins that came or went, or of which the first price came or the last one went
        self._same: dict[Any, Any] = {}

    def _shared(self, value: Any) -> Any:  # noqa: ANN401  # any that can be a key
        """The same object for equal values, so that a value which many coins have is kept once."""
        return self._same.setdefault(value, value)

    def add(self, coin_keys: Iterable[int], rows: Rows) -> Pieces[None]:
        """Take over the rows of the coins with these keys; one without a row in `rows.coins` no longer exists."""
        if len(self._same) > _SHARED_MAX:
            self._same.clear()
        listings = yield from _by_coin(rows.listings)
        contracts: Contracts = {}
        spelled: dict[str, str] = {}  # an address that both sources give is kept once
        for number, row in enumerate(rows.contracts):
            address = spelled.setdefault(row["address"], row["address"])
            contracts.setdefault(row["listing_id"], []).append((intern(row["platform"]), address))
            if number % _ROWS_PER_PIECE == 0:
                yield
        aliases = yield from _by_coin(rows.aliases)
        coins = yield from _by_coin(rows.coins)
        for number, key in enumerate(coin_keys):
            coin = coins.get(key)
            self._put(key, coin[0] if coin else None, listings.get(key, []), contracts, [row["alias"] for row in aliases.get(key, ())])
            if number % _ENTRIES_PER_PIECE == _ENTRIES_PER_PIECE - 1:
                yield

    def reprice(self, rows: PriceRows) -> Pieces[None]:
        """Take over the prices and quotes of coins that had a price and of which no more changed."""
        repricer = Repricer(rows.quotes)
        yield
        for number, row in enumerate(rows.prices):
            key: int = row[0]
            before = self._entries[key]
            after = self._entries[key] = repricer.entry(before, row)
            self._count(key, before, after)
            if number % _REPRICED_PER_PIECE == _REPRICED_PER_PIECE - 1:
                yield

    def finish(self, version: int, published_at: datetime | None, *, complete: bool = True) -> Pieces[Catalog]:
        """The catalog. The draft must not be used afterwards."""
        orders = yield from make_orders(self._entries, self._previous.orders, self._changed, self._moved)
        catalog = Catalog(
            version=version,
            published_at=published_at,
            stale=self._stale,
            complete=complete,
            entries=self._entries,
            keys=self._keys.now,
            aliases=self._aliases.now,
            merged=self._merged.now,
            listings={source: ids.now for source, ids in self._listings.items()},
            symbols=self._symbols.now,
            addresses=self._addresses.now,
            wrapping=self._wrapping.now,
            wrapped=frozenset(),
            texts=carried_on(self._previous.texts, self._named),
            orders=orders,
        )
        wrapped_coins = {entry.coin_key for target in catalog.wrapping if (entry := catalog.living(target)) is not None}
        return msgspec.structs.replace(catalog, wrapped=frozenset(wrapped_coins))

    def _put(self, key: int, coin: Row | None, listings: list[Row], contracts: Contracts, aliases: list[str]) -> None:
        before = self._entries.pop(key, None)
        after: Entry | None = None
        if coin is not None:
            self._keys.set(coin["coin_id"], key)
            if coin["merged_into"] is None:
                self._merged.drop(key)
                after = self._entry(coin, listings, contracts, aliases, before)
                self._entries[key] = after
                if before is None or (before.name, before.symbol) != (after.name, after.symbol):
                    self._named.append(key)
            else:
                self._merged.set(key, coin["merged_into"])
        self._index(key, before, after, aliases)
        self._count(key, before, after)

    def _count(self, key: int, before: Entry | None, after: Entry | None) -> None:
        """Note whether a coin with a price came, changed or went, whether its price did, what is stale, and what was replaced."""
        if before is not None:
            self.replaced.append(before)
        was, now = (None if entry is None else entry.price for entry in (before, after))
        if was is not None or now is not None:
            self._changed.add(key)
        if (was is None) != (now is None) or (before is None) != (after is None):
            self._moved.add(key)
        self._stale += is_flagged(now) - is_flagged(was)

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
            self._listings.setdefault(listing.source, OnWrite({})).set(listing.source_id, key)
        self._symbols.move(key, symbols(before), symbols(after))
        self._addresses.move(key, addresses(before), addresses(after))
        self._wrapping.move(key, wrapped(before), wrapped(after))

    def _entry(self, coin: Row, rows: list[Row], contracts: Contracts, aliases: list[str], before: Entry | None) -> Entry:
        coin_id: str = before.coin_id if before else coin["coin_id"]
        symbol: str = intern(coin["symbol"])
        name: str = before.name if before and before.name == coin["name"] else coin["name"]
        known = {n.judgement.judgement_id: n.judgement for n in before.listings} if before else {}
        given = {n.listing_id: n.contracts for n in before.listings} if before else {}
        listings: list[ListingEntry] = []
        others: list[Judgement] = []
        for row in sorted(rows, key=_by_source) if len(rows) > 1 else rows:
            # A judgement never changes: it is superseded by another one.
            judgement = known.get(row["judgement_id"]) or self._judgement(row, coin_id)
            if judgement.verdict == "same":
                has = _contracts(judgement, contracts.get(row["listing_id"], ()), given.get(row["listing_id"], ()))
                listings.append(self._listing(row, judgement, has, name))
            else:
                others.append(judgement)
        # A price stands only while the listing that it comes from is the coin.
        chosen = next((n for n in listings if n.listing_id == coin["listing_id"]), None)
        price = None if chosen is None else self._price(coin, chosen)
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
            wraps=coin["wraps"],
            price=price,
            row=None if price is None else encoded_row(data_row(coin_id, symbol, name, sources, price)),
        )

    def _sources(self, listings: list[ListingEntry], *, quoted: bool) -> tuple[str, ...]:
        """The sources that have a quote, where one has and a price stands; otherwise all that list the coin."""
        says_price = {n.source for n in listings if n.quote is not None} if quoted else ()
        sources: tuple[str, ...] = self._shared(tuple(sorted(says_price or {n.source for n in listings})))
        return sources

    def _judgement(self, row: Row, coin_id: str) -> Judgement:
        source_id: str = row["source_id"]
        return Judgement(
            judgement_id=row["judgement_id"],
            source=intern(row["source"]),
            source_id=coin_id if source_id == coin_id else source_id,
            verdict=intern(row["verdict"]),  # type: ignore[arg-type]  # the table's own constraint
            rule=intern(row["rule"]),
            confidence=self._shared(row["confidence"]),
            evidence=self._evidence(row["evidence"]),
            decided_by=intern(row["decided_by"]),
            note=row["note"],
            created_at=self._shared(row["created_at"]),
        )

    def _listing(self, row: Row, judgement: Judgement, contracts: tuple[Contract, ...], name: str) -> ListingEntry:
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
            else Quote(
                source=judgement.source,
                source_id=judgement.source_id,
                price=row["price"],
                market_cap=row["market_cap"],
                volume_24h=row["volume_24h"],
                observed_at=row["observed_at"],
                fetched_at=self._shared(row["fetched_at"]),
            ),
            judgement=judgement,
        )

    def _evidence(self, text: str) -> msgspec.Raw:
        known: msgspec.Raw | None = self._same.get(text)
        if known is None:
            known = self._same[text] = msgspec.Raw(text.encode())
        return known

    def _price(self, coin: Row, chosen: ListingEntry) -> Price:
        return Price(
            value=coin["value"],
            source=chosen.source,
            source_id=chosen.source_id,
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
