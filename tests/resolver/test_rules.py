"""The table of rules row by row: each can be produced, says what it claims, and adds up to what is explained."""

import re
from datetime import timedelta
from math import isclose
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kasparro.records import EvidenceRow
from kasparro.resolver import rules
from kasparro.resolver.pairs import Pair, explain, findings, renamed, score
from kasparro.resolver.rules import BASE, RULES, SAME, STRONG, UNSURE, WEIGHT, confidence, score_of
from tests.resolver.driving import World, resolved
from tests.resolver.rows import NOW, ONE, OTHER, course, gecko, paprika

UP = course(*(5.0 + n % 4 for n in range(13)))
AWAY = course(*(5.0 + (n // 2) % 3 for n in range(13)))
AGO = NOW - timedelta(days=500)
PEAK = {"price": 5.0, "ath_price": 9.0, "ath_at": AGO}


def crowd(n: int, **given: str) -> list[EvidenceRow]:
    """More listings of CoinPaprika that have a name or a symbol."""
    return [paprika(10 + i, source_id=f"x-crowd-{i}-of-many", **given) for i in range(n)]  # type: ignore[arg-type]


# The first two listings of each example are compared.
EXAMPLES: dict[str, list[EvidenceRow]] = {
    "contract.shared": [gecko(contract=ONE), paprika(contract=ONE)],
    "contract.elsewhere": [gecko(contract=ONE), paprika(contracts=(("bnb-bnb", ONE),))],
    "contract.contested": [gecko(contract=ONE), paprika(contract=ONE), paprika(3, "Gamma", "GAM", contract=ONE)],
    "contract.other": [gecko(contract=ONE), paprika(contract=OTHER)],
    "text.identical": [gecko(), paprika()],
    "text.both": [gecko(name="Alpha Beta Protocol"), paprika()],
    "text.name": [gecko(source_id="alpha-on-eth"), paprika()],
    "text.slug": [gecko(name="Gamma", source_id="alpha-beta"), paprika()],
    "text.crossed": [gecko(name="Gamma", source_id="delta"), paprika(name="Delta", source_id="alb-kappa")],
    "text.rival": [gecko(name="Alpha Network"), paprika(name="Alpha Protocol")],
    "text.part": [gecko(), paprika(name="Alpha Beta Gamma")],
    "text.word": [gecko(), paprika(name="Gamma Alpha")],
    "text.apart": [gecko(), paprika(name="Gamma Delta")],
    "symbol.rare": [gecko(), paprika()],
    "symbol.same": [gecko(), paprika(), *crowd(1, name="Gamma")],
    "symbol.common": [gecko(), paprika(), *crowd(5, name="Gamma")],
    "symbol.near": [gecko(), paprika(symbol="ALBT")],
    "symbol.apart": [gecko(), paprika(symbol="XYZ")],
    "namesakes.few": [gecko(), paprika(symbol="XYZ"), *crowd(1, symbol="QQQ")],
    "namesakes.many": [gecko(), paprika(symbol="XYZ"), *crowd(3, symbol="QQQ")],
    "twins.none": [gecko(), paprika()],
    "twins.few": [gecko(), paprika(), *crowd(1)],
    "twins.many": [gecko(), paprika(), *crowd(3)],
    "derivation.apart": [gecko(), paprika(name="Wrapped Alpha Beta", source_id="alb-alpha-beta")],
    "version.apart": [gecko(), paprika(name="Alpha Beta [OLD]")],
    "activity.apart": [gecko(), paprika(active=False)],
    "price.close": [gecko(price=5.0), paprika(price=5.01)],
    "price.stable": [gecko(price=1.0), paprika(price=1.001)],
    "price.near": [gecko(price=5.0), paprika(price=5.1)],
    "price.apart": [gecko(price=5.0), paprika(price=6.0)],
    "price.far": [gecko(price=5.0), paprika(price=50.0)],
    "supply.close": [gecko(price=5.0, market_cap=5e6), paprika(price=5.0, market_cap=5e6)],
    "supply.apart": [gecko(price=5.0, market_cap=5e6), paprika(price=5.0, market_cap=6e7)],
    "volume.close": [gecko(price=5.0, volume_24h=1e6), paprika(price=5.0, volume_24h=1e6)],
    "volume.apart": [gecko(price=5.0, volume_24h=1e6), paprika(price=5.0, volume_24h=1.0)],
    "peak.same": [gecko(**PEAK), paprika(**PEAK)],
    "peak.day": [gecko(**PEAK), paprika(**PEAK | {"ath_price": 15.0})],
    "peak.apart": [gecko(**PEAK), paprika(**PEAK | {"ath_price": 90.0, "ath_at": NOW})],
    "course.together": [gecko(price=5.0, course=UP), paprika(price=5.0, course=UP)],
    "course.apart": [gecko(price=5.0, course=UP), paprika(price=5.0, course=AWAY)],
}


def evidence_on(world: World, pair: Pair) -> Any:
    """What a pair is explained by, as it is stored."""
    return msgspec.json.decode(explain(world.index, pair).evidence)


@pytest.mark.parametrize("rule", [name for name in RULES if name != "source.renamed"])
def test_every_rule_applies_somewhere(rule: str) -> None:
    """There is an example to which the rule applies, and what the example is explained by adds up to its score."""
    world = World(EXAMPLES[rule])
    a, b = EXAMPLES[rule][:2]
    found = findings(world.index, world.index.features(a.listing_id), world.index.features(b.listing_id))
    assert rule in found
    explained = evidence_on(world, Pair(score(found), a.listing_id, b.listing_id, tuple(found)))
    assert explained["between"] == [f"coingecko:{a.source_id}", f"coinpaprika:{b.source_id}"]
    assert explained["rules"][rule][0] == RULES[rule].weight
    assert isclose(explained["score"], BASE + sum(weight for weight, *_ in explained["rules"].values()))


def test_a_renamed_listing_lives_on_under_its_new_id() -> None:
    """The rule for two listings of one source needs more than a name: a contract, or price and supply that went on."""
    new = paprika(1, source_id="alb-alpha-new", contract=ONE)
    world = World([new, paprika(2, active=False, contract=ONE), paprika(3, "Alpha Beta", source_id="alb-dead", active=False)])
    old, unrelated = world.index.features(2), world.index.features(3)
    pair = renamed(world.index, old)
    assert pair == Pair(RULES["source.renamed"].weight, 2, 1, ("source.renamed",))
    assert list(evidence_on(world, pair)["rules"]) == ["source.renamed"]
    assert renamed(world.index, unrelated) is None
    world.show([paprika(4, source_id="alb-alpha-newest", contract=ONE)])
    assert renamed(world.index, old) is None, "of two that may have taken over, neither is taken"


def test_the_rules_are_told_in_sentences() -> None:
    """Each rule claims something in whole sentences, and its kind is what its name begins with."""
    for name, rule in RULES.items():
        assert rule.claim[0].isupper(), name
        assert rule.claim.endswith("."), name
        assert name.startswith(rule.kind + "."), name
        assert WEIGHT[name] == rule.weight


def test_a_judgement_names_its_strongest_rule() -> None:
    """What is stored as the rule of a judgement weighs most of all that it is explained by."""
    world = resolved([gecko(contract=ONE, price=5.0), paprika(contract=ONE, price=5.0)])
    judgement = next(j for j in world.live.values() if j.listing_id == 2)
    assert judgement.rule == "contract.shared"
    evidence = msgspec.json.decode(judgement.evidence)
    assert set(evidence["rules"]) == {"text.identical", "symbol.rare", "contract.shared", "twins.none", "price.close"}
    assert evidence["rules"]["price.close"] == [RULES["price.close"].weight, 5.0, 5.0]
    assert judgement.confidence == confidence(evidence["score"])


def test_names_alone_never_outweigh_prices_that_are_far_apart() -> None:
    """The best that name, id and symbol can say leaves two listings unsure when their prices are apart by a factor of e."""
    names = sum(WEIGHT[rule] for rule in ("text.identical", "symbol.rare", "twins.none"))
    assert UNSURE <= BASE + names + WEIGHT["price.far"] < SAME
    assert BASE + WEIGHT["symbol.rare"] + WEIGHT["text.apart"] < UNSURE, "a symbol alone makes nothing one coin"


@pytest.mark.parametrize("points", [-30.0, -3.0, 0.0, SAME, STRONG, 25.0])
def test_scores_and_confidences_are_two_spellings(points: float) -> None:
    """A confidence is the probability of a score, and gives the score back."""
    assert 0.0 < confidence(points) <= 1.0
    assert isclose(score_of(confidence(points)), points, abs_tol=1e-4)


def test_a_confidence_of_none_or_all_has_a_score() -> None:
    """The ends of the scale are cut off at thirty."""
    assert (score_of(0.0), score_of(1.0)) == (-30.0, 30.0)
    assert confidence(1e9) == confidence(30.0)


def test_the_documented_table_is_the_table() -> None:
    """docs/identity.md lists the rules with weight and claim, in the order of the code."""
    text = (Path(__file__).parents[2] / "docs" / "identity.md").read_text()
    rows = re.findall(r"^\| `([a-z.]+)` \| ([+-]\d+\.\d) \| (.+) \|$", text, re.MULTILINE)
    assert rows == [(name, f"{rule.weight:+.1f}", rule.claim) for name, rule in RULES.items()]
    limits = re.findall(r"^\| `([A-Z]+)` \| (\d\.\d) \|", text, re.MULTILINE)
    assert limits == [(name, str(getattr(rules, name))) for name in ("SAME", "UNSURE", "MARGIN", "STICKY")]
