"""Which listings become one coin: the best evidence first, one listing per source, nothing where it cannot be told."""

from kasparro.records import EvidenceRow
from tests.resolver.driving import World, resolved
from tests.resolver.rows import ONE, OTHER, gecko, paprika


def coins(rows: list[EvidenceRow]) -> set[frozenset[int]]:
    """The listing ids by coin."""
    coin_of = resolved(rows).coin_of()
    return {frozenset(i for i in coin_of if coin_of[i] == coin) for coin in set(coin_of.values())}


def test_the_best_evidence_goes_first() -> None:
    """A contract takes the listing that a name alone would have taken."""
    rows = [gecko(contract=ONE), paprika(2), paprika(3, "Alpha", "ALB", contract=ONE)]
    assert coins(rows) == {frozenset({1, 3}), frozenset({2})}


def test_a_coin_has_one_listing_of_each_source() -> None:
    """A second listing of a source that is as good as the first but for its price stays a coin of its own."""
    rows = [gecko(price=5.0), paprika(2, price=5.0), paprika(3, source_id="alb2-alpha-beta", price=50.0)]
    assert coins(rows) == {frozenset({1, 2}), frozenset({3})}


def test_what_cannot_be_told_is_left_to_a_person() -> None:
    """Of two listings that are equally likely neither is joined, and both questions are put."""
    world = resolved([gecko(), paprika(2), paprika(3, source_id="alb2-alpha-beta")])
    assert len(set(world.coin_of().values())) == 3
    assert {(j.listing_id, j.coin_id) for j in world.live.values() if j.verdict == "unsure"} == {(2, "alpha-beta"), (3, "alpha-beta")}


def test_who_has_found_a_better_one_is_no_rival() -> None:
    """A listing that is certainly another coin no longer stands in the way of its namesake."""
    rows = [gecko(), gecko(2, source_id="alpha-beta-2", contract=ONE), paprika(3), paprika(4, source_id="alb2-alpha-beta", contract=ONE)]
    assert coins(rows) == {frozenset({1, 3}), frozenset({2, 4})}


def test_a_coin_that_its_source_lists_twice_is_one() -> None:
    """The dead id of a renamed listing goes with the living one."""
    rows = [gecko(contract=ONE), paprika(2, contract=ONE), paprika(3, source_id="old-alpha-beta", active=False, contract=ONE)]
    assert coins(rows) == {frozenset({1, 2, 3})}


def test_a_dead_namesake_on_another_contract_stays_away() -> None:
    """A dead listing of the same name is no former id of a living one without anything else in common."""
    rows = [gecko(contract=ONE), paprika(2, contract=ONE), paprika(3, source_id="old-alpha-beta", active=False, contract=OTHER)]
    assert coins(rows) == {frozenset({1, 2}), frozenset({3})}


def test_a_symbol_alone_makes_nothing_one_coin() -> None:
    """Two listings that nobody shares a symbol with, and nothing else, are two coins."""
    assert coins([gecko(name="Alpha"), paprika(name="Gamma")]) == {frozenset({1}), frozenset({2})}
    assert coins([gecko(name="Alpha", price=5.0), paprika(name="Gamma", price=9.0)]) == {frozenset({1}), frozenset({2})}


def test_a_wrapped_coin_stands_for_the_coin_that_it_wraps() -> None:
    """Wrapped, bridged and pegged coins are coins of their own that point to the one that they are named after."""
    rows = [
        gecko(1, price=5.0, market_cap=5e9),
        paprika(2, price=5.0, market_cap=5e9),
        gecko(3, "Wrapped Alpha Beta", "WALB", price=5.0, market_cap=5e6),
        gecko(4, "Bridged ALB", "ALB", price=5.0, market_cap=5e6),
        gecko(5, "Binance-Peg Alpha Beta", "ALB", price=5.0, market_cap=5e6),
        gecko(6, "Wrapped Nothing", "WNO", price=5.0, market_cap=5e6),
    ]
    world = resolved(rows)
    wraps = {world.coin_of()[i]: world.book.coins[world.coin_of()[i]].wraps for i in range(1, 7)}
    assert wraps == {
        "alpha-beta": None,
        "wrapped-alpha-beta": "alpha-beta",
        "bridged-alb": "alpha-beta",
        "binance-peg-alpha-beta": "alpha-beta",
        "wrapped-nothing": None,
    }


def test_resolving_again_changes_nothing() -> None:
    """What is stored and still so is not written again."""
    world = World([gecko(), paprika(2), paprika(3, source_id="alb2-alpha-beta"), gecko(4, "Gamma", "GAM", contract=ONE)])
    world.resolve(provisional=True)
    for provisional in (True, False):
        again = world.resolve(provisional=provisional)
        assert (again.coins, again.judgements, again.superseded) == ([], [], [])
