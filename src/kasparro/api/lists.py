"""Lists of coins: filters, orders, and pages that a reader can walk while ranks move."""

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from kasparro.api import cursors, parameters
from kasparro.api.cursors import Place
from kasparro.api.operations import Call
from kasparro.api.parameters import Parameter
from kasparro.catalog.catalog import CatalogHolder
from kasparro.catalog.entries import Catalog, Entry
from kasparro.catalog.find import by_symbol
from kasparro.catalog.orders import few_in_order
from kasparro.clock import Clock, in_pieces
from kasparro.records import Pieces

LIMIT_DEFAULT, LIMIT_MAX = 100, 1_000
_COINS_PER_PIECE = 2_500

LIMIT = parameters.integer("limit", "How many rows at most.", default=LIMIT_DEFAULT, least=1, most=LIMIT_MAX)
CURSOR = parameters.text("cursor", "Where the last page ended: from its Link header.", most=1_000)


def list_parameters(sources: Sequence[str]) -> list[Parameter]:
    """What /data and /coins take."""
    return [
        LIMIT,
        CURSOR,
        parameters.choice("order", "rank: by market cap; volume: by 24 h volume; id: by id.", ["rank", "id", "volume"], default="rank"),
        parameters.names("ids", "Only these coins, by id or alias, separated by commas.", example=["bitcoin", "ethereum"]),
        parameters.text("symbol", "Only coins with this symbol, in any case.", example="BTC"),
        parameters.choice("source", "Only coins that this source knows.", sources),
        parameters.text("q", "Only coins whose name, symbol or id contains this, in any case.", example="bit"),
        parameters.integer("min_sources", "Only coins that at least so many sources know.", default=0, least=0, most=100),
        parameters.flag("all", "Coins that never had a price, too."),
        parameters.flag("envelope", "An object with the rows under `data` instead of the rows alone."),
    ]


class CoinPage(msgspec.Struct, frozen=True):
    """A page of a list."""

    entries: list[Entry]
    total: int  # rows of the whole list
    cursor: str | None  # of the next page


Keep = Callable[[Entry], bool]


class _Wanted(msgspec.Struct, frozen=True):
    """What a list is narrowed to."""

    keep: Keep | None  # what a coin must be like; None: anything goes
    few: list[Entry] | None  # the coins that an index leaves of all, to be tested by `keep` like any; None: no index helps

    def among_few(self) -> list[Entry]:
        """Those of the few that pass."""
        return [entry for entry in self.few or () if self.keep is None or self.keep(entry)]


async def coin_page(holder: CatalogHolder, clock: Clock, path: str, query: dict[str, Any]) -> CoinPage:
    """The page that checked list parameters ask for. Raises ProblemError for a bad or expired cursor."""
    catalog = holder.current
    listed = _listed(path, query)
    place = cursors.read(query["cursor"], listed) if query["cursor"] else None
    wanted = _wanted(catalog, query)
    by_id = query["order"] == "id"
    page = _page_by_id(catalog, query, place, wanted) if by_id else _page_by_order(holder, catalog, query, place, wanted)
    entries, total, following = await in_pieces(page, clock)
    return CoinPage(entries, total, None if following is None else cursors.write(following, listed))


def next_link(call: Call, cursor: str | None) -> str | None:
    """Path and query of the next page."""
    if cursor is None:
        return None
    kept = [(name, value) for name, value in parameters.pairs(call.query_string) if name != "cursor"]
    return f"{quote(call.path)}?{urlencode([*kept, ('cursor', cursor)])}"


_Page = tuple[list[Entry], int, Place | None]


def _page_by_id(catalog: Catalog, query: dict[str, Any], place: Place | None, wanted: _Wanted) -> Pieces[_Page]:
    keys = catalog.orders.id_all if query["all"] else catalog.orders.id
    entries, limit = catalog.entries, query["limit"]
    after = place.after if place is not None and place.after is not None else ""
    if wanted.keep is None:
        start = bisect_right(keys, after, key=lambda key: entries[key].coin_id)
        page = [entries[key] for key in keys[start : start + limit]]
        more = start + limit < len(keys)
        return page, len(keys), Place(0, after=page[-1].coin_id) if more and page else None
    if wanted.few is None:
        found = yield from _kept(catalog, keys, wanted.keep)
    else:
        found = few_in_order((entry for entry in wanted.among_few() if query["all"] or entry.price is not None), "id")
    start = bisect_right(found, after, key=lambda entry: entry.coin_id)
    page = found[start : start + limit]
    return page, len(found), Place(0, after=page[-1].coin_id) if start + limit < len(found) else None


