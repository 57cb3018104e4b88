"""From a coin's quotes one price, with where it comes from and how far it can be trusted. docs/prices.md tells it in words.

Never a mean: of a right and a wrong price it is wrong, too. Distances are of logarithms, so that up and down count alike.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import combinations
from math import isfinite, log, sqrt
from operator import attrgetter

from kasparro.pricing.staleness import STALE, is_stale, less_certain
from kasparro.records import CoinQuote, Price

# Two quotes of one moment agree within 5 %; what a volatile coin moves in an hour, 2 %, is added per root of the hours between.
AGREE = 0.05
DRIFT_PER_ROOT_HOUR = 0.02
# From one price to the next, a step further than this (-33 % or +50 %) is suspect unless another source takes it as well.
JUMP = 0.4
PAST = timedelta(hours=24)  # for so long a published price tells what the coin cost lately
FUTURE = timedelta(minutes=5)  # a source's clock may run ahead so far
THIN_USD = 1_000.0  # with less than this traded in a day, anybody can set the price

SPREAD_PCT_MAX = 1e12  # beyond it there is nothing more to say, and no infinity to be stored

SINGLE, DISAGREE, SUSPECT, THIN = "single_source", "disagree", "suspect_jump", "thin"
_CERTAINTY = {SINGLE: 0.6, DISAGREE: 0.3, SUSPECT: 0.3, THIN: 0.7}  # factors of the confidence

_BY_LISTING, _BY_TIME = attrgetter("source", "listing_id"), attrgetter("observed_at")


def choose(quotes: Sequence[CoinQuote], previous: Price | None, now: datetime) -> Price | None:
    """The price of a coin whose listings were quoted so, and which cost `previous` before; None where nothing can be said."""
    latest = now + FUTURE
    usable = [q for q in quotes if q.price > 0 and isfinite(q.price) and q.observed_at <= latest]
    if not usable:
        return None
    # What is stale does not take part while something fresh does.
    fresh = [q for q in usable if not is_stale(q.observed_at, now)]
    taking_part = sorted(fresh or usable, key=_BY_LISTING)
    taking_part.sort(key=_BY_TIME, reverse=True)
    past = previous if previous is not None and now - previous.observed_at <= PAST else None
    if all(agree(a, b) for a, b in combinations(taking_part, 2)):
        chosen, method, agreeing = taking_part[0], "newest" if len(taking_part) > 1 else "only", taking_part
    else:
        # A step that nobody else has taken yet is no past to judge others by.
        chosen, method = _decided(taking_part, None if past is None or SUSPECT in past.flags else past)
        agreeing = [q for q in taking_part if agree(q, chosen)]
    sources = {q.source for q in agreeing}
    told = [q.price for q in taking_part]
    spread_pct = min((max(told) - min(told)) / min(told) * 100, SPREAD_PCT_MAX) if len(told) > 1 else None
    volume = _first(chosen.volume_24h, [q.volume_24h for q in agreeing])
    flags = _flags(chosen, taking_part, agreeing, past, volume)
    confidence = _confidence(flags, spread_pct if len(agreeing) == len(taking_part) else None)
    return Price(
        value=chosen.price,
        observed_at=chosen.observed_at,
        method=method,
        sources_used=tuple(sorted(sources)),
        listing_id=chosen.listing_id,
        spread_pct=spread_pct,
        confidence=confidence if fresh else less_certain(confidence),
        flags=flags if fresh else (*flags, STALE),
        market_cap=_first(chosen.market_cap, [q.market_cap for q in agreeing]),
        volume_24h=volume,
    )


def agree(a: CoinQuote, b: CoinQuote) -> bool:
    """Whether two quotes can both be right, given the time that lies between them."""
    apart = abs(log(a.price) - log(b.price))
    return apart <= AGREE or apart <= AGREE + DRIFT_PER_ROOT_HOUR * sqrt(_hours(a, b))


def _decided(quotes: Sequence[CoinQuote], past: Price | None) -> tuple[CoinQuote, str]:
    """Of quotes that do not all agree the one to publish, and why. They are ordered by age, the newest first."""
    support = {id(q): len({other.source for other in quotes if agree(q, other)}) for q in quotes}
    best = max(support.values())
    backed = [q for q in quotes if support[id(q)] == best]
    if all(agree(q, backed[0]) for q in backed):
        return backed[0], "newest"
    # As many sources say the one as the other: what the coin cost lately decides, then where more is traded.
    if past is not None:
        as_before = [q for q in backed if _step(q, past) <= AGREE + DRIFT_PER_ROOT_HOUR * sqrt(_hours(q, past))]
        if as_before and all(agree(q, as_before[0]) for q in as_before):
            return as_before[0], "past"
        nearest = min(backed, key=lambda q: _step(q, past))
        if not as_before and _step(nearest, past) <= JUMP:
            return nearest, "past"
    traded = max(backed, key=lambda q: q.volume_24h or 0.0)
    return (traded, "volume") if traded.volume_24h else (backed[0], "newest")


def _step(q: CoinQuote, past: Price) -> float:
    return abs(log(q.price) - log(past.value))


def _hours(a: CoinQuote, b: CoinQuote | Price) -> float:
    return abs((a.observed_at - b.observed_at).total_seconds()) / 3600


def _flags(
    chosen: CoinQuote, taking_part: Sequence[CoinQuote], agreeing: Sequence[CoinQuote], past: Price | None, volume: float | None
) -> tuple[str, ...]:
    sources = {q.source for q in agreeing}
    flags = []
    if len({q.source for q in taking_part}) == 1:
        flags.append(SINGLE)
    if len(agreeing) < len(taking_part):
        flags.append(DISAGREE)
    # A step that another source takes as well is the market's.
    if past is not None and len(sources) == 1 and _step(chosen, past) > JUMP:
        flags.append(SUSPECT)
    if volume is not None and volume < THIN_USD:
        flags.append(THIN)
    return tuple(flags)


def _confidence(flags: Sequence[str], spread_pct: float | None) -> float:
    """1 for sources that agree to the last bit, less by twice the share by which they differ, times a factor for each flag."""
    confidence = 1.0 - 0.02 * min(spread_pct or 0.0, 10.0)
    for flag in flags:
        confidence *= _CERTAINTY[flag]
    return round(confidence, 3)  # a price whose confidence moves by less is not written anew


def _first(own: float | None, others: Sequence[float | None]) -> float | None:
    """The chosen listing's own figure, or else another's that agrees with it."""
    return own if own is not None else next((x for x in others if x is not None), None)
