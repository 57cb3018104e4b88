"""From rows to a catalog: pure, in pieces, building on what the previous catalog has."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from sys import intern
from typing import Any, Protocol, TypeVar

import msgspec

from kasparro.catalog.entries import Catalog, Contract, Entry, Judgement, ListingEntry, Price
from kasparro.catalog.indexes import Groups, OnWrite, addresses, symbols, wrapped
from kasparro.catalog.orders import make_orders
from kasparro.catalog.priced import listed, price_of, quote_of, row_of
from kasparro.catalog.repriced import PriceRows, Repricer
from kasparro.catalog.search import carried_on
from kasparro.catalog.staling import is_flagged
from kasparro.records import Pieces

_ENTRIES_PER_PIECE = 50
_REPRICED_PER_PIECE = 50
_ROWS_PER_PIECE = 1_000
_SHARED_MAX = 10_000

_COIN_ID, _MERGED_INTO = 1, 4  # of a coin's row
_JUDGEMENT_ID, _LISTING_ID, _SOURCE, _SOURCE_ID = 1, 9, 10, 11  # of a listing's

T = TypeVar("T")


Row = Sequence[Any]  # a row of a query's answer, columns in the order of store/sql/catalog_rows.sql: by name each would be looked up


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
        found.setdefault(row[0], []).append(row)
        if number % _ROWS_PER_PIECE == 0:
            yield
    return found


def _by_source(row: Row) -> tuple[str, str]:
    return row[_SOURCE], row[_SOURCE_ID]


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

    def _shared(self, value: T) -> T:
        """The same object for equal values, so that a value which many coins have is kept once."""
        shared: T = self._same.setdefault(value, value)
        return shared

    def add(self, coin_keys: Iterable[int], rows: Rows) -> Pieces[None]:
        """Take over the rows of the coins with these keys; one without a row in `rows.coins` no longer exists."""
        if len(self._same) > _SHARED_MAX:
            self._same.clear()
        listings = yield from _by_coin(rows.listings)
        contracts: Contracts = {}
        spelled: dict[str, str] = {}  # an address that both sources give is kept once
        for number, (listing_id, platform, address) in enumerate(rows.contracts):
            contracts.setdefault(listing_id, []).append((intern(platform), spelled.setdefault(address, address)))
            if number % _ROWS_PER_PIECE == 0:
                yield
        aliases = yield from _by_coin(rows.aliases)
        coins = yield from _by_coin(rows.coins)
        for number, key in enumerate(coin_keys):
            coin = coins.get(key)
            self._put(key, coin[0] if coin else None, listings.get(key, []), contracts, [row[1] for row in aliases.get(key, ())])
            if number % _ENTRIES_PER_PIECE == _ENTRIES_PER_PIECE - 1:
                yield

    def begin(self, rows: Iterable[Row]) -> Pieces[list[int]]:
        """Take over what lists show of coins with a price, a row for each listing with a quote, and no more of them. Answers their keys."""
        by_coin = yield from _by_coin(rows)
        for number, (key, quoted) in enumerate(by_coin.items()):
            entry = listed(quoted, self._shared)
            if entry is not None:
                self._entries[key] = entry
                self._keys.set(entry.coin_id, key)
                self._named.append(key)
                self._index(key, None, entry, [])
                self._count(key, None, entry)
            if number % _ENTRIES_PER_PIECE == _ENTRIES_PER_PIECE - 1:
                yield
        return list(self._entries)

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
            merged_into = coin[_MERGED_INTO]
            self._keys.set(coin[_COIN_ID], key)
            if merged_into is None:
                self._merged.drop(key)
                after = self._entry(coin, listings, contracts, aliases, before)
                self._entries[key] = after
                if before is None or (before.name, before.symbol) != (after.name, after.symbol):
                    self._named.append(key)
            else:
                self._merged.set(key, merged_into)
        self._index(key, before, after, aliases)
        self._count(key, before, after)

    def _count(self, key: int, before: Entry | None, after: Entry | None) -> None:
        """Note whether a coin with a price came, changed or went, whether its price did, what is stale, and what was replaced."""
        if before is not None:
            self.replaced.append(before)
        was, now = (None if entry is None else entry.price for entry in (before, after))
        if was is not now:
            self._changed.add(key)
        if (was is None) != (now is None) or (before is None) != (after is None):
            self._moved.add(key)
        self._stale += is_flagged(now) - is_flagged(was)

    def _index(self, key: int, before: Entry | None, after: Entry | None, aliases: list[str]) -> None:
        if before is not None:
            self._leave(key, before, after, aliases)
        for alias in aliases:
            self._aliases.set(alias, key)
        for listing in after.listings if after else ():
            self._listings_of(listing.source).set(listing.source_id, key)
        self._symbols.move(key, symbols(before), symbols(after))
        self._addresses.move(key, addresses(before), addresses(after))
        self._wrapping.move(key, wrapped(before), wrapped(after))

    def _leave(self, key: int, before: Entry, after: Entry | None, aliases: list[str]) -> None:
        """Take a coin from the aliases and listings that it had and has not."""
        for alias in before.aliases:
            if alias not in aliases and self._aliases.now.get(alias) == key:
                self._aliases.drop(alias)
        has = {n.listing_id for n in after.listings} if after else ()
        for listing in before.listings:
            ids = self._listings[listing.source]
            # Where the listing has joined another coin that was taken over earlier, it is that coin's already.
            if listing.listing_id not in has and ids.now.get(listing.source_id) == key:
                ids.drop(listing.source_id)

    def _listings_of(self, source: str) -> OnWrite:
        ids = self._listings.get(source)
        if ids is None:
            ids = self._listings[source] = OnWrite({})
        return ids

    def _entry(self, coin: Row, rows: list[Row], contracts: Contracts, aliases: list[str], before: Entry | None) -> Entry:
        coin_key, coin_id, symbol, name, _, wraps, chosen_id, *price_columns = coin
        if before:  # what stayed is kept
            coin_id, name = before.coin_id, before.name if before.name == name else name
        symbol = intern(symbol)
        known = {n.judgement.judgement_id: n.judgement for n in before.listings} if before else {}
        given = {n.listing_id: n.contracts for n in before.listings} if before else {}
        listings: list[ListingEntry] = []
        others: list[Judgement] = []
        price: Price | None = None
        for row in sorted(rows, key=_by_source) if len(rows) > 1 else rows:
            # A judgement never changes: it is superseded by another one.
            judgement = known.get(row[_JUDGEMENT_ID]) or self._judgement(row, coin_id)
            if judgement.verdict != "same":
                others.append(judgement)
                continue
            listing_id = row[_LISTING_ID]
            has = _contracts(judgement, contracts.get(listing_id, ()), given.get(listing_id, ()))
            is_chosen = listing_id == chosen_id
            if is_chosen:  # a price stands only while the listing that it comes from is the coin
                price = price_of(price_columns, judgement.source, judgement.source_id, self._shared, before)
            listings.append(self._listing(row, judgement, has, name, price if is_chosen else None))
        sources = self._sources(listings, quoted=price is not None)
        return Entry(
            coin_key=coin_key,
            coin_id=coin_id,
            symbol=symbol,
            name=name,
            sources=sources,
            listings=tuple(listings),
            others=tuple(others),
            aliases=tuple(aliases),
            wraps=wraps,
            price=price,
            row=row_of(coin_id, symbol, name, sources, price, before),
        )

    def _sources(self, listings: list[ListingEntry], *, quoted: bool) -> tuple[str, ...]:
        """The sources that have a quote, where one has and a price stands; otherwise all that list the coin."""
        says_price = {n.source for n in listings if n.quote is not None} if quoted else ()
        sources: tuple[str, ...] = self._shared(tuple(sorted(says_price or {n.source for n in listings})))
        return sources

    def _judgement(self, row: Row, coin_id: str) -> Judgement:
        _, judgement_id, verdict, rule, confidence, evidence, decided_by, note, created_at, _, source, source_id, *_ = row
        return Judgement(
            judgement_id=judgement_id,
            source=intern(source),
            source_id=coin_id if source_id == coin_id else source_id,
            verdict=intern(verdict),  # type: ignore[arg-type]  # the table's own constraint
            rule=intern(rule),
            confidence=self._shared(confidence),
            evidence=self._evidence(evidence),
            decided_by=intern(decided_by),
            note=note,
            created_at=self._shared(created_at),
        )

    def _listing(self, row: Row, judgement: Judgement, contracts: tuple[Contract, ...], name: str, price: Price | None) -> ListingEntry:
        """`price` is the one that comes from this listing."""
        listing_id, _, _, symbol, listing_name, active, *quote_columns, fetched_at = row[_LISTING_ID:]
        source, source_id = judgement.source, judgement.source_id
        quoted = quote_columns[0] is not None
        quote = quote_of((*quote_columns, self._shared(fetched_at)), source, source_id, price) if quoted else None
        return ListingEntry(
            listing_id=listing_id,
            source=source,
            source_id=source_id,
            symbol=intern(symbol),
            name=name if listing_name == name else listing_name,
            active=active,
            contracts=contracts,
            quote=quote,
            judgement=judgement,
        )

    def _evidence(self, text: str) -> msgspec.Raw:
        known: msgspec.Raw | None = self._same.get(text)
        if known is None:
            known = self._same[text] = msgspec.Raw(text.encode())
        return known
