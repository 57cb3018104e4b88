"""The places of coins: by market cap, by volume, by id."""

from array import array
from bisect import bisect_left, bisect_right
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
# Coins, and by which amounts they are sorted first; without these they are sorted by id.
_Order = tuple["array[int]", "array[float]"]
_NO_AMOUNTS = array("d")


def make_orders(entries: dict[int, Entry], previous: Orders, changed: Collection[int], moved: Collection[int]) -> Pieces[Orders]:
    """The places of all coins.

    `changed` are the keys of the coins with a price now or in `previous` of which anything changed; `moved` of those that came or
    went, or have a price and had none, or the other way round.
    """
    by_id, by_id_all = previous.id, previous.id_all
    if len(moved) * _FEW < len(by_id_all):
        if moved:
            by_id_all, _ = yield from _placed(entries, by_id_all, _NO_AMOUNTS, moved, _by_id)
            by_id, _ = yield from _placed(entries, by_id, _NO_AMOUNTS, moved, _by_id_of_priced)
    elif moved:
        by_id_all, _ = yield from _sorted(entries, entries, _by_id, by_amount=False)
        by_id = array("i")
        for start in range(0, len(by_id_all), _KEYS_PER_PIECE):
            by_id.extend([key for key in by_id_all[start : start + _KEYS_PER_PIECE] if entries[key].price is not None])
            yield
    found = []
    for order, by, place in ((previous.rank, previous.rank_by, _by_market_cap), (previous.volume, previous.volume_by, _by_volume)):
        if len(changed) * _FEW < len(order):
            new, new_by = yield from _placed(entries, order, by, changed, place)
        else:
            # Most stand about where they stood, which makes sorting them a fraction of the work.
            new, new_by = yield from _sorted(entries, by_id if moved else order, place, by_amount=True)
        # An order that stayed the same is kept once, over all the versions of which the orders are remembered.
        found.append((order if order == new else new, new_by))
    (rank, rank_by), (volume, volume_by) = found
    return Orders(rank=rank, volume=volume, id=by_id, id_all=by_id_all, rank_by=rank_by, volume_by=volume_by)


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


def _placed(
    entries: Mapping[int, Entry], order: "array[int]", by: "array[float]", moving: Collection[int], place: _PlaceOf
) -> Pieces[_Order]:
    """An order, and by what it goes first, with a few coins placed anew; those without a place are left out."""
    kept, kept_by, done = array("i"), array("d"), 0
    for moved in [n for n, key in enumerate(order) if key in moving]:
        kept += order[done:moved]
        kept_by += by[done:moved]
        done = moved + 1
    kept += order[done:]
    kept_by += by[done:]
    yield
    places = sorted([wanted for key in moving if (entry := entries.get(key)) is not None and (wanted := place(entry))])
    yield
    result, result_by, done = array("i"), array("d"), 0
    for number, wanted in enumerate(places):
        low, high = done, len(kept)
        if by:  # only coins with the same amount have to be looked at
            low = bisect_left(kept_by, wanted[0], done)
            high = bisect_right(kept_by, wanted[0], low) if low < high and kept_by[low] == wanted[0] else low
        here = bisect_left(kept, wanted, low, high, key=lambda key: place(entries[key]))
        result += kept[done:here]
        result.append(wanted[-1])
        if by:
            result_by += kept_by[done:here]
            result_by.append(wanted[0])
        done = here
        if number % _PLACED_PER_PIECE == 0:
            yield
    return result + kept[done:], result_by + kept_by[done:]


def _sorted(entries: Mapping[int, Entry], keys: Iterable[int], place: _PlaceOf, *, by_amount: bool) -> Pieces[_Order]:
    """Coins in the order of their places, and the amounts by which these go first; those without a place are left out."""
    rows: list[_Place] = []
    for number, key in enumerate(keys):
        where = place(entries[key])
        if where:
            rows.append(where)
        if number % _KEYS_PER_PIECE == 0:
            yield
    rows = yield from sort_in_pieces(rows)
    rows.reverse()
    result, result_by = array("i"), array("d")
    while rows:  # let go of in pieces: all at once they take as long as sorting does
        some = rows[: -_KEYS_PER_PIECE - 1 : -1]
        del rows[-_KEYS_PER_PIECE:]
        result.extend([row[-1] for row in some])
        if by_amount:
            result_by.extend([row[0] for row in some])
        yield
    return result, result_by


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
