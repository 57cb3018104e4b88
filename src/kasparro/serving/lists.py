"""Lists of coins: filters, orders, and pages that a reader can walk while ranks move."""

from array import array
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from kasparro.catalog.catalog import CatalogHolder
from kasparro.catalog.entries import Catalog, Entry
from kasparro.catalog.find import by_symbol
from kasparro.catalog.orders import place_of
from kasparro.catalog.search import search
from kasparro.catalog.sorting import sort_in_pieces
from kasparro.clock import Clock, in_pieces
from kasparro.records import Pieces
from kasparro.serving import cursors, parameters
from kasparro.serving.cursors import Place
from kasparro.serving.loading import knowing
from kasparro.serving.operations import Call
from kasparro.serving.parameters import Parameter

LIMIT_DEFAULT, LIMIT_MAX = 100, 1_000
_COINS_PER_PIECE = 2_500
_LOOKED_UP_MAX = 64  # the places of so many coins are found sooner one by one than by going through an order

LIMIT = parameters.integer("limit", "How many rows at most.", default=LIMIT_DEFAULT, least=1, most=LIMIT_MAX)
CURSOR = parameters.text("cursor", "Where the last page ended: from its Link header.", most=1_000)

_ORDER_TEXT = (
    "rank: by market cap; volume: by 24 h volume; id: by id. Without it: with `ids` as asked for, with `q` the best matches first, "
    "otherwise by rank."
)
_Q_TEXT = (
    "Only coins whose name, symbol or id has these words, in any case: is this, begins with it, has words that begin so, or contains "
    "them; a word of five or more letters may be one letter off."
)


def list_parameters(sources: Sequence[str]) -> list[Parameter]:
    """What /data and /coins take."""
    return [
        LIMIT,
        CURSOR,
        parameters.choice("order", _ORDER_TEXT, ["rank", "id", "volume"]),
        parameters.names("ids", "Only these coins, by id or alias, separated by commas.", example=["bitcoin", "ethereum"]),
        parameters.text("symbol", "Only coins with this symbol, in any case.", example="BTC"),
        parameters.choice("source", "Only coins that this source knows.", sources),
        parameters.text("q", _Q_TEXT, example="bit"),
        parameters.integer("min_sources", "Only coins that at least so many sources know.", default=0, least=0, most=100),
        parameters.flag("all", "Coins that never had a price, too."),
        parameters.flag("envelope", "An object with the rows under `data` instead of the rows alone."),
    ]


class CoinPage(msgspec.Struct, frozen=True):
    """A page of a list."""

    entries: list[Entry]
    total: int  # rows of the whole list
    cursor: str | None  # of the next page
    version: int  # of the catalog that it is from
    is_present: bool  # false where its order is of an earlier catalog, which is remembered for a while only


class _Walk(msgspec.Struct, frozen=True):
    """What a list goes along: first the coins that have a place in an order, then the others by id."""

    version: int  # of the order; 0: it needs none
    order: str
    keys: "array[int]"  # the coins in their places
    rest: "array[int] | None"  # coins by id, of which those without a place follow; None: none do
    now: bool  # whether the places are those that the coins have in the catalog


class _Wanted(msgspec.Struct, frozen=True):
    """What a list is narrowed to."""

    keep: Callable[[Entry], bool]
    few: list[Entry] | None  # the coins that an index leaves of all, to be tested by `keep` like any; None: no index helps
    grades: Mapping[int, int]  # how well a coin matches, by key, where that comes before its place


_Page = tuple[list[Entry], int, Place | None]
_Row = tuple[int, bool, int, str, Entry]  # grade, whether it has no place, its place, its id where it has none


async def coin_page(holder: CatalogHolder, clock: Clock, path: str, query: dict[str, Any]) -> CoinPage:
    """The page that checked list parameters ask for. Raises ProblemError for a bad or expired cursor, and see serving/loading.py."""
    catalog = await knowing(holder, query["ids"] or (), every=query["all"])
    order = query["order"] or ("asked" if query["ids"] else "match" if query["q"] else "rank")
    listed = _listed(path, query, order)
    place = cursors.read(query["cursor"], listed) if query["cursor"] else None
    walk = _walk(holder, catalog, query, order, place)
    entries, total, following = await in_pieces(_page(catalog, walk, query, place or Place(walk.version)), clock)
    cursor = None if following is None else cursors.write(following, listed)
    return CoinPage(entries, total, cursor, catalog.version, is_present=walk.version in {0, catalog.version})


