"""Finds the pairs that matter: of all listings, or of those that a change concerns."""

from collections.abc import Collection
from typing import NamedTuple

from kasparro.records import Pieces
from kasparro.resolver.book import Book
from kasparro.resolver.features import Features
from kasparro.resolver.index import Index
from kasparro.resolver.pairs import Pair, plausible, renamed
from kasparro.resolver.wrapping import namesakes_of_original

# A change concerns its neighbours and theirs, as far as plausible pairs reach; beyond this many listings everything is resolved.
REACH_MAX = 3000

# A generator lets others work after this many pairs looked at: about 2 ms.
WORK_MAX = 200.0
WORK_OF_LISTING = 0.5


class Gathered(NamedTuple):
    """The listings to judge, and every plausible pair between them."""

    scope: Collection[int]
    pairs: list[Pair]  # of different sources
    renames: list[Pair]  # of one source: `a` is the dead listing, `b` its successor


class Missing(NamedTuple):
    """Listings whose features are needed before the pairs around a change are known."""

    listing_ids: frozenset[int]


class TooFar(NamedTuple):
    """The change concerns so many listings that everything should be resolved."""

    reached: int


def gather(index: Index, floor: float) -> Pieces[Gathered]:
    """The pairs of all listings that score at least `floor`."""
    yield from index.close()
    crowded: set[int] = set()
    for blocks in index.sources.values():
        crowded |= yield from blocks.texts.shared()
        crowded |= yield from blocks.addresses.shared()
    pairs: list[Pair] = []
    renames: list[Pair] = []
    last = max(index.sources, default="")
    work = 0.0
    for source, blocks in index.sources.items():
        for i in blocks.symbols.all():
            work += WORK_OF_LISTING
            if source != last:
                work += plausible(index, index.features(i), floor, pairs, above=source)
            if work > WORK_MAX:
                work = 0.0
                yield
            # Whose name and contract are its own took over nobody's.
            if i in crowded and not index.listed[i].active and (pair := renamed(index, index.features(i))) is not None:
                renames.append(pair)
    return Gathered(index.listed, pairs, renames)


def gather_around(index: Index, book: Book, changed: Collection[int], floor: float) -> Pieces[Gathered | Missing | TooFar]:
    """The pairs that score at least `floor` of `changed` and of everything that hangs together with it.

    Answers with what is missing where the index or the book does not hold all of it yet: apply that and ask again.
    """
    scope = set(changed)
    queue = sorted(scope)
    missing = scope - index.listed.keys()
    pairs: set[Pair] = set()
    renames: set[Pair] = set()
    work = 0.0
    for listing_id in queue:
        if work > WORK_MAX:
            work = 0.0
            yield
        if len(queue) > REACH_MAX:
            return TooFar(len(queue))
        if listing_id not in index.listed:
            continue
        f = index.features(listing_id)
        unknown = _neighbours(index, f) - index.listed.keys()
        if unknown:
            missing |= unknown
            continue
        near: list[Pair] = []
        work += WORK_OF_LISTING + plausible(index, f, floor, near)
        pairs.update(near)
        successions = _successions(index, f)
        renames.update(successions)
        reached = {i for pair in (*near, *successions) for i in (pair.a, pair.b)}
        if (standing := book.same.get(listing_id)) is not None:
            reached.update(book.members[standing.coin_id])
        fresh = sorted(reached - scope)
        scope.update(fresh)
        queue.extend(fresh)
        missing |= {i for i in fresh if i not in index.listed}
    return Missing(frozenset(missing)) if missing else Gathered(scope, list(pairs), list(renames))


def _neighbours(index: Index, f: Features) -> set[int]:
    """Whom a listing is compared with, and who could be what it wraps."""
    return index.neighbours(f) | namesakes_of_original(index, f)


def _successions(index: Index, f: Features) -> list[Pair]:
    """The renames that a listing has a part in, as the old or as the new one."""
    if not f.active:
        pair = renamed(index, f)
        return [] if pair is None else [pair]
    dead = [i for i in index.same_source_neighbours(f) if not index.listed[i].active]
    return [pair for i in dead if (pair := renamed(index, index.features(i))) is not None and pair.b == f.listing_id]
