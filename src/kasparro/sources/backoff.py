"""How long to wait before asking again. Pure: the random numbers and the time are given."""

import random
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

FIRST_SECONDS = 1.0
MOST_SECONDS = 30.0
RETRY_AFTER_SECONDS_MAX = 31 * 86_400.0  # a month: anything longer means the same

_SECONDS = re.compile(r"[0-9]{1,12}(\.[0-9]{1,6})?")


def full_jitter(attempt: int, rng: random.Random) -> float:
    """Seconds before attempt + 1, anywhere from none to a bound that doubles with each attempt (the first is 1).

    Many clients that failed together then do not come back together ("Exponential Backoff And Jitter", AWS Architecture
    Blog, 2015).
    """
    return rng.uniform(0.0, min(MOST_SECONDS, FIRST_SECONDS * 2.0 ** min(attempt - 1, 16)))


def retry_after(value: str | None, now: datetime) -> float | None:
    """A Retry-After header in seconds from now, whether it says seconds or a date (RFC 9110, 10.2.3); None where it says nothing."""
    text = (value or "").strip()[:100]
    if _SECONDS.fullmatch(text):
        return min(float(text), RETRY_AFTER_SECONDS_MAX)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    if moment.tzinfo is None:  # "-0000" reads as naive, and means UTC
        moment = moment.replace(tzinfo=UTC)
    return min(max(0.0, (moment - now).total_seconds()), RETRY_AFTER_SECONDS_MAX)
