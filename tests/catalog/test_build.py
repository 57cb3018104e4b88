"""Building a catalog from rows: from nothing, and from what changed."""

import gc
import weakref
from array import array
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kasparro.catalog.build import Draft
from kasparro.catalog.details import detail
from kasparro.catalog.entries import EMPTY, Catalog
from kasparro.catalog.orders import few_in_order
from kasparro.catalog.sorting import sort_in_pieces
from kasparro.catalog.staling import is_flagged
from kasparro.records import Pieces
from tests.catalog.columns import in_columns

NOW = datetime(2026, 3, 1, tzinfo=UTC)

# A world: coin key -> (price, market cap, volume, the coin that it is merged into, {(source, source id)}, aliases)
Coin = tuple[float | None, float | None, float | None, int | None, frozenset[tuple[str, str]], frozenset[str]]
World = dict[int, Coin]


def run(pieces: Pieces[Any]) -> Any:
    """The result, all pieces at once."""
    while True:
        try:
            next(pieces)
        except StopIteration as stop:
            return stop.value


def built(previous: Catalog, world: World, keys: list[int], version: int, called: World | None = None, *, complete: bool = True) -> Catalog:
    """The catalog after the rows of some coins were read."""
    draft = Draft(previous)
    run(draft.add(keys, in_columns(rows_of(world, keys, called))))
    return run(draft.finish(version, NOW, complete=complete))


def rows_of(world: World, keys: list[int], called: World | None = None) -> Any:
    """All rows of some coins, called as in another world."""
    rows = SimpleNamespace(coins=[], listings=[], contracts=[], aliases=[])
    for key in keys:
        if key not in world:
            continue
        price, cap, volume, merged, listings, aliases = world[key]
        ids = sorted(listings) if merged is None else []
        # Another price is another symbol, another volume another coin that it wraps: the indexes move as well.
        other_price, _, other_volume = (called or world)[key][:3]
        symbol, wraps = f"Sym{other_price or 0:.0f}", int(other_volume) if other_volume else None
        rows.coins.append(
            {
                "coin_key": key, "coin_id": f"coin-{key}", "symbol": symbol, "name": f"Coin {key}", "merged_into": merged, "wraps": wraps,
                "listing_id": hash(ids[0]) if ids else None, "published_at": NOW, "observed_at": NOW, "value": price if ids else None,
                "method": "newest", "sources_used": "a", "spread_pct": None, "confidence": 1.0, "flags": "stale" if cap == 3.0 else "",
                "market_cap": cap, "volume_24h": volume,
            }
        )  # fmt: skip
        for source, source_id in ids:
            listing = hash((source, source_id))
            rows.listings.append(
                {
                    "coin_key": key, "judgement_id": listing, "verdict": "same", "rule": "r", "confidence": 1.0, "evidence": "{}",
                    "decided_by": "rule", "note": None, "created_at": NOW, "listing_id": listing, "source": source, "source_id": source_id,
                    "symbol": "SYM", "name": "n", "active": True, "price": price, "market_cap": cap, "volume_24h": volume,
                    "observed_at": NOW, "fetched_at": NOW,
                }
            )  # fmt: skip
            rows.contracts.append({"listing_id": listing, "platform": "eth", "address": source_id.upper()})
        rows.aliases.extend({"coin_key": key, "alias": alias} for alias in sorted(aliases))
    return rows


def price_rows_of(rows: Any) -> Any:
    """The same rows as far as they tell of prices and quotes, as their queries give them."""
    of = in_columns(rows)
    prices = [(c[0], *c[6:]) for c in of.coins]
    quotes = [(n[9], *n[15:]) for n in of.listings if n[15] is not None]
    return SimpleNamespace(prices=prices, quotes=quotes)


def priced_rows_of(world: World) -> list[tuple[Any, ...]]:
    """What lists show of the coins with a price, as its query gives it."""
    of = in_columns(rows_of(world, list(world)))
    priced = {coin[0]: coin for coin in of.coins if coin[9] is not None}
    quotes = [(priced[n[0]], n) for n in of.listings if n[0] in priced]
    return [(*coin[:4], *n[10:12], n[9] == coin[6], *coin[7:]) for coin, n in quotes]


