"""What is kept of coins' pages is what would be made of them now."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kasparro.catalog import coin_pages
from kasparro.catalog.coin_pages import CoinPages
from kasparro.catalog.details import detail
from kasparro.catalog.entries import EMPTY, Catalog
from tests.catalog.test_build import World, built, worlds

EACH_ALONE = 1_000_000, 1_000_000


def asked(pages: CoinPages, catalog: Catalog) -> dict[int, bytes | None]:
    """The page of every coin that could be there, by key."""
    return {key: pages.page(catalog, b"coin-%d" % key) for key in range(8)}


def expected(catalog: Catalog) -> dict[int, bytes | None]:
    """What is told of coins that have nothing to do with others."""
    alone = {key: entry for key, entry in catalog.entries.items() if entry.wraps is None and key not in catalog.wrapped}
    return {key: detail(catalog, alone[key]) if key in alone and catalog.complete else None for key in range(8)}


@given(
    steps=st.lists(st.tuples(worlds(), st.booleans()), max_size=6), room=st.sampled_from([(0, 0), (1, 0), (1, 1), (0, 1_000), EACH_ALONE])
)
def test_a_page_is_what_would_be_made_now(steps: list[tuple[World, bool]], room: tuple[int, int]) -> None:
    """Whatever changed since it was kept, of this coin or of those around it, open or packed, and after another database."""
    pages, catalog = CoinPages(*room), EMPTY
    before: World = {}
    for version, (world, another) in enumerate(steps, 1):
        changed = [key for key in world.keys() | before.keys() if world.get(key) != before.get(key)]
        if another:  # read from nothing, in two steps
            pages.renew(half := built(EMPTY, world, list(world), version, complete=False), list(world))
            assert not any(asked(pages, half).values())
            catalog, changed = built(EMPTY, world, list(world), version), []
        else:
            catalog = built(catalog, world, changed, version)
        pages.renew(catalog, changed)
        for _ in range(2):
            assert asked(pages, catalog) == expected(catalog)
        before = world


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Counter[int]:
    """How often the page of each coin was made."""
    counted: Counter[int] = Counter()

    def counting(catalog: Catalog, entry: Any) -> bytes:
        counted[entry.coin_key] += 1
        return detail(catalog, entry)

    monkeypatch.setattr(coin_pages, "detail", counting)
    return counted


def priced(*keys: int) -> World:
    """Coins with a price."""
    return {key: (1.0, 2.0, None, None, frozenset({("a", f"s{key}")}), frozenset()) for key in keys}


@pytest.mark.parametrize("room", [EACH_ALONE, (0, 1_000_000), (1, 1_000_000)])
def test_pages_are_made_once(made: Counter[int], room: tuple[int, int]) -> None:
    """Until their coin changes: that others did does not matter."""
    pages, catalog = CoinPages(*room), built(EMPTY, priced(1, 2, 3), [1, 2, 3], 1)
    asked(pages, catalog)
    catalog = built(catalog, priced(1, 2, 3), [2], 2)
    pages.renew(catalog, [2])
    for _ in range(3):
        asked(pages, catalog)
    assert made == {1: 1, 2: 2, 3: 1}


def test_what_is_kept_is_bounded_and_makes_room_as_coins_change(made: Counter[int]) -> None:
    """Who comes when all is full is made each time; what has changed leaves its place to others."""
    pages, catalog = CoinPages(1, 1), built(EMPTY, priced(1, 2, 3), [1, 2, 3], 1)
    for _ in range(3):
        asked(pages, catalog)
    assert made == {1: 1, 2: 1, 3: 3}
    catalog = built(catalog, priced(2, 3), [1], 2)

    pages.renew(catalog, [1])

    for _ in range(3):
        asked(pages, catalog)
    assert made == {1: 1, 2: 1, 3: 4}
    assert pages._ids.keys() == {2, 3}


def test_coins_without_a_price_are_not_kept() -> None:
    """They never change, and are three of four: they would fill all there is for good."""
    pages, world = CoinPages(), {1: (None, None, None, None, frozenset[tuple[str, str]](), frozenset[str]())}
    assert asked(pages, built(EMPTY, world, [1], 1))[1]
    assert not pages._ids


def test_a_coin_that_is_newly_wrapped_is_told_anew() -> None:
    """It did not change itself, and its page names who wraps it now."""
    pages, catalog = CoinPages(), built(EMPTY, priced(1, 2), [1, 2], 1)
    assert asked(pages, catalog)[1]
    wrapping = {2: (1.0, 2.0, 1.0, *priced(2)[2][3:])}  # another volume, another coin that it wraps

    catalog = built(catalog, wrapping, [2], 2)
    pages.renew(catalog, [2])

    assert asked(pages, catalog) == expected(catalog)
    assert asked(pages, catalog)[1] is None
