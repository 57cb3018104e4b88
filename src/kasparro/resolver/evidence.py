"""Comparisons: what two listings of different sources have in common, one function per kind of evidence.

Each answers with the name of a rule of `rules.RULES`, or None where it has nothing to say. Absence is not evidence: a
price that is not known speaks neither for nor against.
"""

from bisect import bisect_right
from itertools import pairwise
from math import log, sqrt

from kasparro.resolver.features import Features
from kasparro.resolver.normalise import OLD, RENEWED

_HOUR = 3600.0
_DAY = 24 * _HOUR
_VERSIONS = OLD | RENEWED

# Prices: how far apart two honest observations of one coin may lie when they are made at the same time (sources average
# over different markets), and how much a volatile coin moves in an hour. The second grows with the root of the time.
PRICE_TOLERANCE = 0.012
PRICE_DRIFT_PER_ROOT_HOUR = 0.02
PRICE_GAP_MAX = 48 * _HOUR  # beyond it a price says nothing
PRICE_GAP_CLOSE = 12 * _HOUR  # beyond it agreement may be chance
STABLE_BAND = 0.02  # within this distance of one dollar, agreement is what any stablecoin shows

SUPPLY_CLOSE = 0.05
SUPPLY_APART = 2.3  # a factor of ten
VOLUME_CLOSE = 0.7  # a factor of two
VOLUME_APART = 6.0  # a factor of four hundred
ATH_SAME_DAY = 36 * _HOUR
ATH_PRICE_CLOSE = 0.10
ATH_PRICE_APART = 0.7
ATH_APART = 7 * _DAY

COURSE_STEPS = 12
COURSE_POINTS_MIN = 8  # observations of each listing in the common span: with fewer, most steps repeat the one before
COURSE_MOVED = 0.03  # a price that stayed within 3 % has no course but noise
COURSE_TOGETHER = 0.9
COURSE_APART = 0.3  # by chance alone twelve pairs of independent returns correlate better than this one time in six

# From how many listings of one source on a shared key counts as shared by a few, and by many.
FEW, MANY = 2, 4
COMMON = 6
LONG_WORD = 4  # letters from which on a word that two names share means something


def contract(a: Features, b: Features, contested: bool) -> str | None:  # noqa: PLR0911 - one return per level reads as the table that it is
    """They are the same contract on the same chain (for), or different contracts on one chain (against)."""
    if not a.contracts or not b.contracts:
        return None
    if len(a.contracts) == 1 and len(b.contracts) == 1:
        (chain_a, address_a), (chain_b, address_b) = a.contracts[0], b.contracts[0]
        if address_a == address_b:
            if contested:
                return "contract.contested"
            return "contract.shared" if chain_a == chain_b else "contract.elsewhere"
        return "contract.other" if chain_a == chain_b else None
    theirs = set(b.contracts)
    shared = [c for c in a.contracts if c in theirs]
    if shared:
        return "contract.contested" if contested else "contract.shared"
    addresses = {address for _, address in b.contracts}
    if any(address in addresses for _, address in a.contracts):
        return "contract.contested" if contested else "contract.elsewhere"
    chains = {chain for chain, _ in b.contracts}
    return "contract.other" if any(chain in chains for chain, _ in a.contracts) else None


def text(a: Features, b: Features) -> str:  # noqa: PLR0911 - one return per level reads as the table that it is
    """Their names and the words of their ids are the same, partly the same, or have nothing in common."""
    name_equal = a.whole == b.whole
    slug_equal = a.slug == b.slug
    if name_equal:
        return "text.identical" if slug_equal else "text.both" if a.slug_core == b.slug_core else "text.name"
    same_slug = slug_equal or a.slug_core == b.slug_core
    if a.core == b.core:
        # "Aura Finance" and "Aura Network": each has a word that the other lacks, so that the words tell them apart after all.
        if a.core not in (a.whole, b.whole):
            return "text.rival"
        return "text.both" if same_slug else "text.name"
    if same_slug:
        return "text.slug"
    if a.whole == b.slug or b.whole == a.slug or a.core == b.slug_core or b.core == a.slug_core:
        return "text.crossed"
    words_a, words_b = a.words, b.words
    if all(w in words_b for w in words_a) or all(w in words_a for w in words_b):
        return "text.part"
    if len(a.core) >= LONG_WORD and len(b.core) >= LONG_WORD and (a.core.startswith(b.core) or b.core.startswith(a.core)):
        return "text.part"
    if a.core == b.symbol or b.core == a.symbol or any(len(w) >= LONG_WORD and w in words_b for w in words_a):
        return "text.word"
    return "text.apart"


def same_symbol(crowd: int) -> str:
    """They have the same symbol; `crowd` is how many listings of that source have it in which it is more common."""
    return "symbol.rare" if crowd < FEW else "symbol.same" if crowd < COMMON else "symbol.common"


def other_symbol(a: Features, b: Features) -> str:
    """Their symbols differ by a few letters, or altogether."""
    short, long = (a.symbol, b.symbol) if len(a.symbol) <= len(b.symbol) else (b.symbol, a.symbol)
    return "symbol.near" if len(short) > 1 and (short in long or near(short, long)) else "symbol.apart"


def near(short: str, long: str) -> bool:
    """Whether the letters of the shorter symbol stand in the longer one in the same order, and are over half of it."""
    if len(short) * 2 <= len(long):
        return False
    letters = iter(long)
    return all(letter in letters for letter in short)


