"""The listings' features, and which of them share a key."""

from bisect import insort
from collections.abc import Iterable

from kasparro.records import EvidenceRow, Pieces
from kasparro.resolver.features import Features, features_of
from kasparro.resolver.keys import KINDS, Block, Ids, Keys, KeysDraft, keys_of

# A generator lets others work after this many listings: about 2 ms.
SLICE = 100

# Of a crowd of namesakes no more are looked at than this, the first by listing id.
CROWD_MAX = 400


class SourceIndex:
    """Which listings of one source have a key."""

    __slots__ = ("addresses", "symbols", "texts")

    def __init__(self, symbols: Block, texts: Block, addresses: Block) -> None:
        self.symbols, self.texts, self.addresses = symbols, texts, addresses


def members(block: Block, key: str) -> "list[int] | tuple[int, ...]":
    """The ids that have a key, ascending."""
    found = block.get(key)
    return () if found is None else (found,) if isinstance(found, int) else found


def crowd(block: Block, key: str) -> int:
    """How many have a key."""
    found = block.get(key)
    return 0 if found is None else 1 if isinstance(found, int) else len(found)


class Index:
    """Listings by what they can be found by: all of them, or with `keys` those that a change concerns.

    With `keys`, which know of every listing who shares a key with whom, features are there for those that were applied only:
    crowds are counted right, and whose features are missing can be told.
    """

    __slots__ = ("_blocks", "features", "keys", "sources")

    def __init__(self, keys: Keys | None = None) -> None:
        self.features: dict[int, Features] = {}
        self.keys = keys
        self._blocks: dict[str, dict[str, dict[str, Ids]]] = {}
        self.sources: dict[str, SourceIndex] = {}
        if keys is not None:
            self.sources = {s: SourceIndex(*(keys.block(s, kind) for kind in KINDS)) for s in keys.sources}

    def apply(self, rows: Iterable[EvidenceRow]) -> Pieces[None]:
        """Take over rows, each listing once."""
        for n, row in enumerate(rows):
            if n % SLICE == SLICE - 1:
                yield
            self.put(features_of(row))

    def put(self, f: Features) -> None:
        """Take over one listing."""
        self.features[f.listing_id] = f
        if self.keys is not None:
            return
        if f.source not in self.sources:
            blocks: dict[str, dict[str, Ids]] = {kind: {} for kind in KINDS}
            self._blocks[f.source] = blocks
            self.sources[f.source] = SourceIndex(*(blocks[kind] for kind in KINDS))
        blocks = self._blocks[f.source]
        for kind, key in keys_of(f):
            _add(blocks[kind], key, f.listing_id)

    def make_keys(self) -> Pieces[Keys]:
        """The keys of all listings, from an index that has all of them."""
        draft = KeysDraft()
        yield from draft.add(self.features.values())
        return (yield from draft.finish())

    def neighbours(self, f: Features) -> set[int]:
        """The listings of any source that share a key with this one, whether or not their features are here."""
        found: set[int] = set()
        for source in self.sources.values():
            for kind, key in keys_of(f):
                found.update(members(getattr(source, kind), key))
        found.discard(f.listing_id)
        return found

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


def _add(block: dict[str, Ids], key: str, listing_id: int) -> None:
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
