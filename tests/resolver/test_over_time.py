"""Judgements over time: what stays, what changes, and what a person said."""

from typing import Any

import pytest

from kasparro.records import EvidenceRow
from tests.resolver.driving import World, resolved
from tests.resolver.rows import NOW, ONE, OTHER, course, gecko, paprika

PRICED: dict[str, Any] = {"price": 5.0, "market_cap": 5e6, "volume_24h": 1e5}
TWINS = [paprika(8, source_id="alb8-alpha-beta", price=900.0), paprika(9, source_id="alb9-alpha-beta", price=0.01)]


def joined(world: World, a: int = 1, b: int = 2) -> bool:
    """Whether two listings are one coin."""
    return world.coin_of()[a] == world.coin_of()[b]


def seen(world: World, *rows: EvidenceRow, everything: bool = True) -> None:
    """The world after a run that saw rows."""
    world.show(rows)
    world.resolve(everything=everything)


@pytest.mark.parametrize("everything", [True, False])
def test_a_little_other_evidence_changes_nothing(everything: bool) -> None:
    """What would not be joined anew stays joined while the evidence has moved by less than what sticks."""
    before, after = [gecko(source_id="alb-one"), paprika(2, "Alpha Beta", "ALB")], paprika(2, "Alpha", "ALBX", source_id="alb-alpha-beta")
    assert not joined(resolved([before[0], after]))
    world = resolved(before)
    assert joined(world)
    world.superseded.clear()
    seen(world, after, everything=everything)
    assert joined(world)


def test_what_is_apart_is_joined_by_clear_evidence_only() -> None:
    """What would just be joined anew stays apart once it was judged, until there is much more."""
    renamed: dict[str, Any] = {"source_id": "alpha-beta", "name": "Gamma", "contract": ONE}
    before, after = paprika(2, symbol="XYZ", source_id="xyz-alpha-beta"), paprika(2, symbol="ALBT", source_id="xyz-alpha-beta")
    assert joined(resolved([gecko(**renamed), after]))
    world = resolved([gecko(**renamed), before])
    assert not joined(world)
    seen(world, after)
    assert not joined(world)
    seen(world, paprika(2, symbol="ALBT", source_id="xyz-alpha-beta", contract=ONE))
    assert joined(world)


def test_clearly_other_evidence_parts_them() -> None:
    """Prices that part by a factor of e part a coin among namesakes, and the old judgement is superseded."""
    world = resolved([gecko(**PRICED), paprika(**PRICED), *TWINS])
    assert joined(world)
    old = {judgement_id for judgement_id, j in world.live.items() if j.listing_id == 2 and j.verdict == "same"}
    world.superseded.clear()
    seen(world, paprika(**PRICED | {"price": 50.0, "market_cap": 9e8}))
    assert not joined(world)
    assert old <= set(world.superseded)
    assert world.coin_of()[1] == "alpha-beta", "the coin stays where the listing is that it is named after"


def test_a_pair_that_sways_about_the_limit_does_not_flap() -> None:
    """Evidence that comes and goes is judged once."""
    world = resolved([gecko(**PRICED), paprika(**PRICED), *TWINS])
    world.resolve()
    first = joined(world)
    for n in range(6):
        seen(world, paprika(**PRICED | {"volume_24h": 1e5 if n % 2 else 1.0}))
        assert joined(world) is first
    assert not world.superseded or len(world.superseded) <= 2


def test_a_price_that_is_no_longer_told_is_not_against() -> None:
    """Evidence that is gone parts nothing."""
    world = resolved([gecko(**PRICED), paprika(**PRICED), *TWINS])
    seen(world, paprika())
    assert joined(world)


@pytest.mark.parametrize("provisional", [True, False])
def test_a_new_name_keeps_the_coin(provisional: bool) -> None:
    """A coin that is called otherwise upstream keeps its id and is called as its listing is."""
    world = resolved([gecko(contract=ONE), paprika(contract=ONE)])
    world.show([gecko(name="Omega", symbol="OMG", source_id="alpha-beta", contract=ONE)])
    world.resolve(provisional=provisional)
    assert world.coin_of() == {1: "alpha-beta", 2: "alpha-beta"}
    assert (world.book.coins["alpha-beta"].name, world.book.coins["alpha-beta"].symbol) == ("Omega", "OMG")


def test_a_merge_keeps_the_older_coin() -> None:
    """A contract that appears joins two coins: the younger redirects to the older, and with it its listings go."""
    world = resolved([paprika(2, "Gamma", "GAM")])
    seen(world, gecko())
    assert world.coin_of() == {2: "gam-gamma", 1: "alpha-beta"}
    seen(world, gecko(contract=ONE), paprika(2, "Gamma", "ALB", source_id="gam-gamma", contract=ONE))
    assert world.coin_of() == {2: "gam-gamma", 1: "gam-gamma"}
    assert world.book.coins["alpha-beta"].merged_into == "gam-gamma"
    assert world.book.live_coin("alpha-beta") == "gam-gamma"


def test_who_leaves_gets_a_coin_of_its_own() -> None:
    """A listing that a person parts founds a coin; the old one stays with the listing that it is named after, and ten runs leave it so."""
    world = resolved([gecko(contract=ONE), paprika(contract=ONE)])
    world.say(2, "alpha-beta", "different")
    for everything in (False, *(n % 2 == 0 for n in range(10))):
        world.resolve(everything=everything)
        assert world.coin_of() == {1: "alpha-beta", 2: "alb-alpha-beta"}


