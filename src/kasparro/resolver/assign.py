"""Puts listings together into clusters, best evidence first. A cluster becomes one coin."""

from collections.abc import Collection, Iterable, Sequence
from heapq import merge
from itertools import chain

import msgspec

from kasparro.records import Pieces
from kasparro.resolver import evidence
from kasparro.resolver.book import Book, Standing
from kasparro.resolver.gather import Gathered
from kasparro.resolver.index import Index
from kasparro.resolver.naming import rank_of
from kasparro.resolver.pairs import Pair
from kasparro.resolver.rules import MARGIN, SAME, STICKY, score_of

SLICE = 250  # pairs between two chances for others: about 2 ms


class Ranked(msgspec.Struct, frozen=True, order=True, gc=False):
    """A pair with what it counts, in the order in which pairs are joined."""

    less: float  # the negated score
    id_a: str  # where scores are equal, source ids decide
    id_b: str
    pair: Pair

    @property
    def score(self) -> float:
        """What the pair counts."""
        return -self.less


class Clusters:
    """Which listings are together. A listing that was never joined is alone and takes no memory."""

    __slots__ = ("_forbidden", "_held", "_index", "_of")

    def __init__(self, index: Index, book: Book) -> None:
        self._index = index
        self._of: dict[int, list[int]] = {}
        self._forbidden = book.forbidden()
        self._held: dict[int, str] = {}  # listing -> the coin that a person put it into

    def of(self, listing_id: int) -> Sequence[int]:
        """The listings that are together with this one, itself included."""
        return self._of.get(listing_id) or (listing_id,)

    def all(self) -> Iterable[list[int]]:
        """Every cluster of two or more, once."""
        return {id(c): c for c in self._of.values()}.values()

    def hold(self, listing_id: int, coin_id: str) -> None:
        """Note that a person put a listing into a coin."""
        self._held[listing_id] = coin_id

    def agree(self, a: int, b: int) -> bool:
        """Whether the clusters of two listings are two, and no person objects to making them one."""
        ours, theirs = self.of(a), self.of(b)
        if ours is theirs or a == b:
            return False
        if self._forbidden and any(not self._forbidden.get(i, frozenset()).isdisjoint(theirs) for i in ours):
            return False
        return not self._held or len({self._held[i] for i in (*ours, *theirs) if i in self._held}) <= 1

    def may_join(self, a: int, b: int) -> bool:
        """Whether the clusters of two listings may become one: no person objects, and no source would be in it twice.

        Two of one source come here only where they are known to be one: then only the others' sources count.
        """
        if not self.agree(a, b):
            return False
        ours, theirs = self.of(a), self.of(b)
        listed = self._index.listed
        except_for = {a, b} if listed[a].source == listed[b].source else set()
        sources = {listed[i].source for i in ours if i not in except_for}
        return not any(listed[i].source in sources for i in theirs if i not in except_for)

    def join(self, a: int, b: int) -> None:
        """Make one cluster of two."""
        ours, theirs = self.of(a), self.of(b)
        together = [*ours, *theirs]
        for i in together:
            self._of[i] = together


def cluster(index: Index, book: Book, gathered: Gathered, *, sticky: bool) -> Pieces[Clusters]:
    """Join pairs from the best to the worst that counts.

    A pair is left alone while another of nearly its score wants one of its listings: which of the two is right cannot be
    told then. With `sticky`, what is stored needs clearly better evidence to change. Equal whatever order the pairs come in.
    """
    clusters = Clusters(index, book)
    _join_by_persons(index, book, gathered.scope, clusters)
    standing = (yield from _standing(index, book, gathered.scope)) if sticky else {}
    ordered = yield from _ordered(index, book, gathered.pairs, standing, sticky=sticky)
    best: dict[int, Ranked] = {}
    rivals: dict[int, list[Ranked]] = {}  # of listings with more than one pair, which few have
    for n, ranked in enumerate(ordered):
        if n % SLICE == SLICE - 1:
            yield
        for i in (ranked.pair.a, ranked.pair.b):
            if (first := best.setdefault(i, ranked)) is not ranked:
                rivals.setdefault(i, [first]).append(ranked)
    for n, ranked in enumerate(ordered):
        if n % SLICE == SLICE - 1:
            yield
        if ranked.score < SAME:
            break
        pair = ranked.pair
        stands = (pair.a, pair.b) in standing
        if clusters.may_join(pair.a, pair.b) and (stands or not _is_ambiguous(index, clusters, rivals, ranked)):
            clusters.join(pair.a, pair.b)
    yield
    for pair in sorted(gathered.renames, key=lambda p: index.listed[p.a].source_id):
        if clusters.may_join(pair.a, pair.b):
            clusters.join(pair.a, pair.b)
    return clusters


