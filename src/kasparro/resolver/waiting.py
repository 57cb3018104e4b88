"""While the sources' lists are still being read: who must wait for what another page may bring, and who need not."""

from typing import NamedTuple

from kasparro.records import Pieces
from kasparro.resolver.assign import Clusters
from kasparro.resolver.book import Book
from kasparro.resolver.features import Listed
from kasparro.resolver.gather import Gathered
from kasparro.resolver.index import Index
from kasparro.resolver.naming import precedence
from kasparro.resolver.pairs import Pair
from kasparro.resolver.rules import STRONG

SLICE = 2000  # listings between two chances for others: about 2 ms


class Split(NamedTuple):
    """What can be judged now, and what hangs on listings of which their sources have not said everything."""

    gathered: Gathered  # pairs with unsettled listings left out
    unsettled: frozenset[int]
    hopes: list[tuple[int, Pair]]  # (settled listing, its pair with an unsettled one)
    listed: dict[int, Listed]

    def still_waiting(self, clusters: Clusters) -> Pieces[frozenset[int]]:
        """The unsettled, and the clusters that one may yet join which would give the coin its id.

        A cluster without a listing of a source that goes as far before is one listing, or one with those that it was renamed from.
        """
        waiting = set(self.unsettled)
        for n, (i, pair) in enumerate(self.hopes):
            if n % SLICE == SLICE - 1:
                yield
            hoped, cluster = precedence(self.listed[pair.other(i)].source), clusters.of(i)
            if all(hoped < precedence(self.listed[k].source) for k in cluster):
                waiting.update(cluster)
        return frozenset(waiting)


def split_waiting(index: Index, book: Book, gathered: Gathered, *, provisional: bool) -> Pieces[Split]:
    """Take out the listings that are not settled and have no coin yet, and the weaker matches that one of them may still beat."""
    unsettled: set[int] = set()
    if provisional:
        for n, i in enumerate(gathered.scope):
            if n % SLICE == SLICE - 1:
                yield
            if not index.listed[i].settled and i not in book.same:
                unsettled.add(i)
    if not unsettled:
        return Split(gathered, frozenset(), [], index.listed)
    hopes: list[tuple[int, Pair]] = []
    hoping: set[int] = set()
    for n, pair in enumerate(gathered.pairs):
        if n % SLICE == SLICE - 1:
            yield
        for i, other in ((pair.a, pair.b), (pair.b, pair.a)):
            if other in unsettled and i not in unsettled:
                hopes.append((i, pair))
                hoping.add(i)
    # A listing that may do better with one that is not settled takes only what is beyond doubt for now.
    pairs = [
        p for p in gathered.pairs
        if p.a not in unsettled and p.b not in unsettled and (p.score >= STRONG or (p.a not in hoping and p.b not in hoping))
    ]  # fmt: skip
    renames = [p for p in gathered.renames if p.a not in unsettled and p.b not in unsettled]
    return Split(Gathered(gathered.scope, pairs, renames), frozenset(unsettled), hopes, index.listed)
