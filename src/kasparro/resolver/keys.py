"""What every listing can be found by, as hashes in sorted arrays: a few megabytes that a process keeps between resolves."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kasparro.records import EvidenceRow, NamedRow, Pieces
from kasparro.resolver.features import Texts, addresses_of, texts_of
from kasparro.resolver.platforms import address

SLICE = 4_000  # entries looked at between two chances for others: about 2 ms
_LISTINGS_SLICE = 100  # likewise
_BUCKETS = 256

SYMBOLS, TEXTS, ADDRESSES = range(3)  # kinds of keys: places in Blocks


class Place(NamedTuple):
    """A key of a listing: its source, the kind of key, and the key's hash."""

    source: str
    kind: int
    hash: int


def keys_of(texts: Texts, addresses: Iterable[str]) -> list[tuple[int, str]]:
    """(kind, key) of everything that a listing can be found by."""
    keys = [(SYMBOLS, texts.symbol), (TEXTS, texts.core)]
    if texts.slug_core != texts.core:
        keys.append((TEXTS, texts.slug_core))
    if addresses:
        keys += [(ADDRESSES, address) for address in addresses]
    return keys


class Block:
    """Which listings of one source have a key of one kind.

    Keys are known by their hashes only. Two keys of one hash, one pair in 10**13, would count as the same.
    """

    __slots__ = ("_added", "_hashes", "_ids", "_last", "_replaced")

    def __init__(self, replaced: set[int]) -> None:
        self._hashes, self._ids = array("q"), array("i")  # of one length, sorted by hash
        self._replaced = replaced  # listings whose entries in the arrays no longer hold
        self._added: dict[int, list[int]] = {}
        self._last: tuple[str, Sequence[int]] | None = None  # whom one listing is compared with have the same keys, one after the other

    def members(self, key: str) -> Sequence[int]:
        """The listings that have a key, ascending."""
        last = self._last
        if last is None or last[0] != key:
            last = self._last = key, self.having(hash(key))
        return last[1]

    def crowd(self, key: str) -> int:
        """How many listings have a key."""
        return len(self.members(key))

    def having(self, key_hash: int) -> list[int]:
        """The listings that have a key of this hash, ascending."""
        hashes, found = self._hashes, []
        first = bisect_left(hashes, key_hash)
        if first < len(hashes) and hashes[first] == key_hash:
            last = first + 1
            if last < len(hashes) and hashes[last] == key_hash:
                last = bisect_right(hashes, key_hash, last)
            found = self._ids[first:last].tolist()
        if self._replaced:
            found = [i for i in found if i not in self._replaced]
        if self._added:
            found += self._added.get(key_hash, ())
        found.sort()
        return found

    def add(self, key_hash: int, listing_id: int) -> None:
        """Note that a listing has a key."""
        self._last = None
        self._added.setdefault(key_hash, []).append(listing_id)

    def drop(self, key_hash: int, listing_id: int) -> None:
        """Forget what `add` noted."""
        self._last = None
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

    def all(self) -> Sequence[int]:
        """The listings by which this was filled, those next to one another that share a key."""
        return self._ids

    def shared(self) -> Pieces[set[int]]:
        """The listings that share a key with another; of those that were added since the arrays were filled, all."""
        found = {i for some in self._added.values() for i in some}
        before = None
        for n, key_hash in enumerate(self._hashes):
            if key_hash == before:
                found.update(self._ids[n - 1 : n + 1])
            before = key_hash
            if n % SLICE == SLICE - 1:
                yield
        return found


class Blocks(NamedTuple):
    """Which listings of one source have a key."""

    symbols: Block
    texts: Block
    addresses: Block


