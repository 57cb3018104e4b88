"""What the service's own words mean, for people who do not know them. Pure."""

from typing import NamedTuple

_SOURCES = {"coingecko": ("CoinGecko", "CG"), "coinpaprika": ("CoinPaprika", "CP"), "files": ("Files", "FI")}
# Where a source shows a listing to people, by its id.
PLACES = {"coingecko": "https://www.coingecko.com/en/coins/{}", "coinpaprika": "https://coinpaprika.com/coin/{}/"}


class Meaning(NamedTuple):
    """A word of ours in two or three others, and in a sentence."""

    short: str
    long: str


# docs/prices.md has the numbers.
FLAGS = {
    "single_source": Meaning("one source", "Only one source's quotes took part, so nothing confirms this price."),
    "disagree": Meaning("sources disagree", "A quote of another source is further away than the time between them explains."),
    "suspect_jump": Meaning("sudden jump", "It moved by over a third down or a half up within a day, and no second source says so."),
    "thin": Meaning("thin market", "Less than 1,000 dollars were traded in a day: anybody can set this price."),
    "stale": Meaning("stale", "Its source saw it over an hour ago."),
}
METHODS = {
    "only": "There was one quote to choose from.",
    "newest": "The newest of the quotes that agree.",
    "past": "The sources disagree; this quote is in line with what the coin cost before.",
    "volume": "The sources disagree and the past does not help; more is traded at this price.",
}
VERDICTS = {
    "same": "is this coin",
    "different": "is another coin",
    "unsure": "may be this coin: a person should look",
}
CERTAINTIES = (
    (0.99, "all but certain"),
    (0.9, "very likely"),
    (0.7, "likely"),
    (0.55, "more likely than not"),
    (0.45, "as likely as not"),
)


def source_name(source: str) -> str:
    """What a source calls itself."""
    return _SOURCES.get(source, (source.title(), ""))[0]


def source_badge(source: str) -> str:
    """Two letters for a source."""
    return _SOURCES.get(source, ("", source[:2].upper()))[1]


def flag(name: str) -> Meaning:
    """What a flag means; of one that is not known here, its name."""
    return FLAGS.get(name, Meaning(name.replace("_", " "), ""))


def certainty(confidence: float) -> str:
    """A probability in words."""
    return next((text for least, text in CERTAINTIES if confidence >= least), "unlikely")
