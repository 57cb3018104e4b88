"""Runs a resolve to its end, and keeps what it says as the store would."""

from collections.abc import Generator, Iterable, Sequence
from typing import TypeVar

import msgspec

from kasparro.records import EvidenceRow, Judgement, Resolution
from kasparro.resolver.book import Book
from kasparro.resolver.gather import Missing
from kasparro.resolver.index import Index
from kasparro.resolver.resolve import resolve, resolve_around

T = TypeVar("T")


def finish(pieces: Generator[None, None, T]) -> T:
    """The answer of a piecewise work."""
    while True:
        try:
            next(pieces)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]


class World:
    """Rows that are known and a book, to which resolutions are applied as the store would apply them."""

    def __init__(self, rows: Iterable[EvidenceRow] = ()) -> None:
        self.rows: dict[int, EvidenceRow] = {}
        self.book = Book({})
        self.live: dict[int, Judgement] = {}
        self.superseded: list[int] = []
        self.changed: set[int] = set()  # since the last resolve
        self._judgements = self._coins = 0
        self.show(rows)

    @property
    def index(self) -> Index:
        """Everything that is known."""
        index = Index()
        finish(index.apply(self.rows.values()))
        finish(index.close())
        return index

    def show(self, rows: Iterable[EvidenceRow]) -> None:
        """Let rows be known, new or changed."""
        for row in rows:
            self.rows[row.listing_id] = row
            self.changed.add(row.listing_id)

    def resolve(self, *, provisional: bool = False, everything: bool = True) -> Resolution:
        """Resolve everything, or what has changed, and store the result."""
        if everything or provisional:
            resolution = finish(resolve(self.index, self.book, provisional=provisional))
        else:
            resolution = self._resolve_around()
        self.changed.clear()
        for coin in resolution.coins:
            key = coin.coin_key
            if key is None:
                self._coins += 1
                key = self._coins
            self.book.put_coin(msgspec.structs.replace(coin, coin_key=key))
        for judgement_id in resolution.superseded:
            judgement = self.live.pop(judgement_id)
            self.superseded.append(judgement_id)
            self.book.retire(judgement.listing_id, judgement_id)
        for judgement in resolution.judgements:
            self.store(judgement)
        return resolution

    def _resolve_around(self) -> Resolution:
        """From the keys of all and the features of those that it takes, as they are read from the database."""
        index = Index(finish(self.index.close()))
        missing: Iterable[int] = self.changed
        while True:
            finish(index.apply([self.rows[i] for i in missing]))
            found = finish(resolve_around(index, self.book, self.changed))
            if isinstance(found, Resolution):
                return found
            assert isinstance(found, Missing)
            missing = found.listing_ids

    def store(self, judgement: Judgement) -> None:
        """Keep one judgement as live."""
        if judgement.verdict == "same":
            old = self.book.same.get(judgement.listing_id)
            if old is not None and old.judgement_id in self.live:
                del self.live[old.judgement_id]
        self._judgements += 1
        self.live[self._judgements] = msgspec.structs.replace(judgement, judgement_id=self._judgements)
        self.book.put(self.live[self._judgements])

    def say(self, listing_id: int, coin_id: str, verdict: str) -> None:
        """A person's judgement, as the admin interface stores it."""
        evidence = {"listings": [i for i in self.book.members.get(coin_id, ()) if i != listing_id]} if verdict == "different" else {}
        self.changed.update(self.book.together(listing_id), self.book.members.get(coin_id, ()))
        self.store(
            Judgement(
                listing_id=listing_id,
                coin_id=coin_id,
                verdict=verdict,
                rule="person",
                confidence=1.0,
                evidence=msgspec.json.encode(evidence),
                decided_by="person",
            )  # type: ignore[arg-type]
        )
        self.changed.add(listing_id)

    def coin_of(self) -> dict[int, str]:
        """Which coin each judged listing is."""
        return {i: standing.coin_id for i, standing in self.book.same.items()}

    def partition(self) -> set[frozenset[str]]:
        """The listings by coin, named by source and source id."""
        groups: dict[str, set[str]] = {}
        for i, coin_id in self.coin_of().items():
            row = self.rows[i]
            groups.setdefault(coin_id, set()).add(f"{row.source}:{row.source_id}")
        return {frozenset(g) for g in groups.values()}


def resolved(rows: Sequence[EvidenceRow]) -> World:
    """A world in which everything was seen and resolved once."""
    world = World(rows)
    world.resolve(provisional=True)
    return world
