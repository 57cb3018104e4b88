"""Every comparison by examples. Each row: what the first listing has, what the second has, the rule that applies."""

from datetime import timedelta
from math import exp
from typing import Any

import pytest

from kasparro.resolver import evidence
from tests.resolver.rows import NOW, ONE, OTHER, course, two

ON_BNB = (("bnb-bnb", ONE),)
NAMED = dict[str, Any]


@pytest.mark.parametrize(
    ("a", "b", "contested", "rule"),
    [
        ({}, {}, False, None),
        ({"contract": ONE}, {}, False, None),
        ({"contract": ONE}, {"contract": ONE.upper().replace("0X", "0x")}, False, "contract.shared"),
        ({"contract": ONE}, {"contract": ONE}, True, "contract.contested"),
        ({"contract": ONE}, {"contract": OTHER}, False, "contract.other"),
        ({"contract": ONE}, {"contracts": ON_BNB}, False, "contract.elsewhere"),
        ({"contract": ONE}, {"contracts": ON_BNB}, True, "contract.contested"),
        ({"contract": OTHER}, {"contracts": ON_BNB}, False, None),
        ({"contract": ONE}, {"contract": "0x" + "0" * 40}, False, None),
        ({"contracts": (("solana", "AbC"),)}, {"contracts": (("sol-solana", "aBc"),)}, False, "contract.other"),
        ({"contract": ONE}, {"contracts": (("eth-ethereum", OTHER), ("bnb-bnb", ONE))}, False, "contract.elsewhere"),
        ({"contract": ONE}, {"contracts": (("eth-ethereum", ONE), ("bnb-bnb", OTHER))}, False, "contract.shared"),
        ({"contract": ONE}, {"contracts": (("eth-ethereum", ONE), ("bnb-bnb", OTHER))}, True, "contract.contested"),
        ({"contract": ONE}, {"contracts": (("eth-ethereum", OTHER), ("sol-solana", "AbC"))}, False, "contract.other"),
        ({"contracts": (("tron", "T1"),)}, {"contracts": (("eth-ethereum", OTHER), ("sol-solana", "AbC"))}, False, None),
    ],
)
def test_contracts(a: NAMED, b: NAMED, rule: str | None, *, contested: bool) -> None:
    """One address on one chain is for, two addresses on one chain against, and no contract or no common chain is nothing."""
    assert evidence.contract(*two(a, b), contested) == rule


@pytest.mark.parametrize(
    ("a", "b", "rule"),
    [
        (("Alpha Beta", "alpha-beta"), ("ALPHA BETA", "alb-alpha-beta"), "text.identical"),
        (("Alpha Beta", "alpha-beta-2"), ("Alpha-Beta", "alb-alpha-beta"), "text.identical"),
        (("Alpha Beta", "alpha-beta-token"), ("Alpha Beta", "alb-alpha-beta"), "text.both"),
        (("Alpha Beta Protocol", "alpha-beta"), ("Alpha Beta", "alb-alpha-beta"), "text.both"),
        (("Alpha Beta", "alpha-on-eth"), ("Alpha Beta", "alb-alpha-beta"), "text.name"),
        (("Alpha Beta Token", "one"), ("Alpha Beta", "alb-two"), "text.name"),
        (("Alpha Network", "alpha-network"), ("Alpha Protocol", "alb-alpha-protocol"), "text.rival"),
        (("Gamma", "alpha-beta"), ("Alpha Beta", "alb-alpha-beta-token"), "text.slug"),
        (("Gamma", "delta"), ("Delta", "alb-kappa"), "text.crossed"),
        (("Alpha Beta", "one"), ("Alpha Beta Gamma", "alb-two"), "text.part"),
        (("Alphabet", "one"), ("Alphabeta", "alb-two"), "text.part"),
        (("Alpha Beta", "one"), ("Gamma Alpha", "alb-two"), "text.word"),
        (("ALB", "one"), ("Gamma", "alb-two"), "text.word"),
        (("Alpha", "one"), ("Gamma", "alb-two"), "text.apart"),
        (("Big Cat", "one"), ("Big Dog", "alb-two"), "text.apart"),
    ],
)
def test_texts(a: tuple[str, str], b: tuple[str, str], rule: str) -> None:
    """Names and ids say the same, something near it, or nothing."""
    first, second = ({"name": name, "source_id": source_id} for name, source_id in (a, b))
    assert evidence.text(*two(first, second)) == rule


