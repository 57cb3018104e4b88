"""How often each part is asked for, so that what users see is as fresh as the calls allow. Pure. Derived in docs/budget.md."""

import math
from collections.abc import Sequence

# At most this share of the calls goes to parts at the longest interval; where the calls are too few for it, that interval grows.
_LONGEST_SHARE = 0.8
_LEAST_WEIGHT = 1e-15  # of the heaviest part: a part without volume is asked for as well
_LEAST_SECONDS = 0.001  # the least interval where none is given
_HALVINGS = 24  # of the ratio between the constant's bounds, 1e18 at most: the pace is met to a hundred-thousandth


def best_intervals(weights: Sequence[float], per_second: float, *, least: float, most: float) -> list[float]:
    """Seconds between two requests of each part, for parts of given weights and so many calls per second in all.

    The weighted mean of the staleness, half the interval, is least where the intervals are in proportion to 1/sqrt(weight).
    They are clipped to `least` and `most`; the one constant is found by bisection.
    """
    if not weights:
        return []
    if per_second <= 0:
        return [math.inf] * len(weights)
    least = max(least, _LEAST_SECONDS)
    most = max(most, least, len(weights) / per_second / _LONGEST_SHARE)
    heaviest = max(weights)
    shapes = [1 / math.sqrt(max(w / heaviest, _LEAST_WEIGHT)) if heaviest else 1.0 for w in weights]

    def clipped(constant: float) -> list[float]:
        return [min(most, max(least, constant * shape)) for shape in shapes]

    low, high = least / max(shapes), most  # at `low` every part is asked for as often as may be
    if sum(1 / interval for interval in clipped(low)) <= per_second:
        return clipped(low)
    for _ in range(_HALVINGS):
        middle = math.sqrt(low * high)
        if sum(1 / interval for interval in clipped(middle)) > per_second:
            low = middle
        else:
            high = middle
    return clipped(high)
