"""The listings' features, and which of them share a key. It is kept between runs and can be made again from the database."""

from bisect import insort
from collections.abc import Iterable

from kasparro.records import EvidenceRow, Pieces
from kasparro.resolver import evidence
from kasparro.resolver.features import Features, features_of

# A generator lets others work after this many listings: about 2 ms.
SLICE = 100

Block = dict[str, "int | list[int]"]

# Of a crowd of namesakes no more are looked at than this, the first by listing id.
CROWD_MAX = 400


class SourceIndex:
    """Which listings of one source have a key. A key that only one listing has, as most, holds its bare id."""

    __slots__ = ("addresses", "symbols", "texts")

    def __init__(self) -> None:
        self.addresses: Block = {}
        self.symbols: Block = {}
        self.texts: Block = {}


def members(block: Block, key: str) -> "list[int] | tuple[int, ...]":
    """The ids that have a key, ascending."""
    found = block.get(key)
    return () if found is None else (found,) if isinstance(found, int) else found


def crowd(block: Block, key: str) -> int:
    """How many have a key."""
    found = block.get(key)
    return 0 if found is None else 1 if isinstance(found, int) else len(found)


def _add(block: Block, key: str, listing_id: int) -> None:
    found = block.get(key)
    if found is None:
        block[key] = listing_id
    elif isinstance(found, int):
        if found != listing_id:
            block[key] = sorted((found, listing_id))
    elif listing_id > found[-1]:
        found.append(listing_id)
    elif listing_id not in found:
        insort(found, listing_id)


def _remove(block: Block, key: str, listing_id: int) -> None:
    found = block.get(key)
    if found == listing_id:
        del block[key]
    elif isinstance(found, list) and listing_id in found:
        found.remove(listing_id)
        if len(found) == 1:
            block[key] = found[0]


class Index:
    """Every listing that is known, by what it can be found by. `changed` gathers those whose judgement may need another look."""

    __slots__ = ("changed", "features", "mates", "sources")

    def __init__(self) -> None:
        self.features: dict[int, Features] = {}
        self.sources: dict[str, SourceIndex] = {}
        self.changed: set[int] = set()
        self.mates: dict[int, tuple[int, ...]] = {}  # the other listings of its coin, as last resolved; lone ones are left out

    def apply(self, rows: Iterable[EvidenceRow]) -> Pieces[None]:
        """Take over rows, new or changed, and note in `changed` whom they concern."""
        for n, row in enumerate(rows):
            if n % SLICE == SLICE - 1:
                yield
            self._put(features_of(row))

    def _put(self, new: Features) -> None:
        old = self.features.get(new.listing_id)
        self.features[new.listing_id] = new
        source = self.sources.get(new.source)
        if source is None:
            source = self.sources[new.source] = SourceIndex()
        if old is None:
            self.changed.add(new.listing_id)
            self._enter(source, new)
        elif _identity(old) != _identity(new):
            # Whoever shared a key with it, or does now, may see another crowd.
            self.changed.add(new.listing_id)
            self._leave(source, old)
            self._enter(source, new)
        elif _has_news(old, new) or self._parts_from_mates(new):
            self.changed.add(new.listing_id)

    def same_source_neighbours(self, f: Features) -> set[int]:
        """The other listings of its source that share its contract, or its symbol and a text."""
        source = self.sources[f.source]
        found: set[int] = set()
        if crowd(source.symbols, f.symbol) > 1:
            texts = (members(source.texts, f.core), members(source.texts, f.slug_core))
            found.update(*(t for t in texts if len(t) > 1))
            found.intersection_update(members(source.symbols, f.symbol))
        for _, address in f.contracts:
            if 1 < crowd(source.addresses, address) <= CROWD_MAX:
                found.update(members(source.addresses, address))
        found.discard(f.listing_id)
        return found

    def _parts_from_mates(self, f: Features) -> bool:
        """Whether its price has left that of another listing of its coin."""
        mates = self.mates.get(f.listing_id)
        return mates is not None and any(evidence.price(f, self.features[m]) in {"price.apart", "price.far"} for m in mates)

    def _enter(self, source: SourceIndex, f: Features) -> None:
        listing_id = f.listing_id
        for block, key in _keys(source, f):
            found = block.get(key)
            if found is None:
                block[key] = listing_id
            else:
                self.changed.update((found,) if isinstance(found, int) else found[:CROWD_MAX])
                _add(block, key, listing_id)

    def _leave(self, source: SourceIndex, f: Features) -> None:
        for block, key in _keys(source, f):
            self.changed.update(members(block, key)[:CROWD_MAX])
            _remove(block, key, f.listing_id)


def _keys(source: SourceIndex, f: Features) -> list[tuple[Block, str]]:
    keys = [(source.symbols, f.symbol), (source.texts, f.core)]
    if f.slug_core != f.core:
        keys.append((source.texts, f.slug_core))
    if f.contracts:
        keys.extend([(source.addresses, address) for address in {address for _, address in f.contracts}])
    return keys


def _identity(f: Features) -> tuple[object, ...]:
    return (f.symbol_shown, f.name_shown, f.source_id, f.active, f.contracts)


def _has_news(old: Features, new: Features) -> bool:
    """Whether something can be compared that could not be before, or an all-time high was reached. A price that moves is no news."""
    return (
        old.settled != new.settled
        or (old.price is None) != (new.price is None)
        or (old.supply is None) != (new.supply is None)
        or (old.ath, old.ath_price) != (new.ath, new.ath_price)
    )