@pytest.mark.parametrize(
    ("crowd", "rule"), [(1, "symbol.rare"), (2, "symbol.same"), (5, "symbol.same"), (6, "symbol.common"), (900, "symbol.common")]
)
def test_a_symbol_that_is_the_same(crowd: int, rule: str) -> None:
    """The more listings share a symbol, the less it says."""
    assert evidence.same_symbol(crowd) == rule


@pytest.mark.parametrize(
    ("a", "b", "rule"),
    [
        ("EURC", "EUROC", "symbol.near"),
        ("ALB", "ALBT", "symbol.near"),
        ("$ALB2", "ALB", "symbol.near"),
        ("AB", "AXYZB", "symbol.apart"),
        ("A", "AB", "symbol.apart"),
        ("ALB", "BLA", "symbol.apart"),
        ("ALB", "XYZ", "symbol.apart"),
    ],
)
def test_symbols_that_differ(a: str, b: str, rule: str) -> None:
    """A few letters more are near, in the same order and over half of them; anything else is apart."""
    assert evidence.other_symbol(*two({"symbol": a}, {"symbol": b})) == rule


@pytest.mark.parametrize(
    ("crowd", "of_names", "of_twins"),
    [(1, None, "twins.none"), (2, "namesakes.few", "twins.few"), (3, "namesakes.few", "twins.few"), (4, "namesakes.many", "twins.many")],
)
def test_crowds(crowd: int, of_names: str | None, of_twins: str) -> None:
    """Namesakes and twins are none, a few or many."""
    assert evidence.namesakes(crowd) == of_names
    assert evidence.twins(crowd) == of_twins


@pytest.mark.parametrize(
    ("a", "b", "rule"),
    [
        ("Alpha", "Alpha", None),
        ("Wrapped Alpha", "Alpha", "derivation.apart"),
        ("Alpha", "Alpha (Wormhole)", "derivation.apart"),
        ("Staked Alpha", "Wrapped Alpha", "derivation.apart"),
        ("Wrapped Alpha", "Alpha (Wrapped)", None),
        ("Alpha [OLD]", "Alpha", "version.apart"),
        ("Alpha v2", "Alpha v1", "version.apart"),
        ("Wrapped Alpha v2", "Wrapped Alpha", "version.apart"),
        ("Wrapped Alpha v2", "Alpha", "derivation.apart"),
    ],
)
def test_what_is_derived_from_another(a: str, b: str, rule: str | None) -> None:
    """A coin that stands for another is not that coin, and an old version hardly the new one."""
    assert evidence.derivation(*two({"name": a}, {"name": b})) == rule


@pytest.mark.parametrize(
    ("a", "b", "rule"),
    [
        ({"price": 5.0}, {}, None),
        ({"price": 5.0}, {"price": 5.0}, "price.close"),
        ({"price": 5.0}, {"price": 5.0 * exp(0.011)}, "price.close"),
        ({"price": 5.0}, {"price": 5.0 * exp(0.013)}, "price.near"),
        ({"price": 5.0}, {"price": 5.0 * exp(0.06)}, None),
        ({"price": 5.0}, {"price": 5.0 * exp(0.08)}, "price.apart"),
        ({"price": 5.0}, {"price": 5.0 * exp(-1.1)}, "price.far"),
        ({"price": 1.001}, {"price": 0.999}, "price.stable"),
        ({"price": 1.03}, {"price": 1.03}, "price.close"),
        ({"price": 5.0, "ago": 4}, {"price": 5.0 * exp(0.05)}, "price.close"),
        ({"price": 5.0, "ago": 13}, {"price": 5.0}, None),
        ({"price": 1.0, "ago": 13}, {"price": 1.0}, "price.stable"),
        ({"price": 5.0, "ago": 47}, {"price": 50.0}, "price.far"),
        ({"price": 5.0, "ago": 49}, {"price": 50.0}, None),
    ],
)
def test_prices(a: NAMED, b: NAMED, rule: str | None) -> None:
    """Prices agree within what the time between them allows, and say nothing when that time is long."""
    assert evidence.price(*two(a, b)) == rule
    assert evidence.price(*reversed(two(a, b))) == rule


@pytest.mark.parametrize(
    ("supply", "rule"), [(1.04, "supply.close"), (1.06, None), (9.9, None), (10.1, "supply.apart"), (None, None), (0.0, None)]
)
def test_supplies(supply: float | None, rule: str | None) -> None:
    """Market cap over price is close, in between, apart or not known."""
    a = {"price": 5.0, "market_cap": 5e6}
    b = {"price": 500.0, "market_cap": None if supply is None else 5e8 * supply}
    assert evidence.supply(*two(a, b)) == rule


