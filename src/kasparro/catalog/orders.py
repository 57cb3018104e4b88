"""The places of coins: by market cap, by volume, by id."""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Mapping
from math import inf
from typing import Any

from kasparro.catalog.entries import Entry, Orders, Price
from kasparro.catalog.sorting import sort_in_pieces
from kasparro.records import Pieces

_KEYS_PER_PIECE = 2_000
_PLACED_PER_PIECE = 200
_FEW = 4  # with a quarter of the coins placed anew, sorting all costs no more

_Amounts = Callable[[Price], tuple[float, ...]]
# What a coin is sorted by, its id, of which there is one, and its key; empty where it has no place. Flat: nested tuples take three
# times as long to compare.
_Place = tuple[Any, ...]
_PlaceOf = Callable[[int], _Place]


def make_orders(entries: dict[int, Entry], previous: Orders, changed: Collection[int], moved: Collection[int]) -> Pieces[Orders]:
    """The places of all coins.

    `changed` are the keys of the coins with a price now or in `previous` of which anything changed; `moved` of those that came or
    went, or have a price and had none, or the other way round.
    """
    by_id, by_id_all = previous.id, previous.id_all
    if len(moved) * _FEW < len(by_id_all):
        if moved:
            by_id_all = yield from _placed(by_id_all, moved, _place_by_id(entries))
            by_id = yield from _placed(by_id, moved, _place_by(entries))
    elif moved:
        by_id_all = yield from _sorted(entries, _place_by_id(entries))
        by_id = array("i")
        for start in range(0, len(by_id_all), _KEYS_PER_PIECE):
            by_id.extend([key for key in by_id_all[start : start + _KEYS_PER_PIECE] if entries[key].price is not None])
            yield
    found = []
    for order, amounts in ((previous.rank, _by_market_cap), (previous.volume, _by_volume)):
        place = _place_by(entries, amounts)
        if len(changed) * _FEW < len(order):
            new = yield from _placed(order, changed, place)
        else:
            # Most stand about where they stood, which makes sorting them a fraction of the work.
            new = yield from _sorted(by_id if moved else order, place)
        # An order that stayed the same is kept once, over all the versions of which the orders are remembered.
        found.append(order if order == new else new)
    return Orders(rank=found[0], volume=found[1], id=by_id, id_all=by_id_all)


def few_in_order(entries: Iterable[Entry], order: str = "rank") -> list[Entry]:
    """Some coins as `order` (rank, volume or id) has them, those without a price last by id. For few: it sorts them at one go."""
    return sorted(entries, key=order_key(order))


def order_key(order: str) -> Callable[[Entry], tuple[bool, tuple[float, float], str]]:
    """What coins are sorted by in an order (rank, volume or id); those without a price come last by id."""
    if order == "id":
        return lambda entry: (False, (inf, inf), entry.coin_id)
    amounts = _by_market_cap if order == "rank" else _by_volume
    return lambda e: (e.price is None, (inf, inf) if e.price is None else amounts(e.price), e.coin_id)


def place_of(entries: Mapping[int, Entry], keys: "array[int]", entry: Entry, order: str = "rank") -> int:
    """The place, from 0, that a coin with a price has in the present order (rank or volume)."""
    key = order_key(order)
    return bisect_left(keys, key(entry), key=lambda n: key(entries[n]))


def _placed(order: "array[int]", moving: Collection[int], place: _PlaceOf) -> Pieces["array[int]"]:
    """An order with a few coins placed anew; those without a place are left out."""
    kept = [key for key in order if key not in moving]
    yield
    places = sorted([wanted for key in moving if (wanted := place(key))])
    yield
    result, done = array("i"), 0
    for number, wanted in enumerate(places):
        # They come in order: each stands little behind the one before.
        low, high, step = done, done, 1
        while high < len(kept) and place(kept[high]) < wanted:
            low, high, step = high + 1, high + step, step * 2
        here = bisect_left(kept, wanted, low, min(high, len(kept)), key=place)
        result.extend(kept[done:here])
        result.append(wanted[-1])
        done = here
        if number % _PLACED_PER_PIECE == 0:
            yield
    result.extend(kept[done:])
    return result


def _sorted(keys: Iterable[int], place: _PlaceOf) -> Pieces["array[int]"]:
    """Coins in the order of their places; those without one are left out."""
    rows: list[_Place] = []
    for number, key in enumerate(keys):
        where = place(key)
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


def _place_by(entries: Mapping[int, Entry], amounts: _Amounts = lambda _: ()) -> _PlaceOf:
    """The place of a coin with a price by its amounts, then by id."""

    def place(key: int) -> _Place:
        entry = entries.get(key)
        return () if entry is None or entry.price is None else (*amounts(entry.price), entry.coin_id, key)

    return place


def _place_by_id(entries: Mapping[int, Entry]) -> _PlaceOf:
    """The place of any coin by id."""

    def place(key: int) -> _Place:
        entry = entries.get(key)
        return () if entry is None else (entry.coin_id, key)

    return place


def _by_market_cap(price: Price) -> tuple[float, float]:
    return _descending(price.market_cap), _descending(price.volume_24h)


def _by_volume(price: Price) -> tuple[float, float]:
    return _descending(price.volume_24h), _descending(price.market_cap)


def _descending(amount: float | None) -> float:
    """A sort key: the largest amount first, what is not known last."""
    return inf if amount is None else -amount