def _join_by_persons(index: Index, book: Book, scope: Collection[int], clusters: Clusters) -> None:
    """Put every listing where a person put it: with the listing that its coin is named after, or the first that is there."""
    for i in sorted(book.persons):
        if i not in scope:
            continue
        coin_id = book.live_coin(book.same[i].coin_id)
        clusters.hold(i, coin_id)
    for i in sorted(book.persons):
        if i not in scope:
            continue
        coin_id = book.live_coin(book.same[i].coin_id)
        there = [m for m in book.members.get(coin_id, ()) if m != i and m in index.listed]
        founder = book.coins[coin_id].founder
        anchors = [founder] if founder in there else sorted(there, key=lambda m: rank_of(index.listed[m]))[:1]
        for anchor in anchors:
            if clusters.agree(i, anchor):
                clusters.join(i, anchor)


def _standing(index: Index, book: Book, scope: Collection[int]) -> Pieces[dict[tuple[int, int], float]]:
    """The pairs that are one coin by a stored rule judgement, with the score that they keep unless their prices have parted.

    Evidence that is gone, such as a price that is no longer told, or a name that was changed, is no evidence against.
    """
    found: dict[tuple[int, int], float] = {}
    listed = index.listed
    for n, i in enumerate(scope):
        if n % SLICE == SLICE - 1:
            yield
        standing = book.same.get(i)
        if standing is None or standing.by_person or len(together := book.members[standing.coin_id]) == 1:
            continue
        anchor = min((m for m in together if m in listed), key=lambda m: rank_of(listed[m]))
        if anchor == i or evidence.price(index.features(anchor), index.features(i)) in {"price.apart", "price.far"}:
            continue
        told = book.same[anchor] if standing.rule == "own" else standing
        a, b = (anchor, i) if listed[anchor].source <= listed[i].source else (i, anchor)
        found[a, b] = SAME if told.rule == "own" else max(SAME, score_of(told.confidence))
    return found


def _ordered(index: Index, book: Book, pairs: list[Pair], standing: dict[tuple[int, int], float], *, sticky: bool) -> Pieces[list[Ranked]]:
    """The pairs from the best on."""
    listed = index.listed
    known = {(p.a, p.b) for p in pairs} if standing else set()
    vanished = [Pair(score, a, b) for (a, b), score in standing.items() if (a, b) not in known]
    # Sorting at once would hold the event loop for tens of milliseconds.
    runs: list[list[Ranked]] = [[]]
    for n, pair in enumerate(chain(pairs, vanished)):
        if n % SLICE == SLICE - 1:
            runs[-1].sort()
            runs.append([])
            yield
        score = pair.score
        if sticky:
            score = max(score, standing.get((pair.a, pair.b), score)) + _stickiness(book.same.get(pair.a), book.same.get(pair.b))
        runs[-1].append(Ranked(-score, listed[pair.a].source_id, listed[pair.b].source_id, pair))
    runs[-1].sort()
    ordered = []
    for n, ranked in enumerate(merge(*runs)):
        if n % SLICE == SLICE - 1:
            yield
        ordered.append(ranked)
    return ordered


def _stickiness(a: Standing | None, b: Standing | None) -> float:
    """What is together stays more easily, and what is apart, too. A listing that was never judged is free."""
    if a is None or b is None:
        return 0.0
    return STICKY if a.coin_id == b.coin_id else -STICKY


def _is_ambiguous(index: Index, clusters: Clusters, rivals: dict[int, list[Ranked]], ranked: Ranked) -> bool:
    listed, pair = index.listed, ranked.pair
    for end, other in ((pair.a, pair.b), (pair.b, pair.a)):
        source = listed[other].source
        for rival in rivals.get(end, ()):
            if rival.score <= ranked.score - MARGIN:
                break
            rival_end = rival.pair.other(end)
            if rival_end != other and listed[rival_end].source == source and clusters.may_join(rival.pair.a, rival.pair.b):
                return True
    return False