def shown(catalog: Catalog) -> Any:
    """Everything that a reader can see of a catalog, of which it has counted what is stale."""
    assert catalog.stale == sum(is_flagged(entry.price) for entry in catalog.entries.values())
    entries = {key: (e.row, detail(catalog, e)) for key, e in catalog.entries.items()}
    listings = {source: dict(ids) for source, ids in catalog.listings.items() if ids}
    orders = [*map(list, (catalog.orders.rank, catalog.orders.volume, catalog.orders.id, catalog.orders.id_all))]
    found = [dict(groups) for groups in (catalog.symbols, catalog.addresses, catalog.wrapping)]
    return entries, dict(catalog.keys), dict(catalog.aliases), dict(catalog.merged), listings, orders, found


_amounts = st.none() | st.sampled_from([1.0, 2.0, 3.0])


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Up to six coins that share a dozen listings and aliases out among them."""
    keys = draw(st.lists(st.integers(1, 6), unique=True))
    world: World = {}
    for key in keys:
        world[key] = (draw(_amounts), draw(_amounts), draw(_amounts), None, frozenset(), frozenset())
    merged = {key: draw(st.none() | st.sampled_from([k for k in keys if k < key])) if any(k < key for k in keys) else None for key in keys}
    owners: dict[int, set[tuple[str, str]]] = {key: set() for key in keys}
    aliases: dict[int, set[str]] = {key: set() for key in keys}
    if keys:
        for n in range(8):
            owner = draw(st.none() | st.sampled_from(keys))
            if owner is not None and merged[owner] is None:
                owners[owner].add(("ab"[n % 2], f"s{n}"))
        for n in range(3):
            owner = draw(st.none() | st.sampled_from(keys))
            if owner is not None and merged[owner] is None:
                aliases[owner].add(f"alias-{n}")
    for key in keys:
        price, cap, volume, _, _, _ = world[key]
        world[key] = (price, cap, volume, merged[key], frozenset(owners[key]), frozenset(aliases[key]))
    return world


@pytest.mark.slow
@given(worlds(), worlds(), st.randoms())
def test_building_on_changes_equals_building_anew(before: World, after: World, order: Any) -> None:
    """Whatever changed, in whichever order the coins are read: prices, merges and splits, listings and aliases that move."""
    after = {**{key: coin for key, coin in before.items() if key not in after}, **after}
    taken = {listing for key in after for listing in after[key][4]}
    assert taken is not None
    after = _each_once(after)
    first = built(EMPTY, before, list(before), 1)
    kept = shown(first)
    changed = [key for key in after if before.get(key) != after[key]]
    order.shuffle(changed)

    second = built(first, after, changed, 2)

    assert shown(second) == shown(built(EMPTY, after, list(after), 2))
    assert shown(first) == kept


@pytest.mark.slow
@given(worlds(), st.dictionaries(st.integers(1, 6), st.tuples(st.sampled_from([1.0, 2.0, 3.0]), _amounts, _amounts)))
def test_repricing_equals_building_anew(before: World, moves: dict[int, tuple[float, float | None, float | None]]) -> None:
    """Where no more changed than prices and quotes, taking over these alone shows the same, orders and indexes included."""
    before = _each_once(before)
    first = built(EMPTY, before, list(before), 1)
    kept = shown(first)
    priced = [key for key in moves if (entry := first.entries.get(key)) is not None and entry.price is not None]
    after: World = {**before, **{key: (*moves[key], *before[key][3:]) for key in priced}}

    draft = Draft(first)
    run(draft.reprice(price_rows_of(rows_of(after, priced, before))))
    second = run(draft.finish(2, NOW))

    assert shown(second) == shown(built(EMPTY, after, list(after), 2, before))
    assert shown(first) == kept
    assert all(second.entries[key] is first.entries[key] for key in before if key in first.entries and key not in priced)


@pytest.mark.slow
@given(worlds())
def test_what_begins_with_what_lists_show_ends_as_what_is_read_at_once(world: World) -> None:
    """The same is shown in the end; of the coins with a price their rows, prices and places were there from the beginning, and stay."""
    world = _each_once(world)
    draft = Draft(EMPTY)
    keys = run(draft.begin(priced_rows_of(world)))
    first = run(draft.finish(1, NOW, complete=False))

    whole = built(first, world, list(world), 1)

    anew = built(EMPTY, world, list(world), 1)
    assert shown(whole) == shown(anew)
    assert (whole.complete, first.complete) == (True, False)
    assert set(keys) == {key for key, entry in anew.entries.items() if entry.listings and world[key][0] is not None}
    assert all((first.entries[key].row, first.entries[key].price) == (whole.entries[key].row, whole.entries[key].price) for key in keys)


def _each_once(world: World) -> World:
    """A listing is one coin at a time, and an alias leads to one."""
    listings: set[tuple[str, str]] = set()
    aliases: set[str] = set()
    result: World = {}
    for key, (price, cap, volume, merged, ids, names) in world.items():
        result[key] = (price, cap, volume, merged, ids - listings, names - aliases)
        listings |= ids
        aliases |= names
    return result


def test_what_did_not_change_is_shared() -> None:
    """A change of one price copies no index and no entry of another coin."""
    world: World = {key: (1.0, float(key), 1.0, None, frozenset({("a", f"s{key}")}), frozenset()) for key in range(1, 5)}
    first = built(EMPTY, world, list(world), 1)
    world[2] = (9.0, 2.0, 1.0, None, frozenset({("a", "s2")}), frozenset())

    second = built(first, world, [2], 2)

    assert second.keys is first.keys
    assert second.listings["a"] is first.listings["a"]
    assert second.addresses is first.addresses
    assert second.wrapping is first.wrapping
    assert second.entries[2].listings[0].contracts is first.entries[2].listings[0].contracts
    assert second.entries[1] is first.entries[1]
    assert second.orders.rank is first.orders.rank
    assert second.entries[2].price is not None
    assert second.entries[2].price.value == 9.0


def test_rank_is_market_cap_then_volume_then_id() -> None:
    """Without a market cap last; of equals the one with more volume, then by id."""
    figures = {1: (None, 9.0), 2: (5.0, None), 3: (5.0, 1.0), 4: (7.0, None), 5: (None, None), 6: (None, None)}
    world: World = {key: (1.0, cap, volume, None, frozenset({("a", f"s{key}")}), frozenset()) for key, (cap, volume) in figures.items()}

    orders = built(EMPTY, world, list(world), 1).orders

    assert orders.rank == array("i", [4, 3, 2, 1, 5, 6])
    assert orders.volume == array("i", [1, 3, 4, 2, 5, 6])
    assert orders.id == array("i", [1, 2, 3, 4, 5, 6])


@given(st.lists(st.tuples(st.integers(0, 20), st.integers())), st.integers(1, 9))
def test_sorting_in_pieces_is_sorting(rows: list[tuple[int, int]], run_rows: int) -> None:
    """The same as sorted, whatever the size of the runs."""
    assert run(sort_in_pieces(rows, run_rows)) == sorted(rows)


_priced = st.tuples(st.none() | st.just(1.0), st.none() | st.floats(0, 1e12), st.none() | st.integers(0, 9))


def _priced_world(amounts: dict[int, tuple[float | None, float | None, float | None]]) -> World:
    return {
        key: (price, *others, None, frozenset() if price is None else frozenset({("a", f"x{key}")}), frozenset())
        for key, (price, *others) in amounts.items()
    }


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.lists(_priced, min_size=30, max_size=60), st.data())
def test_a_few_coins_are_placed_where_sorting_all_would_put_them(
    amounts: list[tuple[float | None, float | None, float | None]], data: st.DataObject
) -> None:
    """Whichever moved, came, went, or got or lost its price, the orders are those of a catalog that was built at once."""
    world = dict(enumerate(amounts, 1))
    before = built(EMPTY, _priced_world(world), sorted(world), 1)
    few = data.draw(st.lists(st.sampled_from(sorted(world)), max_size=len(world) // 6, unique=True))
    world |= {key: data.draw(_priced) for key in few}
    for key in data.draw(st.lists(st.sampled_from(few), unique=True)) if few else ():
        del world[key]
    came = range(100, 100 + data.draw(st.integers(0, 3)))
    world |= {key: data.draw(_priced) for key in came}
    few += came

    moved, anew = built(before, _priced_world(world), few, 2), built(EMPTY, _priced_world(world), sorted(world), 2)

    # The amounts as well: the next few are placed by them.
    for order in ("rank", "volume", "id", "id_all", "rank_by", "volume_by"):
        assert list(getattr(moved.orders, order)) == list(getattr(anew.orders, order)), order


def test_the_orders_of_thousands_of_coins_have_each_once() -> None:
    """They are sorted, and let go of, in pieces of two thousand: what lies between two pieces is in its place as well."""
    world = _priced_world({key: (1.0 if key % 5 else None, float(key % 97), float(key % 89)) for key in range(1, 4_502)})

    catalog = built(EMPTY, world, sorted(world), 1)

    entries = list(catalog.entries.values())
    priced = [entry for entry in entries if entry.price is not None]
    assert len(priced) == 3_601
    for order, of in (("rank", priced), ("volume", priced), ("id", priced), ("id_all", entries)):
        expected = few_in_order(of, "id" if order == "id_all" else order)
        assert list(getattr(catalog.orders, order)) == [entry.coin_key for entry in expected], order


def test_a_draft_leaves_nothing_behind() -> None:
    """It goes with its last reference: in a cycle it would keep the catalog that it was made from until the collector looks."""
    draft = Draft(EMPTY)
    run(draft.finish(1, NOW))
    left = weakref.ref(draft)
    gc.disable()
    try:
        del draft
        assert left() is None
    finally:
        gc.enable()


def test_a_draft_tells_what_it_replaced() -> None:
    """Each entry once, whether its coin was read anew or repriced: what is not told of is freed all at once."""
    world: World = {key: (1.0, float(key), 1.0, None, frozenset({("a", f"s{key}")}), frozenset()) for key in range(1, 5)}
    first = built(EMPTY, world, list(world), 1)
    draft = Draft(first)

    run(draft.add([2, 5], in_columns(rows_of(world, [2]))))
    run(draft.reprice(price_rows_of(rows_of(world, [3]))))

    assert [id(entry) for entry in draft.replaced] == [id(first.entries[2]), id(first.entries[3])]


_LATER = NOW + timedelta(minutes=1)


@pytest.mark.parametrize(
    ("column", "was", "now"),
    [
        ("price", None, 1.0),
        ("price", 1.0, 2.0),
        ("market_cap", 1.0, None),
        ("volume_24h", 1.0, 2.0),
        ("observed_at", NOW, _LATER),
        ("fetched_at", NOW, _LATER),
    ],
)
def test_whatever_changes_of_a_quote_is_taken_over(column: str, was: Any, now: Any) -> None:
    """With a price alone comes the same as with all of the coin: a first quote and so another source, and each part of a later one."""
    world: World = {1: (1.0, 2.0, 1.0, None, frozenset({("a", "s1"), ("b", "s2")}), frozenset())}
    before, after = rows_of(world, [1]), rows_of(world, [1])
    before.listings[1][column], after.listings[1][column] = was, now
    draft, anew = Draft(EMPTY), Draft(EMPTY)
    run(draft.add([1], in_columns(before)))
    run(anew.add([1], in_columns(after)))

    draft = Draft(run(draft.finish(1, NOW)))
    run(draft.reprice(price_rows_of(after)))

    assert shown(run(draft.finish(2, NOW))) == shown(run(anew.finish(2, NOW)))


def test_a_price_of_a_listing_that_is_another_coins_does_not_stand() -> None:
    """Whether the coin is read anew or repriced."""
    world: World = {1: (1.0, 2.0, 1.0, None, frozenset({("a", "s1")}), frozenset())}
    first = built(EMPTY, world, [1], 1)
    rows = rows_of(world, [1])
    rows.coins[0]["listing_id"] = -1
    read, repriced = Draft(first), Draft(first)

    run(read.add([1], in_columns(rows)))
    run(repriced.reprice(price_rows_of(rows)))

    for draft in (read, repriced):
        entry = run(draft.finish(2, NOW)).entries[1]
        assert (entry.price, entry.row) == (None, None)
