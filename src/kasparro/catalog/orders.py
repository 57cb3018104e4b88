"""The places of coins: by market cap, by volume, by id."""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Mapping
from math import inf
from typing import Any

from kasparro.catalog.entries import Entry, Orders
from kasparro.catalog.sorting import sort_in_pieces
from kasparro.records import Pieces

_KEYS_PER_PIECE = 2_000
_PLACED_PER_PIECE = 200
_FEW = 4  # with a quarter of the coins placed anew, sorting all costs no more

# What a coin is sorted by, its id, of which there is one, and its key; empty where it has no place. Flat: nested tuples take three
# times as long to compare.
_Place = tuple[Any, ...]
_PlaceOf = Callable[[Entry], _Place]


def make_orders(entries: dict[int, Entry], previous: Orders, changed: Collection[int], moved: Collection[int]) -> Pieces[Orders]:
    """The places of all coins.

    `changed` are the keys of the coins with a price now or in `previous` of which anything changed; `moved` of those that came or
    went, or have a price and had none, or the other way round.
    """
    by_id, by_id_all = previous.id, previous.id_all
    if len(moved) * _FEW < len(by_id_all):
        if moved:
            by_id_all = yield from _placed(entries, by_id_all, moved, _by_id)
            by_id = yield from _placed(entries, by_id, moved, _by_id_of_priced)
    elif moved:
        by_id_all = yield from _sorted(entries, entries, _by_id)
        by_id = array("i")
        for start in range(0, len(by_id_all), _KEYS_PER_PIECE):
            by_id.extend([key for key in by_id_all[start : start + _KEYS_PER_PIECE] if entries[key].price is not None])
            yield
    found = []
    for order, place in ((previous.rank, _by_market_cap), (previous.volume, _by_volume)):
        if len(changed) * _FEW < len(order):
            new = yield from _placed(entries, order, changed, place)
        else:
            # Most stand about where they stood, which makes sorting them a fraction of the work.
            new = yield from _sorted(entries, by_id if moved else order, place)
        # An order that stayed the same is kept once, over all the versions of which the orders are remembered.
        found.append(order if order == new else new)
    return Orders(rank=found[0], volume=found[1], id=by_id, id_all=by_id_all)


def few_in_order(entries: Iterable[Entry], order: str = "rank") -> list[Entry]:
    """Some coins as `order` (rank, volume or id) has them, those without a price last by id. For few: it sorts them at one go."""
    return sorted(entries, key=order_key(order))


def order_key(order: str) -> Callable[[Entry], tuple[bool, _Place]]:
    """What coins are sorted by in an order (rank, volume or id); those without a price come last by id."""
    if order == "id":
        return lambda entry: (False, _by_id(entry))
    place = _by_market_cap if order == "rank" else _by_volume
    return lambda entry: (entry.price is None, place(entry) or _by_id(entry))


def place_of(entries: Mapping[int, Entry], keys: "array[int]", entry: Entry, order: str = "rank") -> int:
    """The place, from 0, that a coin with a price has in the present order (rank or volume)."""
    key = order_key(order)
    return bisect_left(keys, key(entry), key=lambda n: key(entries[n]))


def _placed(entries: Mapping[int, Entry], order: "array[int]", moving: Collection[int], place: _PlaceOf) -> Pieces["array[int]"]:
    """An order with a few coins placed anew; those without a place are left out."""
    kept = [key for key in order if key not in moving]
    yield
    places = sorted([wanted for key in moving if (entry := entries.get(key)) is not None and (wanted := place(entry))])
    yield
    result, done = array("i"), 0
    for number, wanted in enumerate(places):
        # They come in order: each stands little behind the one before.
        low, high, step = done, done, 1
        while high < len(kept) and place(entries[kept[high]]) < wanted:
            low, high, step = high + 1, high + step, step * 2
        here = bisect_left(kept, wanted, low, min(high, len(kept)), key=lambda key: place(entries[key]))
        result.extend(kept[done:here])
        result.append(wanted[-1])
        done = here
        if number % _PLACED_PER_PIECE == 0:
            yield
    result.extend(kept[done:])
    return result


def _sorted(entries: Mapping[int, Entry], keys: Iterable[int], place: _PlaceOf) -> Pieces["array[int]"]:
    """Coins in the order of their places; those without one are left out."""
    rows: list[_Place] = []
    for number, key in enumerate(keys):
        where = place(entries[key])
        if where:
            rows.append(where)
        if number % _KEYS_PER_PIECE == 0:
            yield
    rows = yield from sort_in_pieces(rows)
    rows.reverse()
    result = array("i")
    while rows:  # let go of in pieces: all at once they take as long as sorting does
        result.extend([row[-1] for row in reversed(rows[-_KEYS_PER_PIECE:])])
        del rows[-_KEYS_PER_PIECE:]
        yield
    return result


# Each is asked some ten thousand times for a refresh, so none of them asks another.


def _by_id(entry: Entry) -> _Place:
    return entry.coin_id, entry.coin_key


def _by_id_of_priced(entry: Entry) -> _Place:
    return () if entry.price is None else (entry.coin_id, entry.coin_key)


def _by_market_cap(entry: Entry) -> _Place:
    """The largest market cap first, then the largest volume, then by id; what is not known comes last."""
    price = entry.price
    if price is None:
        return ()
    cap, volume = price.market_cap, price.volume_24h
    return inf if cap is None else -cap, inf if volume is None else -volume, entry.coin_id, entry.coin_key


def _by_volume(entry: Entry) -> _Place:
    """The largest volume first, then the largest market cap, then by id; what is not known comes last."""
    price = entry.price
    if price is None:
        return ()
    cap, volume = price.market_cap, price.volume_24h
    return inf if volume is None else -volume, inf if cap is None else -cap, entry.coin_id, entry.coin_key