def next_link(call: Call, cursor: str | None) -> str | None:
    """Path and query of the next page."""
    if cursor is None:
        return None
    kept = [(name, value) for name, value in parameters.pairs(call.query_string) if name != "cursor"]
    return f"{quote(call.path)}?{urlencode([*kept, ('cursor', cursor)])}"


def _walk(holder: CatalogHolder, catalog: Catalog, query: dict[str, Any], order: str, place: Place | None) -> _Walk:
    if order == "asked":
        asked = dict.fromkeys(entry.coin_key for entry in map(catalog.find, query["ids"]) if entry is not None)
        return _Walk(0, order, array("i", asked), None, now=False)
    if order == "id":
        return _Walk(0, order, array("i"), catalog.orders.id_all if query["all"] else catalog.orders.id, now=False)
    version = catalog.version if place is None else place.version
    orders = catalog.orders if version == catalog.version else holder.orders(version)
    if orders is None:
        raise cursors.expired()
    keys = orders.volume if order == "volume" else orders.rank
    return _Walk(version, order, keys, catalog.orders.id_all if query["all"] else None, now=version == catalog.version)


def _page(catalog: Catalog, walk: _Walk, query: dict[str, Any], place: Place) -> Pieces[_Page]:
    wanted = yield from _wanted(catalog, query)
    if wanted is None:
        return _page_of_all(catalog, walk, place, query["limit"])
    limit = query["limit"]
    if wanted.few is None:
        rows, total = yield from _rows_after(catalog, walk, wanted.keep, place, limit, priced=not query["all"])
    else:
        few = yield from _few_rows(catalog, walk, wanted, query)
        shown = (place.grade, False, place.position - 1, "") if place.after is None else (place.grade, True, 0, place.after)
        rows, total = few[bisect_right(few, shown, key=lambda row: row[:4]) :], len(few)
    following = None
    if len(rows) > limit:
        grade, unplaced, position, coin_id, _ = rows[limit - 1]
        following = Place(walk.version, grade=grade, after=coin_id) if unplaced else Place(walk.version, position + 1, grade=grade)
    return [row[4] for row in rows[:limit]], total, following


def _page_of_all(catalog: Catalog, walk: _Walk, place: Place, limit: int) -> _Page:
    """A page of a list without filters: nothing but what it shows is looked at."""
    entries, keys, rest = catalog.entries, walk.keys, walk.rest
    page: list[Entry] = []
    position = place.position if place.after is None else len(keys)
    while position < len(keys) and len(page) < limit:
        some = keys[position : position + limit - len(page)]
        position += len(some)
        # Coins that have gone since the order was made, or lost their price, have a place in it still.
        page += [entry for entry in map(entries.get, some) if entry is not None and (rest is not None or entry.price is not None)]
    if rest is None:
        return page, len(keys), Place(walk.version, position) if position < len(keys) else None
    if position < len(keys):
        return page, len(rest), Place(walk.version, position)
    placed = frozenset(keys)
    after = place.after or ""
    start = bisect_right(rest, after, key=lambda key: entries[key].coin_id)
    following = islice((entries[key] for key in rest[start:] if key not in placed), limit - len(page) + 1)
    page += following
    if len(page) <= limit:
        return page, len(rest), None
    del page[limit:]
    last = page[-1]
    return page, len(rest), Place(walk.version, after="" if last.coin_key in placed else last.coin_id)


