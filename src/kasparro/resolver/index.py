"""Listings as they are kept, and which of them share a key."""

from collections.abc import Iterable, Mapping
from functools import lru_cache, partial
from typing import Any

from kasparro.records import EvidenceRow, Pieces
from kasparro.resolver.features import Features, Listed, features_of, listed, texts_of
from kasparro.resolver.keys import Blocks, Keys, KeysDraft
from kasparro.resolver.normalise import STANDS_FOR_ANOTHER

# A generator lets others work after this many listings: about 2 ms.
SLICE = 100

# Of a crowd of namesakes no more are looked at than this, the first by listing id.
CROWD_MAX = 400

_FEATURES_MAX = 1_000  # kept at a time: half a megabyte. Who is compared with one another is looked at close together


class Index:
    """Listings by what they can be found by: all of them, or with `keys` those that a change concerns.

    Keys know of every listing who shares a key with whom. Of an index of all they are there once `close` was called. With `keys`,
    listings are there that were applied only: crowds are counted right, and who is missing can be told.
    """

    __slots__ = ("_draft", "_keys", "_once", "features", "listed", "sources", "stand_ins")

    def __init__(self, keys: Keys | None = None) -> None:
        self.listed: dict[int, Listed] = {}
        self.stand_ins: set[int] = set()  # listings that say in name or id that they stand for another coin
        self.features = lru_cache(_FEATURES_MAX)(partial(_features, self.listed))  # of a listing, ready to be compared
        self._once: dict[Any, Any] = {}  # what many rows have is kept once
        self._draft, self._keys = KeysDraft(), keys
        self.sources: dict[str, Blocks] = {} if keys is None else keys.sources

    def apply(self, rows: Iterable[EvidenceRow]) -> Pieces[None]:
        """Take over rows, each listing once."""
        for n, row in enumerate(rows):
            if n % SLICE == SLICE - 1:
                yield
            self.put(row)

    def put(self, row: EvidenceRow) -> None:
        """Take over one listing."""
        self.listed[row.listing_id] = listed(row, self._once)
        texts = texts_of(row)
        if texts.marks & STANDS_FOR_ANOTHER:
            self.stand_ins.add(row.listing_id)
        if self._keys is None:
            self._draft.put(row, texts)

    def close(self) -> Pieces[Keys]:
        """The keys of all listings. None may be applied afterwards to an index of all."""
        if self._keys is None:
            self._keys = yield from self._draft.finish()
            self.sources = self._keys.sources
            self._once.clear()
        return self._keys

    def clear(self) -> Pieces[None]:
        """Let go of everything but the keys: the last reference to tens of thousands at once would hold the event loop."""
        self.features.cache_clear()
        while self.listed:
            for _ in range(min(len(self.listed), SLICE)):
                self.listed.popitem()
            yield

    def neighbours(self, f: Features) -> set[int]:
        """The listings of any source that share a key with this one, whether or not they are here."""
        found: set[int] = set()
        for source in self.sources.values():
            found.update(source.symbols.members(f.symbol), source.texts.members(f.core), source.texts.members(f.slug_core))
            for _, address in f.contracts:
                found.update(source.addresses.members(address))
        found.discard(f.listing_id)
        return found

    def same_source_neighbours(self, f: Features) -> set[int]:
        """The other listings of its source that share its contract, or its symbol and a text."""
        source = self.sources[f.source]
        found: set[int] = set()
        found.update(source.texts.members(f.core), source.texts.members(f.slug_core))
        found.intersection_update(source.symbols.members(f.symbol))
        for _, address in f.contracts:
            if source.addresses.crowd(address) <= CROWD_MAX:
                found.update(source.addresses.members(address))
        found.discard(f.listing_id)
        return found


def _features(listed: Mapping[int, Listed], listing_id: int) -> Features:
    return features_of(listing_id, listed[listing_id])
