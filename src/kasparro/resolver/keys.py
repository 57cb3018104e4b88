"""What every listing can be found by, as hashes in sorted arrays: a few megabytes that a process keeps between resolves."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol, TypeAlias

from kasparro.records import Pieces
from kasparro.resolver.features import Features

KINDS = ("symbols", "texts", "addresses")
SLICE = 4_000  # entries looked at between two chances for others: about 2 ms
_LISTINGS_SLICE = 500  # likewise
_BUCKETS = 256

Ids: TypeAlias = int | list[int]  # the listings that have a key, ascending; one alone is its bare id


class Block(Protocol):
    """Which listings of one source have a key of one kind."""

    def get(self, key: str, /) -> Ids | None:
        """The listings that have a key, or None."""

    def __getitem__(self, key: str, /) -> Ids: ...


class Place(NamedTuple):
    """A key of a listing: its source, the kind of key, and the key's hash."""

    source: str
    kind: str
    hash: int


def keys_of(f: Features) -> Iterator[tuple[str, str]]:
    """(kind, key) of everything that a listing can be found by."""
    yield "symbols", f.symbol
    yield "texts", f.core
    if f.slug_core != f.core:
        yield "texts", f.slug_core
    for address in {address for _, address in f.contracts}:
        yield "addresses", address


class HashedBlock:
    """A block whose keys are known by their hashes only. Two keys of one hash, one pair in 10**13, would count as the same."""

    __slots__ = ("_added", "_hashes", "_ids", "_replaced")

    def __init__(self, replaced: set[int]) -> None:
        self._hashes, self._ids = array("q"), array("i")  # of one length, sorted by hash
        self._replaced = replaced  # listings whose entries in the arrays no longer hold
        self._added: dict[int, list[int]] = {}

    def get(self, key: str, /) -> Ids | None:
        """The listings that have a key, or None."""
        found = self.having(hash(key))
        return None if not found else found[0] if len(found) == 1 else found

    def __getitem__(self, key: str, /) -> Ids:
        found = self.get(key)
        if found is None:
            raise KeyError(key)
        return found

    def having(self, key_hash: int) -> list[int]:
        """The listings that have a key of this hash, ascending."""
        found = list(self._added.get(key_hash, ()))
        n, hashes = bisect_left(self._hashes, key_hash), self._hashes
        while n < len(hashes) and hashes[n] == key_hash:
            if self._ids[n] not in self._replaced:
                found.append(self._ids[n])
            n += 1
        return sorted(found)

    def add(self, key_hash: int, listing_id: int) -> None:
        """Note that a listing has a key."""
        self._added.setdefault(key_hash, []).append(listing_id)

    def drop(self, key_hash: int, listing_id: int) -> None:
        """Forget what `add` noted."""
        self._added[key_hash].remove(listing_id)

    def fill(self, hashes: "array[int]", ids: "array[int]") -> Pieces[None]:
        """Take over the keys of all listings, in any order. By buckets of the hash, since one sort would hold the event loop for long."""
        buckets = [array("i") for _ in range(_BUCKETS)]  # places in `hashes`
        for n, key_hash in enumerate(hashes):
            if n % SLICE == SLICE - 1:
                yield
            buckets[(key_hash >> 56) + _BUCKETS // 2].append(n)
        for bucket in buckets:
            order = sorted(bucket, key=hashes.__getitem__)
            self._hashes.extend([hashes[n] for n in order])
            self._ids.extend([ids[n] for n in order])
            yield

    def of(self, listing_ids: frozenset[int]) -> Pieces[list[tuple[int, int]]]:
        """(hash, listing id) of every entry of some listings that still holds."""
        found = []
        for n, listing_id in enumerate(self._ids):
            if listing_id in listing_ids and listing_id not in self._replaced:
                found.append((self._hashes[n], listing_id))
            if n % SLICE == SLICE - 1:
                yield
        return found


class KeysDraft:
    """The keys of all listings while these are read."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, str], tuple[array[int], array[int]]] = {}  # (source, kind) -> hashes and listing ids

    def add(self, some: Iterable[Features]) -> Pieces[None]:
        """Take over listings, each once."""
        for n, f in enumerate(some):
            if n % _LISTINGS_SLICE == _LISTINGS_SLICE - 1:
                yield
            for kind, key in keys_of(f):
                entries = self._entries.get((f.source, kind))
                if entries is None:
                    entries = self._entries[f.source, kind] = array("q"), array("i")
                entries[0].append(hash(key))
                entries[1].append(f.listing_id)

    def finish(self) -> "Pieces[Keys]":
        """The keys. The draft must not be used afterwards."""
        keys = Keys()
        while self._entries:
            (source, kind), entries = self._entries.popitem()
            yield from keys.block(source, kind).fill(*entries)
        return keys


class Keys:
    """The keys of all listings. Made once from all of them, and then told of every listing that is new or renamed."""

    def __init__(self) -> None:
        self._blocks: dict[tuple[str, str], HashedBlock] = {}
        self._replaced: set[int] = set()
        self._of: dict[int, frozenset[Place]] = {}  # of listings that were put since

    @property
    def sources(self) -> list[str]:
        """The sources that have listings."""
        return sorted({source for source, _ in self._blocks})

    @property
    def put_since(self) -> int:
        """How many listings were put after the arrays were filled."""
        return len(self._of)

    def block(self, source: str, kind: str) -> HashedBlock:
        """Which listings of a source have a key of a kind."""
        found = self._blocks.get((source, kind))
        if found is None:
            found = self._blocks[source, kind] = HashedBlock(self._replaced)
        return found

    def put(self, some: Iterable[Features]) -> Pieces[set[int]]:
        """Take over listings, new or changed. Answers whom that concerns: whoever shares a key with one of them or did so before."""
        features = {f.listing_id: f for f in some}
        before: dict[int, set[Place]] = {i: set(self._of.get(i, ())) for i in features}
        in_arrays = frozenset(features) - self._replaced
        for (source, kind), block in list(self._blocks.items()):
            for key_hash, listing_id in (yield from block.of(in_arrays)):
                before[listing_id].add(Place(source, kind, key_hash))
        concerned = set(features)
        for listing_id, f in features.items():
            after = frozenset(Place(f.source, kind, hash(key)) for kind, key in keys_of(f))
            if after == before[listing_id]:
                continue
            for place in before[listing_id] ^ after:
                concerned.update(self.block(place.source, place.kind).having(place.hash))
            for place in self._of.get(listing_id, ()):
                self.block(place.source, place.kind).drop(place.hash, listing_id)
            self._replaced.add(listing_id)
            self._of[listing_id] = after
            for place in after:
                self.block(place.source, place.kind).add(place.hash, listing_id)
        return concerned