def _rows_after(
    catalog: Catalog, walk: _Walk, keep: Callable[[Entry], bool], place: Place, limit: int, *, priced: bool
) -> Pieces[tuple[list[_Row], int]]:
    """The rows after a place, at least one more than the limit where there are so many, and how many the whole list has.

    Every coin is looked at, since no index knows which ones pass. Coins are judged on what they are now, in the places that they had
    when the walk began; those that have come since stand in no place of that order and are, where the list shows the rest, among the
    ones that follow by id.
    """
    entries, rows, total = catalog.entries, list[_Row](), 0
    for start in range(0, len(walk.keys), _COINS_PER_PIECE):
        places = enumerate(map(entries.get, walk.keys[start : start + _COINS_PER_PIECE]), start)
        some = [(n, e) for n, e in places if e is not None and keep(e) and not (priced and e.price is None)]
        total += len(some)
        if place.after is None and len(rows) <= limit:
            rows += [(0, False, n, "", e) for n, e in some if n >= place.position]
        yield
    if walk.rest is not None:
        placed, after = frozenset(walk.keys), place.after or ""
        for start in range(0, len(walk.rest), _COINS_PER_PIECE):
            others = [entries[key] for key in walk.rest[start : start + _COINS_PER_PIECE] if key not in placed]
            passing = [e for e in others if keep(e)]
            total += len(passing)
            if len(rows) <= limit:
                rows += [(0, True, 0, e.coin_id, e) for e in passing if e.coin_id > after]
            yield
    return rows, total


def _few_rows(catalog: Catalog, walk: _Walk, wanted: _Wanted, query: dict[str, Any]) -> Pieces[list[_Row]]:
    """The rows of a list, in order, of which an index tells all the coins that may be in it."""
    few = [entry for entry in wanted.few or () if wanted.keep(entry) and (query["all"] or entry.price is not None)]
    yield
    places = _places(catalog, walk, few)
    yield
    grades: Mapping[int, int] = wanted.grades if walk.order == "match" else {}
    rows: list[_Row] = []
    for entry in few:
        place = places.get(entry.coin_key)
        grade = grades.get(entry.coin_key, 0)
        if place is not None:
            rows.append((grade, False, place, "", entry))
        elif walk.rest is not None:
            rows.append((grade, True, 0, entry.coin_id, entry))
    yield
    return (yield from sort_in_pieces(rows))


def _places(catalog: Catalog, walk: _Walk, few: list[Entry]) -> dict[int, int]:
    """The places of the coins that have one, by key."""
    if walk.now and len(few) <= _LOOKED_UP_MAX:
        order = "volume" if walk.order == "volume" else "rank"
        priced = [entry for entry in few if entry.price is not None]
        return {entry.coin_key: place_of(catalog.entries, walk.keys, entry, order) for entry in priced}
    sought = {entry.coin_key for entry in few}
    return {key: n for n, key in enumerate(walk.keys) if key in sought}


def _wanted(catalog: Catalog, query: dict[str, Any]) -> Pieces[_Wanted | None]:
    """What a list's filters leave of it; None: it has none."""
    tests: list[Callable[[Entry], bool]] = []
    few: dict[int, Entry] | None = None
    grades: dict[int, int] = {}
    if query["ids"]:
        few = {entry.coin_key: entry for entry in map(catalog.find, query["ids"]) if entry is not None}
    if query["symbol"]:
        known = {entry.coin_key: entry for entry in by_symbol(catalog, query["symbol"])}
        few = known if few is None else {key: entry for key, entry in known.items() if key in few}
    if query["q"]:
        grades = yield from search(catalog, query["q"])
        few = {key: catalog.entries[key] for key in grades if few is None or key in few}
    if query["source"]:
        source = query["source"]
        tests.append(lambda entry: source in entry.sources)
    if query["min_sources"]:
        least = query["min_sources"]
        tests.append(lambda entry: len(entry.sources) >= least)
    if few is None and not tests:
        return None
    keep = tests[0] if len(tests) == 1 else lambda entry: all(test(entry) for test in tests)
    return _Wanted(keep, None if few is None else list(few.values()), grades)


def _listed(path: str, query: dict[str, Any], order: str) -> str:
    """Names a list by all that decides what is in it and in which order."""
    names = ("ids", "symbol", "source", "q", "min_sources", "all")
    return "\0".join([path, f"order={order}", *(f"{name}={query[name]}" for name in names)])
