"""Properties: the order in which listings come changes nothing, and no rule ever joins what a person parted."""

import random
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kasparro.records import EvidenceRow
from tests.resolver.driving import World, resolved
from tests.resolver.market import make

pytestmark = pytest.mark.slow

SEEDS = st.integers(0, 10_000)
QUICK = settings(max_examples=20, deadline=None)


def shuffled(rows: Sequence[EvidenceRow], rng: random.Random) -> list[EvidenceRow]:
    """The rows in another order, with the listing ids that they would get in it."""
    mixed = rng.sample(rows, len(rows))
    return [msgspec.structs.replace(row, listing_id=n) for n, row in enumerate(mixed, 1)]


def parts(rows: Sequence[EvidenceRow], rng: random.Random) -> list[Sequence[EvidenceRow]]:
    """The rows in a few parts, as pages bring them."""
    cuts = sorted(rng.sample(range(10, len(rows)), 4))
    return [rows[a:b] for a, b in zip([0, *cuts], [*cuts, len(rows)], strict=True)]


@QUICK
@given(SEEDS, SEEDS)
def test_the_order_of_listings_does_not_matter(market: int, order: int) -> None:
    """Shuffled listings end in the same partition into coins."""
    rows = make(market, size=40).rows
    assert resolved(shuffled(rows, random.Random(order))).partition() == resolved(rows).partition()


@QUICK
@given(SEEDS, SEEDS)
def test_the_order_of_parts_does_not_matter(market: int, order: int) -> None:
    """Listings that come part by part in any order, judged provisionally after each, end in the partition that all at once end in."""
    rows, rng = make(market, size=40).rows, random.Random(order)
    world = World()
    for part in parts(shuffled(rows, rng), rng):
        world.show(part)
        world.resolve(provisional=True)
    assert world.partition() == resolved(rows).partition()


@QUICK
@given(SEEDS, SEEDS)
def test_the_order_in_which_prices_come_does_not_matter(market: int, order: int) -> None:
    """Listings that come before their prices and contracts, unsettled, end where all evidence at once ends."""
    rows, rng = make(market, size=40).rows, random.Random(order)
    mixed = shuffled(rows, rng)
    nothing = dict.fromkeys(("price", "observed_at", "market_cap", "volume_24h", "ath_price", "ath_at"))
    bare = [msgspec.structs.replace(row, contracts=(), settled=False, **nothing) for row in mixed]
    world = World(bare)
    world.resolve(provisional=True)
    for part in parts(rng.sample(mixed, len(mixed)), rng):
        world.show(part)
        world.resolve(provisional=True)
    assert world.partition() == resolved(rows).partition()


@QUICK
@given(SEEDS, SEEDS, st.booleans())
def test_no_rule_joins_what_a_person_parted(market: int, order: int, provisional: bool) -> None:
    """A listing never shares a coin with one that a coin had when a person said that it is another, whatever comes after."""
    rng = random.Random(order)
    rows = shuffled(make(market, size=40).rows, rng)
    world = World()
    parted: set[frozenset[int]] = set()
    for part in parts(rows, rng):
        world.show(part)
        world.resolve(provisional=provisional)
        assert not together(world, parted)
        for i, coin_id in words(world, rng):
            parted |= {frozenset({i, other}) for other in world.book.members[coin_id] if other != i}
            world.say(i, coin_id, "different")
        world.resolve(provisional=provisional, everything=rng.random() < 0.5)
        assert not together(world, parted)
    assert parted


def words(world: World, rng: random.Random) -> list[tuple[int, str]]:
    """What a person says next: that listings are not the coin of another one, most often of one that they are joined with."""
    coin_of = world.coin_of()
    joined = sorted(i for i, coin in coin_of.items() if len(world.book.members[coin]) > 1)
    # One word on each coin at a time: what a second listing that leaves it is parted from depends on whether the first has left.
    leaving = {coin_of[i]: i for i in rng.sample(joined, min(3, len(joined)))}
    stranger, other = rng.sample(sorted(coin_of), 2)
    said = [(i, coin) for coin, i in leaving.items()]
    return said if coin_of[other] in leaving else [*said, (stranger, coin_of[other])]


def together(world: World, parted: set[frozenset[int]]) -> list[frozenset[int]]:
    """The parted listings that share a coin all the same."""
    coin_of = world.coin_of()
    return [pair for pair in parted if len({coin_of.get(i, i) for i in pair}) == 1]
