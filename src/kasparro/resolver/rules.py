"""The rules as a table: what each kind of evidence claims and what it weighs.

Weights are natural logarithms of odds and add up. They are rounded by hand; docs/identity.md says on what data, and what a
regression says of them. Those of price, supply, volume and all-time high rest on the one market whose prices both sources recorded.
No rule names a coin. The table stands in docs/identity.md as well.
"""

from math import exp, log
from typing import NamedTuple


class Rule(NamedTuple):
    """One row of the table."""

    weight: float  # added to the logarithm of the odds that two listings are one coin
    claim: str  # what it says, for a person
    kind: str = ""  # what it looks at: the part of its name before the dot


BASE = -1.0  # two listings that were compared at all, before anything is known of them

_TABLE = {
    "contract.shared": Rule(8.0, "Both sources give the same contract address on the same chain, and nobody else claims it."),
    "contract.elsewhere": Rule(3.0, "Both sources give the same contract address, on chains that are not known to be one."),
    "contract.contested": Rule(2.0, "They share a contract address that another listing of one of the sources claims as well."),
    "contract.other": Rule(-2.0, "Both have a contract on one chain, and it is not the same. Coins that moved have that, too."),
    "text.identical": Rule(3.5, "Name and id consist of the same words."),
    "text.both": Rule(1.0, "Name and id agree but for generic words such as token or protocol."),
    "text.name": Rule(0.5, "The names agree but for generic words; the ids do not."),
    "text.slug": Rule(2.0, "The ids agree but for generic words; the names do not. Renamed coins look like this."),
    "text.crossed": Rule(0.0, "The name of one is the id of the other."),
    "text.rival": Rule(-0.5, "The names agree but for generic words, of which each has one that the other lacks."),
    "text.part": Rule(-1.0, "All words of one name are in the other."),
    "text.word": Rule(-2.0, "The names share a word, or one's name is the other's symbol."),
    "text.apart": Rule(-3.5, "The names have nothing in common."),
    "symbol.rare": Rule(3.0, "The symbols are the same, and no other listing of either source has it."),
    "symbol.same": Rule(0.5, "The symbols are the same, and a few others have it."),
    "symbol.common": Rule(0.0, "The symbols are the same, and many others have it."),
    "symbol.near": Rule(0.0, "One symbol has the letters of the other and a few more."),
    "symbol.apart": Rule(-2.5, "The symbols differ."),
    "namesakes.few": Rule(-1.5, "Another listing of one of the sources has that name."),
    "namesakes.many": Rule(-2.0, "Several listings of one of the sources have that name."),
    "twins.none": Rule(3.0, "Name and symbol are the same, and no other listing of either source has both."),
    "twins.few": Rule(0.0, "Name and symbol are the same, and another listing of one of the sources has both."),
    "twins.many": Rule(-0.5, "Name and symbol are the same, and several listings of one of the sources have both."),
    "derivation.apart": Rule(-4.0, "One of them is named as wrapped, bridged, pegged, staked, leveraged or promised, the other is not."),
    "version.apart": Rule(-1.0, "One of them is named as an old or a new version, the other is not."),
    "activity.apart": Rule(-1.5, "One source says that the listing is dead, the other still lists it."),
    "price.close": Rule(3.0, "The prices agree, as far as the time between the observations lets one tell."),
    "price.stable": Rule(1.0, "Both prices are one dollar, as every stablecoin's is."),
    "price.near": Rule(1.0, "The prices nearly agree."),
    "price.apart": Rule(-3.0, "The prices are further apart than the market moves in that time."),
    "price.far": Rule(-8.0, "The prices are apart by a factor of more than e. All that names can say does not outweigh it."),
    "supply.close": Rule(2.5, "Market cap over price agrees within 5 %."),
    "supply.apart": Rule(-1.5, "Market cap over price is apart by a factor of ten."),
    "volume.close": Rule(1.0, "What is traded in a day agrees within a factor of two."),
    "volume.apart": Rule(-1.0, "What is traded in a day is apart by a factor of four hundred."),
    "peak.same": Rule(6.0, "The all-time highs were at the same time and price: nearly a fingerprint."),
    "peak.day": Rule(0.0, "The all-time highs were at the same time, at other prices."),
    "peak.apart": Rule(-0.5, "The all-time highs were at other times and other prices. Sources that began at other times have that."),
    "course.together": Rule(0.5, "Their prices have gone up and down together. Clones of a name often follow it, so this is little."),
    "course.apart": Rule(-1.5, "Their prices have gone different ways."),
    "source.renamed": Rule(6.0, "The source lists the coin under a new id; the old one is dead and otherwise the same."),
}
RULES: dict[str, Rule] = {name: rule._replace(kind=name.partition(".")[0]) for name, rule in _TABLE.items()}
WEIGHT = {name: rule.weight for name, rule in RULES.items()}

SAME = 1.0  # from this score on, two listings are one coin: odds of 2.7 to 1 before the margin over the next best is asked
UNSURE = 0.0  # from here on up to SAME a person should look
STRONG = 5.0  # a match that need not wait for anything: odds of 150 to 1
MARGIN = 0.5  # how much better than the next best a match must be, else both are unsure
STICKY = 1.5  # a stored judgement stands until the evidence has moved this far the other way


def confidence(score: float) -> float:
    """A score as a probability, 0 to 1."""
    return 1.0 / (1.0 + exp(-max(-30.0, min(30.0, score))))


def score_of(probability: float) -> float:
    """The score that a confidence was made from, as far as float64 tells it: at most 30."""
    return 30.0 if probability >= 1.0 else max(-30.0, min(30.0, log(probability / (1.0 - probability)))) if probability > 0 else -30.0