@pytest.mark.parametrize(("factor", "hours", "rule"), [(1.9, 0, "volume.close"), (2.1, 0, None), (410, 0, "volume.apart"), (1.0, 49, None)])
def test_volumes(factor: float, hours: float, rule: str | None) -> None:
    """What is traded in a day is close, in between or apart, and says nothing of another day."""
    a = {"price": 5.0, "volume_24h": 1e6}
    assert evidence.volume(*two(a, {"price": 5.0, "volume_24h": 1e6 * factor, "ago": hours})) == rule


@pytest.mark.parametrize(
    ("days", "factor", "rule"),
    [
        (0.0, 1.0, "peak.same"),
        (1.4, 1.1, "peak.same"),
        (1.4, 1.2, "peak.day"),
        (1.6, 1.0, None),
        (6.9, 9.0, None),
        (7.1, 1.9, None),
        (7.1, 2.1, "peak.apart"),
        (-400, 0.1, "peak.apart"),
    ],
)
def test_all_time_highs(days: float, factor: float, rule: str | None) -> None:
    """Time and price of the highs are the same, one of them is, or neither."""
    at = NOW - timedelta(days=500)
    a = {"price": 5.0, "ath_price": 9.0, "ath_at": at}
    b = {"price": 5.0, "ath_price": 9.0 * factor, "ath_at": at + timedelta(days=days)}
    assert evidence.peak(*two(a, b)) == rule
    assert evidence.peak(*two(a, {"price": 5.0, "ath_price": 9.0})) is None
    assert evidence.peak(*two({"price": 5.0}, b)) is None


@pytest.mark.parametrize(
    ("ours", "theirs", "rule"), [(True, True, None), (False, False, None), (True, False, "activity.apart"), (False, True, "activity.apart")]
)
def test_activity(ours: bool, theirs: bool, rule: str | None) -> None:
    """One side that is dead is against."""
    assert evidence.activity(*two({"active": ours}, {"active": theirs})) == rule


WAVES = (10, 11, 10.2, 11.5, 12, 11, 10.5, 12.5, 13, 12, 12.6, 11.4, 12.2)
OTHERS = (10, 9.5, 10.5, 10, 9, 10, 10.8, 10, 9.2, 10.1, 9.9, 10.6, 9.7)


@pytest.mark.parametrize(
    ("a", "b", "rule"),
    [
        ((), course(*WAVES), None),
        (course(*WAVES), course(*WAVES), "course.together"),
        (course(*WAVES), course(*(3e-6 * p for p in WAVES), start=300), "course.together"),
        (course(*WAVES), course(*(p * (1 + 0.003 * (-1) ** n) for n, p in enumerate(WAVES))), "course.together"),
        (course(*WAVES), course(*OTHERS), "course.apart"),
        (course(*WAVES), course(*(100 / p for p in WAVES)), "course.apart"),
        (course(*WAVES), course(*(5.0 for _ in WAVES)), "course.apart"),
        (course(*(p * 1.2**n for n, p in enumerate(WAVES))), course(*(p * 1.2**n for n, p in enumerate(OTHERS))), "course.apart"),
        (course(*(1 + 0.002 * (p - 11) for p in WAVES)), course(*(1 - 0.002 * (p - 11) for p in OTHERS)), None),
        (course(*WAVES), course(*WAVES[:7]), None),
        (course(*WAVES), course(*WAVES, start=6 * 3600), None),
        (course(*WAVES), course(*WAVES, start=1e6), None),
        (course(*(10 + n for n in range(13))), course(*(10 + n * 1.5 for n in range(13))), "course.together"),
    ],
)
def test_courses(a: tuple[tuple[float, float], ...], b: tuple[tuple[float, float], ...], rule: str | None) -> None:
    """Prices that go up and down together are for, ways of their own against, too few points or no movement nothing."""
    first, second = two({"price": 5.0, "course": a}, {"price": 5.0, "course": b})
    assert evidence.course(first, second) == rule
    assert evidence.course(second, first) == rule


@pytest.mark.parametrize(("ours", "theirs"), [(1e-18, 1.7976931348623157e308), (5e-324, 1e300), (1e300, 5e-324)])
def test_figures_at_the_ends_of_float64_are_compared(ours: float, theirs: float) -> None:
    """A ratio that overflows or vanishes is no reason to fail: such prices are apart."""
    a, b = two({"price": ours, "market_cap": 1e3}, {"price": theirs, "market_cap": 1e3})

    assert evidence.price(a, b) == "price.far"
    assert evidence.supply(a, b) in {None, "supply.apart"}