def _page_by_order(holder: CatalogHolder, catalog: Catalog, query: dict[str, Any], place: Place | None, wanted: _Wanted) -> Pieces[_Page]:
    place = place or Place(catalog.version)
    orders = catalog.orders if place.version == catalog.version else holder.orders(place.version)
    if orders is None:
        raise cursors.expired()
    keys = orders.rank if query["order"] == "rank" else orders.volume
    limit = query["limit"]
    if wanted.keep is None and not query["all"] and place.version == catalog.version:
        page = [catalog.entries[key] for key in keys[place.position : place.position + limit]]
        end = place.position + limit
        return page, len(keys), Place(place.version, end) if end < len(keys) else None
    if wanted.few is not None and place.version == catalog.version:
        ordered = few_in_order(wanted.among_few(), query["order"])
        found = [entry for entry in ordered if entry.price is not None]
        tail = ordered[len(found) :] if query["all"] else []
    else:
        found, tail = yield from _found_in_order(catalog, keys, wanted.keep, all_coins=query["all"])
    total = len(found) + len(tail)
    page, following = [], None
    if place.after is None:
        position = {key: number for number, key in enumerate(keys)} if place.position else {}
        start = bisect_right(found, place.position - 1, key=lambda entry: position[entry.coin_key]) if place.position else 0
        page = found[start : start + limit]
        if start + limit < len(found):
            last = page[-1].coin_key
            return page, total, Place(place.version, (position[last] if position else keys.index(last)) + 1)
    after = place.after or ""
    start = bisect_right(tail, after, key=lambda entry: entry.coin_id)
    rest = tail[start : start + limit - len(page)]
    if start + len(rest) < len(tail):
        following = Place(place.version, after=rest[-1].coin_id if rest else after)
    return page + rest, total, following


def _found_in_order(catalog: Catalog, keys: "array[int]", keep: Keep | None, *, all_coins: bool) -> Pieces[tuple[list[Entry], list[Entry]]]:
    """The coins that pass: those in an order's places, and with `all_coins` the others by id.

    They are counted on what they are now, in the places that they had when the walk began; those that have come since stand in
    no place of that order and are, with `all_coins`, among the ones that follow by id.
    """
    found = yield from _kept(catalog, keys, keep, priced=not all_coins)
    tail: list[Entry] = []
    if all_coins:
        placed = frozenset(keys)
        tail = yield from _kept(catalog, array("i", [key for key in catalog.orders.id_all if key not in placed]), keep)
    return found, tail


def _kept(catalog: Catalog, keys: "array[int]", keep: Keep | None, *, priced: bool = False) -> Pieces[list[Entry]]:
    """The coins that still exist and pass, in the order of their keys."""
    found: list[Entry] = []
    get = catalog.entries.get
    for start in range(0, len(keys), _COINS_PER_PIECE):
        some: Iterator[Entry | None] = map(get, keys[start : start + _COINS_PER_PIECE])
        found += [entry for entry in some if entry is not None and (keep is None or keep(entry)) and not (priced and entry.price is None)]
        yield
    return found


def _wanted(catalog: Catalog, query: dict[str, Any]) -> _Wanted:
    """What a list's filters leave of it."""
    tests: list[Keep] = []
    few: dict[int, Entry] | None = None
    if query["ids"]:
        few = {entry.coin_key: entry for entry in map(catalog.find, query["ids"]) if entry is not None}
    if query["symbol"]:
        known = {entry.coin_key: entry for entry in by_symbol(catalog, query["symbol"])}
        few = known if few is None else {key: entry for key, entry in known.items() if key in few}
    if few is not None:
        tests.append(lambda entry: entry.coin_key in few)
    if query["source"]:
        source = query["source"]
        tests.append(lambda entry: source in entry.sources)
    if query["q"]:
        folded = query["q"].casefold()
        tests.append(lambda entry: folded in entry.folded)
    if query["min_sources"]:
        least = query["min_sources"]
        tests.append(lambda entry: len(entry.sources) >= least)
    keep = None if not tests else tests[0] if len(tests) == 1 else lambda entry: all(test(entry) for test in tests)
    return _Wanted(keep, None if few is None else list(few.values()))


def _listed(path: str, query: dict[str, Any]) -> str:
    """Names a list by all that decides what is in it and in which order."""
    names = ("order", "ids", "symbol", "source", "q", "min_sources", "all")
    return "\0".join(chain([path], (f"{name}={query[name]}" for name in names)))
