"""The places of coins: by market cap, by volume, by id."""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Mapping
from math import inf

from kasparro.catalog.entries import Entry, Orders, Price
from kasparro.catalog.sorting import sort_in_pieces
from kasparro.records import Pieces

_KEYS_PER_PIECE = 2_000
_PLACED_PER_PIECE = 200
_FEW = 4  # with a quarter of the coins placed anew, sorting all costs no more

_Place = tuple[float, float, str]
_Amounts = Callable[[Price], tuple[float, float]]


def make_orders(entries: dict[int, Entry], previous: Orders, changed: Collection[int], *, coins_changed: bool) -> Pieces[Orders]:
    """The places of all coins. `changed` are the keys of the coins with a price now or in `previous` of which anything changed."""
    by_id, by_id_all = previous.id, previous.id_all
    if coins_changed:
        ids: list[tuple[str, int]] = []
        for number, entry in enumerate(entries.values()):
            ids.append((entry.coin_id, entry.coin_key))
            if number % _KEYS_PER_PIECE == 0:
                yield
        ids = yield from sort_in_pieces(ids)
        by_id, by_id_all = array("i"), array("i")
        for start in range(0, len(ids), _KEYS_PER_PIECE):
            keys = [key for _, key in ids[start : start + _KEYS_PER_PIECE]]
            by_id_all.extend(keys)
            by_id.extend([key for key in keys if entries[key].price is not None])
            yield
    if len(changed) * _FEW < len(previous.rank):
        rank = yield from _placed(entries, previous.rank, changed, _by_market_cap)
        volume = yield from _placed(entries, previous.volume, changed, _by_volume)
    else:
        # Most stand about where they stood, which makes sorting them a fraction of the work.
        rank = yield from _by_amount(entries, by_id if coins_changed else previous.rank, _by_market_cap)
        yield
        volume = yield from _by_amount(entries, by_id if coins_changed else previous.volume, _by_volume)
    yield
    return Orders(
        # An order that stayed the same is kept once, over all the versions of which the orders are remembered.
        rank=previous.rank if previous.rank == rank else rank,
        volume=previous.volume if previous.volume == volume else volume,
        id=by_id,
        id_all=by_id_all,
    )


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


def _placed(entries: dict[int, Entry], order: "array[int]", changed: Collection[int], amounts: _Amounts) -> Pieces["array[int]"]:
    """An order with a few of its coins placed anew."""

    def place(key: int) -> _Place:
        entry = entries[key]
        first, second = (inf, inf) if entry.price is None else amounts(entry.price)
        return first, second, entry.coin_id

    kept = [key for key in order if key not in changed]
    yield
    moving = sorted([(place(key), key) for key in changed if key in entries and entries[key].price is not None])
    yield
    result, done = array("i"), 0
    for number, (wanted, key) in enumerate(moving):
        # They come in order: each stands little behind the one before.
        low, high, step = done, done, 1
        while high < len(kept) and place(kept[high]) < wanted:
            low, high, step = high + 1, high + step, step * 2
        here = bisect_left(kept, wanted, low, min(high, len(kept)), key=place)
        result.extend(kept[done:here])
        result.append(key)
        done = here
        if number % _PLACED_PER_PIECE == 0:
            yield
    result.extend(kept[done:])
    return result


def _by_amount(entries: dict[int, Entry], keys: "array[int]", amounts: _Amounts) -> Pieces["array[int]"]:
    """The coins with a price by two amounts, then by id."""
    rows: list[tuple[float, float, str, int]] = []  # flat: nested tuples take three times as long to compare
    for number, key in enumerate(keys):
        entry = entries[key]
        if entry.price is not None:
            rows.append((*amounts(entry.price), entry.coin_id, key))
        if number % _KEYS_PER_PIECE == 0:
            yield
    rows = yield from sort_in_pieces(rows)
    yield
    return array("i", [row[3] for row in rows])


def _by_market_cap(price: Price) -> tuple[float, float]:
    return _descending(price.market_cap), _descending(price.volume_24h)


def _by_volume(price: Price) -> tuple[float, float]:
    return _descending(price.volume_24h), _descending(price.market_cap)


def _descending(amount: float | None) -> float:
    """A sort key: the largest amount first, what is not known last."""
    return inf if amount is None else -amount
