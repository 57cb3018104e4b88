"""Coins by what they can be found by other than their id. All of it is quick: nothing looks at every coin."""

from bisect import bisect_left

from kasparro.catalog.entries import Catalog, Entry
from kasparro.catalog.indexes import folded_address, folded_symbol, members
from kasparro.catalog.orders import few_in_order

NEAR_MAX = 5
_PREFIX_LEAST = 3  # characters that an id must share with what was asked for
_PREFIXED_MAX = 200  # of the ids with one beginning no more are looked at
_RANKED_MAX = 3_000  # of the coins by rank no more are looked through: about 1 ms


def by_symbol(catalog: Catalog, symbol: str) -> list[Entry]:
    """The coins with a symbol, in any case; best first."""
    return few_in_order(catalog.entries[key] for key in members(catalog.symbols, folded_symbol(symbol)))


def by_address(catalog: Catalog, address: str) -> list[Entry]:
    """The coins with a contract at an address, in any case and on any chain; best first."""
    return few_in_order(catalog.entries[key] for key in members(catalog.addresses, folded_address(address)))


def wrapped_coin(catalog: Catalog, entry: Entry) -> Entry | None:
    """The coin that a coin stands for."""
    found = None if entry.wraps is None else catalog.living(entry.wraps)
    return None if found is entry else found


def wrapping_coins(catalog: Catalog, entry: Entry) -> list[Entry]:
    """The coins that stand for a coin; best first."""
    # What is wrapped may have been merged into this coin. Few hundred coins are wrapped at all.
    found = [key for target in catalog.wrapping if catalog.living(target) is entry for key in members(catalog.wrapping, target)]
    return few_in_order(catalog.entries[key] for key in found if key != entry.coin_key)


def near_ids(catalog: Catalog, text: str) -> tuple[str, ...]:
    """Ids for one that no coin has: of coins with it as their symbol, then those that begin like it or contain it, by rank."""
    wanted = text.casefold()
    half = wanted[: max(_PREFIX_LEAST, len(wanted) // 2)]
    ranked = [catalog.entries[key] for key in catalog.orders.rank[:_RANKED_MAX]]
    near = [entry for entry in ranked if wanted in entry.coin_id or entry.coin_id.startswith(half)]
    found = [*by_symbol(catalog, text), *few_in_order(near + _beginning_like(catalog, wanted))]
    return tuple(dict.fromkeys(entry.coin_id for entry in found))[:NEAR_MAX]


def _beginning_like(catalog: Catalog, wanted: str) -> list[Entry]:
    """The coins whose ids begin with as much of it as any does."""
    keys, entries = catalog.orders.id_all, catalog.entries
    start = bisect_left(keys, wanted, key=lambda key: entries[key].coin_id)
    # Those that share the most stand beside the place that it would have itself.
    beside = [entries[key].coin_id for key in keys[max(0, start - 1) : start + 1]]
    length = max((_shared(wanted, coin_id) for coin_id in beside), default=0)
    if length < _PREFIX_LEAST:
        return []
    prefix = wanted[:length]
    start = bisect_left(keys, prefix, key=lambda key: entries[key].coin_id)
    some = [entries[key] for key in keys[start : start + _PREFIXED_MAX]]
    return [entry for entry in some if entry.coin_id.startswith(prefix)]


def _shared(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