def test_who_leaves_a_merged_coin_gets_back_the_one_that_it_founded() -> None:
    """A wrong merge undone gives both coins back under their old ids."""
    world = resolved([paprika(2, "Gamma", "GAM")])
    seen(world, gecko())
    seen(world, gecko(contract=ONE), paprika(2, "Gamma", "ALB", source_id="gam-gamma", contract=ONE))
    world.say(1, "gam-gamma", "different")
    world.resolve(everything=False)
    assert world.coin_of() == {1: "alpha-beta", 2: "gam-gamma"}
    assert world.book.coins["alpha-beta"].merged_into is None


def test_a_persons_same_outranks_every_rule() -> None:
    """What a person joined stays joined, whatever speaks against it, provisional or not."""
    world = resolved([gecko(contract=ONE, **PRICED), paprika(2, "Gamma", "GAM", contract=OTHER, price=0.001)])
    world.say(2, "alpha-beta", "same")
    for provisional in (False, True, False):
        world.show([paprika(2, "Gamma", "GAM", contract=OTHER, price=0.002, active=False)])
        world.resolve(provisional=provisional)
        assert joined(world)
    assert next(j for j in world.live.values() if j.listing_id == 2).decided_by == "person"


def test_what_a_person_put_into_two_coins_stays_two() -> None:
    """No contract joins two listings of which a person said what each is."""
    world = resolved([gecko(), paprika(2, "Gamma", "GAM")])
    world.say(1, "alpha-beta", "same")
    world.say(2, "gam-gamma", "same")
    seen(world, gecko(contract=ONE), paprika(2, "Alpha Beta", "ALB", source_id="gam-gamma", contract=ONE))
    assert world.coin_of() == {1: "alpha-beta", 2: "gam-gamma"}


def test_different_is_kept_against_every_listing_of_the_coin() -> None:
    """Who was parted from a coin is not joined to a listing of it that has moved on to another coin."""
    world = resolved([gecko(1, contract=ONE), paprika(2, contract=ONE), paprika(3, "Omega", "OMG")])
    world.say(3, "alpha-beta", "different")
    world.say(2, "alpha-beta", "different")
    world.resolve()
    assert len(set(world.coin_of().values())) == 3
    seen(world, gecko(1), gecko(4, "Omega", "OMG", contract=ONE), paprika(2, contract=ONE), paprika(3, "Omega", "OMG"))
    assert joined(world, 4, 2) or joined(world, 4, 3)
    assert not joined(world, 2, 3)
    assert not joined(world, 1, 3)
    assert not joined(world, 1, 2)


def test_a_contract_that_appears_settles_an_unsure() -> None:
    """The question goes, the judgement comes, and the rival is left alone."""
    world = resolved([gecko(contract=ONE), paprika(2), paprika(3, source_id="alb2-alpha-beta")])
    assert {j.listing_id for j in world.live.values() if j.verdict == "unsure"} == {2, 3}
    seen(world, paprika(3, source_id="alb2-alpha-beta", contract=ONE), everything=False)
    assert joined(world, 1, 3)
    assert not [j for j in world.live.values() if j.verdict == "unsure"]


def test_a_course_of_prices_settles_an_unsure() -> None:
    """Of two namesakes at one price that one is taken whose price moves as the coin's does."""
    up, away = course(*(5.0 + n % 4 for n in range(13))), course(*(5.0 + (n // 2) % 3 for n in range(13)))
    rows = [gecko(price=5.0), paprika(2, price=5.0), paprika(3, source_id="alb2-alpha-beta", price=5.0)]
    world = resolved(rows)
    assert {j.listing_id for j in world.live.values() if j.verdict == "unsure"} == {2, 3}
    seen(
        world,
        gecko(price=5.0, course=up),
        paprika(2, price=5.0, course=up),
        paprika(3, source_id="alb2-alpha-beta", price=5.0, course=away),
    )
    assert joined(world, 1, 2)
    assert not joined(world, 1, 3)


def test_an_older_listing_is_not_parted_by_a_new_namesake() -> None:
    """A clone that appears later, as good as the first by its name, takes nothing away."""
    world = resolved([gecko(), paprika(2)])
    seen(world, paprika(3, source_id="alb3-alpha-beta", first_seen_at=NOW), everything=False)
    assert joined(world)
    assert not joined(world, 1, 3)


def test_a_listing_waits_while_its_source_has_more_to_say() -> None:
    """It gets no coin before its contracts or its price may have come, and then it gets one."""
    world = World([gecko(settled=False), paprika(2, "Gamma", "GAM")])
    assert world.resolve(provisional=True).waiting == [1]
    assert world.coin_of() == {2: "gam-gamma"}
    world.show([gecko()])
    world.resolve(provisional=True)
    assert world.coin_of() == {1: "alpha-beta", 2: "gam-gamma"}


@pytest.mark.parametrize("old", [[], [paprika(3, source_id="alb-alpha-beta-old", active=False, contract=ONE)]])
def test_a_coin_waits_for_the_listing_that_gives_it_its_id(old: list[EvidenceRow]) -> None:
    """Whether or not the id was renamed upstream: what CoinPaprika names twice waits for the price at CoinGecko as what it names once."""
    world = World([gecko(settled=False), paprika(contract=ONE), *old])
    assert world.resolve(provisional=True).waiting == sorted(world.rows)
    world.show([gecko(contract=ONE)])
    world.resolve(provisional=True)
    assert world.coin_of() == dict.fromkeys(world.rows, "alpha-beta")


def test_a_coin_that_has_its_id_does_not_wait() -> None:
    """What CoinGecko lists already gets its coin while another listing there, as good by its name, has its price to come."""
    world = World([gecko(contract=ONE), paprika(2, contract=ONE), gecko(4, source_id="alpha-beta-2", settled=False)])
    assert world.resolve(provisional=True).waiting == [4]
    assert world.coin_of() == {1: "alpha-beta", 2: "alpha-beta"}
