"""What has been judged so far, and which coins there are: the stored state that a resolve starts from."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from kasparro.records import Coin, Judgement, Pieces

SLICE = 2000  # judgements between two chances for others: about 2 ms


class Against(msgspec.Struct, frozen=True):
    """The evidence of a person's `different`: every listing that the coin had at that moment."""

    listings: tuple[int, ...] = ()


class Standing(msgspec.Struct, frozen=True, gc=False):
    """A live judgement, without its evidence, which no later decision needs."""

    judgement_id: int | None
    coin_id: str
    rule: str
    confidence: float
    by_person: bool
    note: str | None = None


class Apart(NamedTuple):
    """That a listing is not a coin, nor one of the listings that the coin had when this was said."""

    judgement_id: int | None
    coin_id: str
    listings: frozenset[int]


class Book:
    """Live judgements and all coins. Kept between runs and brought up to date with what was committed, or made again from the database."""

    __slots__ = ("_known", "apart", "coins", "left", "members", "merged", "persons", "same", "unsure")

    def __init__(self, coins: Mapping[str, Coin]) -> None:
        self.coins: dict[str, Coin] = dict(coins)
        self._known: set[int] = set()  # judgements that were put
        self.same: dict[int, Standing] = {}
        self.persons: set[int] = set()  # listings that a person put where they are
        self.members: dict[str, tuple[int, ...]] = {}  # coin id -> listings that are judged the same as it
        self.left: dict[int, str] = {}  # listing -> the coin that it was all of, until a person put it elsewhere
        self.unsure: dict[int, list[Standing]] = {}
        self.apart: dict[int, list[Apart]] = {}
        self.merged: dict[int, str] = {c.founder: c.coin_id for c in coins.values() if c.merged_into is not None and c.founder is not None}

    def load(self, judgements: Iterable[Judgement]) -> Pieces[None]:
        """Take over judgements that are live."""
        for n, judgement in enumerate(judgements):
            if n % SLICE == SLICE - 1:
                yield
            self.put(judgement)

    def put(self, j: Judgement) -> None:
        """Take over one judgement that is live; again does nothing. An earlier `same` of that listing no longer stands."""
        if j.judgement_id is not None:
            if j.judgement_id in self._known:
                return
            self._known.add(j.judgement_id)
        standing = Standing(j.judgement_id, j.coin_id, j.rule, j.confidence, j.decided_by == "person", j.note)
        if j.verdict == "same":
            self._forget_same(j.listing_id)
            self.same[j.listing_id] = standing
            self.members[j.coin_id] = (*self.members.get(j.coin_id, ()), j.listing_id)
            if standing.by_person:
                self.persons.add(j.listing_id)
        elif j.verdict == "unsure":
            self.unsure.setdefault(j.listing_id, []).append(standing)
        else:
            against = msgspec.json.decode(j.evidence, type=Against)
            apart = Apart(j.judgement_id, j.coin_id, frozenset(against.listings))
            self.apart.setdefault(j.listing_id, []).append(apart)

    def put_coin(self, coin: Coin) -> None:
        """Take over a coin as it is stored now."""
        self.coins[coin.coin_id] = coin
        if coin.founder is not None:
            if coin.merged_into is not None:
                self.merged[coin.founder] = coin.coin_id
            elif self.merged.get(coin.founder) == coin.coin_id:
                del self.merged[coin.founder]

    def retire(self, listing_id: int, judgement_id: int) -> None:
        """Forget a judgement that no longer stands."""
        same = self.same.get(listing_id)
        if same is not None and same.judgement_id == judgement_id:
            self._forget_same(listing_id)
        for told in self._apart_from_same():
            kept = [s for s in told.pop(listing_id, ()) if s.judgement_id != judgement_id]
            if kept:
                told[listing_id] = kept

    def hear(self, word: Judgement) -> None:
        """Take over what a person says: what was said of that listing and coin no longer stands."""
        i = word.listing_id
        same = self.same.get(i)
        if same is not None and (word.verdict == "same" or same.coin_id == word.coin_id):
            self._forget_same(i)
            if not self.members[same.coin_id]:
                self.left[i] = same.coin_id
        for told in self._apart_from_same():
            kept = [s for s in told.pop(i, ()) if s.coin_id != word.coin_id]
            if kept:
                told[i] = kept
        self.put(word)

    def together(self, listing_id: int) -> tuple[int, ...]:
        """The listings that are judged to be the coin that this one is, itself included; none where it is not judged."""
        same = self.same.get(listing_id)
        return () if same is None else self.members[same.coin_id]

    def _apart_from_same(self) -> tuple[dict[int, list[Any]], ...]:
        return self.unsure, self.apart

    def _forget_same(self, listing_id: int) -> None:
        old = self.same.pop(listing_id, None)
        self.persons.discard(listing_id)
        if old is not None:
            self.members[old.coin_id] = tuple(i for i in self.members[old.coin_id] if i != listing_id)

    def live_coin(self, coin_id: str) -> str:
        """The coin that an id stands for now, merges followed."""
        seen = set()
        while (coin := self.coins.get(coin_id)) is not None and coin.merged_into is not None and coin_id not in seen:
            seen.add(coin_id)
            coin_id = coin.merged_into
        return coin_id

    def forbidden(self) -> dict[int, frozenset[int]]:
        """Which listings may never share a coin with which, both ways round, because a person said so."""
        out: dict[int, set[int]] = {}
        for listing_id, coins in self.apart.items():
            for _, coin_id, listings in coins:
                founder = self.coins[coin_id].founder if coin_id in self.coins else None
                others = set(listings) or {*self.members.get(coin_id, ()), *((founder,) if founder is not None else ())}
                for other in others - {listing_id}:
                    out.setdefault(listing_id, set()).add(other)
                    out.setdefault(other, set()).add(listing_id)
        return {listing_id: frozenset(others) for listing_id, others in out.items()}
