"""Which coin a cluster of listings is: one that exists, or a new one. Ids are for ever, so they are given with care."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from kasparro.records import Coin, Pieces
from kasparro.resolver.book import Book
from kasparro.resolver.features import Listed
from kasparro.resolver.index import Index

SLICE = 1000  # listings between two chances for others: about 2 ms

# Whose id a coin bears, and whose name: the first source here that lists it. Others follow by name.
NAMESAKES_MAX = 9  # coins that may be called by one source id: as itself, and with -2 to -9

PRECEDENCE = {"coingecko": 0, "coinpaprika": 1}


def precedence(source: str) -> tuple[int, str]:
    """The place of a source among those whose ids and names coins bear."""
    return (PRECEDENCE.get(source, len(PRECEDENCE)), source)


def possible_ids(source_id: str) -> Iterator[str]:
    """The ids that a coin may get from a listing, in order: the first that is not taken. Only as many sources can want one id."""
    yield source_id
    for number in range(2, NAMESAKES_MAX + 1):
        yield f"{source_id}-{number}"


class Named(NamedTuple):
    """The coins of the clusters, and what that changes."""

    coin_of: dict[int, str]
    coins: dict[str, Coin]  # new or changed


def rank_of(f: Listed) -> tuple[tuple[int, str], bool, float, str]:
    """The order in which listings stand for their coin: by source, the living before the dead, the longest known first."""
    return (precedence(f.source), not f.active, f.first_seen, f.source_id)


def name_clusters(index: Index, book: Book, heads: Iterable[int], together: Callable[[int], Sequence[int]]) -> Pieces[Named]:
    """Give every cluster its coin. `heads` are one listing of each, `together` answers with all of one's cluster.

    A coin goes on where the listing is that it is named after, else with the first of its listings. A cluster in which several
    coins meet is the oldest of them, and the others are merged into it. A listing that leaves gets back the coin that it once
    founded, if that was merged, else a new one.
    """
    ranked = yield from _ranked(index, heads, together)
    claims = yield from _claims(index, book, ranked)
    out = Named({}, {})
    nameless: list[int] = []
    for n, first in enumerate(ranked.firsts):
        if n % SLICE == SLICE - 1:
            yield
        listings = ranked.cluster(first)
        if len(listings) == 1 and first not in book.same:
            nameless.append(first)
            continue
        won = [coin_id for coin_id in _claimed(book, listings) if claims[coin_id][1] == n]
        if not won:
            nameless.append(first)
            continue
        persons = {book.live_coin(book.same[i].coin_id) for i in listings if i in book.persons} if book.persons else set()
        won.sort(key=lambda coin_id: (coin_id not in persons, _age(book.coins[coin_id]), coin_id))
        for loser in won[1:]:
            out.coins[loser] = _changed(book.coins[loser], merged_into=won[0])
        _settle(index, book, out, won[0], listings)
    for n, first in enumerate(nameless):
        if n % SLICE == SLICE - 1:
            yield
        listings = ranked.cluster(first)
        coin_id = _mint(index, book, out, listings)
        for i in listings:
            out.coin_of[i] = coin_id
    for i, former in book.left.items():
        if i in out.coin_of and former not in {out.coin_of[i], *claims}:
            out.coins[former] = _changed(book.coins[former], merged_into=out.coin_of[i])
    return out


class _Ranked(NamedTuple):
    """The clusters, and in each the listings, in the order in which they come first to an id."""

    firsts: list[int]  # of each cluster
    joined: dict[int, list[int]]  # first -> its cluster, of those of two or more: most are of one

    def cluster(self, first: int) -> Sequence[int]:
        return self.joined.get(first) or (first,)


def _ranked(index: Index, heads: Iterable[int], together: Callable[[int], Sequence[int]]) -> Pieces[_Ranked]:
    listed = index.listed
    by_source: dict[str, list[int]] = {}
    joined: dict[int, list[int]] = {}
    for n, head in enumerate(heads):
        if n % SLICE == SLICE - 1:
            yield
        first, cluster = head, together(head)
        if len(cluster) > 1:
            ranked = sorted(cluster, key=lambda i: rank_of(listed[i]))
            first = ranked[0]
            joined[first] = ranked
        by_source.setdefault(listed[first].source, []).append(first)
    return _Ranked([first for source in sorted(by_source, key=precedence) for first in by_source[source]], joined)


def _age(coin: Coin) -> float:
    return float("inf") if coin.coin_key is None else coin.coin_key


def _claimed(book: Book, listings: Sequence[int]) -> list[str]:
    """The coins that the listings of a cluster are judged to be now, but for those that a person said one of them is not."""
    found: list[str] = []
    for i in listings:
        standing = book.same.get(i)
        if standing is not None and (coin_id := book.live_coin(standing.coin_id)) not in found:
            found.append(coin_id)
    if found and book.apart:
        denied = {apart.coin_id for i in listings for apart in book.apart.get(i, ())}
        found = [coin_id for coin_id in found if coin_id not in denied]
    return found


def _claims(index: Index, book: Book, ranked: _Ranked) -> Pieces[dict[str, tuple[tuple[object, ...], int]]]:
    """For each coin that is claimed, the best claim on it and the cluster's place."""
    best: dict[str, tuple[tuple[object, ...], int]] = {}
    for n, first in enumerate(ranked.firsts):
        if n % SLICE == SLICE - 1:
            yield
        listings = ranked.cluster(first)
        if len(listings) == 1 and first not in book.same:
            continue
        for coin_id in _claimed(book, listings):
            staying = [i for i in listings if (s := book.same.get(i)) is not None and book.live_coin(s.coin_id) == coin_id]
            by_person = any(i in book.persons for i in staying)
            founder = book.coins[coin_id].founder
            claim = (not by_person, founder not in listings, rank_of(index.listed[staying[0]]))
            if coin_id not in best or claim < best[coin_id][0]:
                best[coin_id] = (claim, n)
    return best


def _mint(index: Index, book: Book, out: Named, listings: Sequence[int]) -> str:
    """The id of a cluster that has no coin: of one that a listing founded and that was merged away, else a new one."""
    for i in listings if book.merged else ():
        former = book.merged.get(i)
        if former is not None and former not in out.coins:
            out.coins[former] = _changed(book.coins[former], merged_into=None)
            return former
    f = index.listed[listings[0]]
    coin_id = next(name for name in possible_ids(f.source_id) if name not in book.coins and name not in out.coins)
    out.coins[coin_id] = Coin(coin_id=coin_id, symbol=f.symbol, name=f.name, founder=listings[0])
    return coin_id


def _settle(index: Index, book: Book, out: Named, coin_id: str, listings: Sequence[int]) -> None:
    """Put the listings into a coin, and call it as its first listing is called."""
    for i in listings:
        out.coin_of[i] = coin_id
    first = index.listed[listings[0]]
    coin = out.coins.get(coin_id) or book.coins[coin_id]
    if coin.symbol != first.symbol or coin.name != first.name:
        out.coins[coin_id] = _changed(coin, symbol=first.symbol, name=first.name)


def _changed(coin: Coin, **changes: str | None) -> Coin:
    return msgspec.structs.replace(coin, **changes)