class KeysDraft:
    """The keys of all listings while these are read."""

    def __init__(self) -> None:
        self._entries: dict[str, list[tuple[array[int], array[int]]]] = {}  # by source, for each kind: hashes and listing ids

    @property
    def sources(self) -> list[str]:
        """Of which there are listings."""
        return list(self._entries)

    def add_names(self, rows: Iterable[NamedRow]) -> Pieces[None]:
        """Take over what listings are called, each once."""
        for n, row in enumerate(rows):
            if n % _LISTINGS_SLICE == _LISTINGS_SLICE - 1:
                yield
            self._note(row.source, row.listing_id, keys_of(texts_of(row), ()))

    def add_addresses(self, source: str, rows: Iterable[tuple[int, str]]) -> Pieces[None]:
        """Take over the addresses of a source's contracts, each with the id of its listing; all of a listing at once."""
        found: dict[int, set[str]] = {}
        for n, (listing_id, text) in enumerate(rows):
            if n % SLICE == SLICE - 1:
                yield
            if spelled := address(text):
                found.setdefault(listing_id, set()).add(spelled)
        for n, (listing_id, addresses) in enumerate(found.items()):
            if n % SLICE == SLICE - 1:
                yield
            self._note(source, listing_id, [(ADDRESSES, spelled) for spelled in addresses])

    def put(self, row: EvidenceRow, texts: Texts) -> None:
        """Take over one listing whole."""
        self._note(row.source, row.listing_id, keys_of(texts, addresses_of(row)))

    def _note(self, source: str, listing_id: int, keys: Iterable[tuple[int, str]]) -> None:
        entries = self._entries.get(source)
        if entries is None:
            entries = self._entries[source] = [(array("q"), array("i")) for _ in Blocks._fields]
        for kind, key in keys:
            hashes, ids = entries[kind]
            hashes.append(hash(key))
            ids.append(listing_id)

    def finish(self) -> "Pieces[Keys]":
        """The keys. The draft is empty afterwards."""
        keys = Keys()
        while self._entries:
            source, kinds = self._entries.popitem()
            for block, (hashes, ids) in zip(keys.of_source(source), kinds, strict=True):
                yield from block.fill(hashes, ids)
        return keys


class Keys:
    """The keys of all listings. Made once from all of them, and then told of every listing that is new or renamed."""

    def __init__(self) -> None:
        self.sources: dict[str, Blocks] = {}
        self._replaced: set[int] = set()
        self._of: dict[int, frozenset[Place]] = {}  # of listings that were put since

    @property
    def put_since(self) -> int:
        """How many listings were put after the arrays were filled."""
        return len(self._of)

    def of_source(self, source: str) -> Blocks:
        """Which listings of a source have a key."""
        found = self.sources.get(source)
        if found is None:
            found = self.sources[source] = Blocks(*(Block(self._replaced) for _ in Blocks._fields))
        return found

    def put(self, rows: Iterable[EvidenceRow]) -> Pieces[set[int]]:
        """Take over listings, new or changed. Answers whom that concerns: whoever shares a key with one of them or did so before."""
        now = {row.listing_id: row for row in rows}
        before: dict[int, set[Place]] = {i: set(self._of.get(i, ())) for i in now}
        in_arrays = frozenset(now) - self._replaced
        for source, blocks in self.sources.items():
            for kind, block in enumerate(blocks):
                for key_hash, listing_id in (yield from block.of(in_arrays)):
                    before[listing_id].add(Place(source, kind, key_hash))
        concerned = set(now)
        for listing_id, row in now.items():
            after = frozenset(Place(row.source, kind, hash(key)) for kind, key in keys_of(texts_of(row), addresses_of(row)))
            if after == before[listing_id]:
                continue
            for place in before[listing_id] ^ after:
                concerned.update(self._block(place).having(place.hash))
            for place in self._of.get(listing_id, ()):
                self._block(place).drop(place.hash, listing_id)
            self._replaced.add(listing_id)
            self._of[listing_id] = after
            for place in after:
                self._block(place).add(place.hash, listing_id)
        return concerned

    def _block(self, place: Place) -> Block:
        return self.of_source(place.source)[place.kind]