def namesakes(crowd: int) -> str | None:
    """Others of the same source have that name; `crowd` is how many have it. For listings whose name or symbol differs."""
    return None if crowd < FEW else "namesakes.few" if crowd < MANY else "namesakes.many"


def twins(crowd: int) -> str:
    """Name and symbol are the same, and `crowd` listings of one source have both."""
    return "twins.none" if crowd < FEW else "twins.few" if crowd < MANY else "twins.many"


def derivation(a: Features, b: Features) -> str | None:
    """One of them is wrapped, bridged, pegged, staked or a promise, and the other is not; or one is an old version."""
    apart = a.marks ^ b.marks
    if not apart:
        return None
    if apart & ~_VERSIONS:
        return "derivation.apart"
    return "version.apart"


def price(a: Features, b: Features) -> str | None:  # noqa: PLR0911 - one return per level reads as the table that it is
    """Their prices agree, or are apart, as far as the time between the two observations lets one tell."""
    if a.price is None or b.price is None:
        return None
    gap = abs(a.observed - b.observed)
    if gap > PRICE_GAP_MAX:
        return None
    apart = abs(log(a.price) - log(b.price))
    tolerance = PRICE_TOLERANCE + PRICE_DRIFT_PER_ROOT_HOUR * (gap / _HOUR) ** 0.5
    if apart <= tolerance:
        if abs(log(a.price)) < STABLE_BAND:
            return "price.stable"
        return "price.close" if gap <= PRICE_GAP_CLOSE else None
    if apart <= 3 * tolerance:
        return "price.near"
    if apart > 6 * tolerance:
        return "price.far" if apart > 1.0 else "price.apart"
    return None


def supply(a: Features, b: Features) -> str | None:
    """Market cap over price, which does not move with the market, agrees or is apart by a factor of ten."""
    if a.supply is None or b.supply is None:
        return None
    apart = abs(log(a.supply) - log(b.supply))
    return "supply.close" if apart <= SUPPLY_CLOSE else "supply.apart" if apart > SUPPLY_APART else None


def volume(a: Features, b: Features) -> str | None:
    """What was traded in a day agrees within a factor of two, or is apart by a factor of four hundred."""
    if a.volume is None or b.volume is None or abs(a.observed - b.observed) > PRICE_GAP_MAX:
        return None
    apart = abs(log(a.volume) - log(b.volume))
    return "volume.close" if apart <= VOLUME_CLOSE else "volume.apart" if apart > VOLUME_APART else None


def peak(a: Features, b: Features) -> str | None:
    """Their all-time highs were on the same day at nearly the same price (a fingerprint), or on other days at other prices."""
    if not a.ath or not b.ath or a.ath_price is None or b.ath_price is None:
        return None
    days = abs(a.ath - b.ath)
    apart = abs(log(a.ath_price) - log(b.ath_price))
    if days <= ATH_SAME_DAY:
        if apart <= ATH_PRICE_CLOSE:
            return "peak.same"
        return "peak.day"
    return "peak.apart" if days > ATH_APART and apart > ATH_PRICE_APART else None


def activity(a: Features, b: Features) -> str | None:
    """One of them is dead and the other is traded."""
    if a.active and b.active:
        return None
    if not a.active and not b.active:
        return None
    return "activity.apart"


def course(a: Features, b: Features) -> str | None:
    """Over the span that both were observed in, their prices went up and down together, or each its own way.

    Pearson's correlation of their logarithmic returns over twelve equal steps, between two observations on the line through them.
    Returns are compared, not prices: two prices that only drift correlate without having to do with one another. The steps are
    few and long because the correlation of returns vanishes as steps get shorter when the observations are not of one moment
    (Epps, "Comovements in Stock Prices in the Very Short Run", 1979), and those of two sources never are. None with too few
    common points, or where neither moved, as with stablecoins. The two limits are set by hand: nothing to fit them on is known.
    """
    if not a.course or not b.course:
        return None
    start, end = max(a.course[0][0], b.course[0][0]), min(a.course[-1][0], b.course[-1][0])
    if any(sum(start <= at <= end for at, _ in f.course) < COURSE_POINTS_MIN for f in (a, b)):
        return None
    ours, theirs = ([_log_price(f, start + (end - start) * n / COURSE_STEPS) for n in range(COURSE_STEPS + 1)] for f in (a, b))
    if max(ours) - min(ours) < COURSE_MOVED and max(theirs) - min(theirs) < COURSE_MOVED:
        return None
    together = _correlation(_steps(ours), _steps(theirs))
    return "course.together" if together >= COURSE_TOGETHER else "course.apart" if together < COURSE_APART else None


def _log_price(f: Features, at: float) -> float:
    """The logarithm of the price at a time within the course."""
    after = min(len(f.course) - 1, bisect_right(f.course, at, key=lambda point: point[0]))
    (t, price), (u, next_price) = f.course[after - 1], f.course[after]
    return log(price) + (log(next_price) - log(price)) * (at - t) / (u - t) if u > t else log(price)


def _steps(values: list[float]) -> list[float]:
    return [after - before for before, after in pairwise(values)]


def _correlation(xs: list[float], ys: list[float]) -> float:
    """Pearson's, -1 to 1; 0 where one of them does not move."""
    x, y = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sqrt(sum((v - x) ** 2 for v in xs) * sum((w - y) ** 2 for w in ys))
    return sum((v - x) * (w - y) for v, w in zip(xs, ys, strict=True)) / spread if spread else 0.0
