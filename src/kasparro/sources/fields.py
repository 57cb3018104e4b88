"""Lenient reading of single values: what the two sources are known to send for "nothing" is None, what makes no sense is refused.

Empty text and null mean "not known" everywhere. A number in quotation marks is not a number: both sources send numbers, so
a text where one belongs is a change of theirs that should be seen, not guessed at.
"""

import math
import re
from datetime import UTC, datetime, timedelta

from kasparro.sources.rows import Reason, RowError

ID_CHARACTERS_MAX = 200  # the longest known has 100
SYMBOL_CHARACTERS_MAX = 200  # 38
NAME_CHARACTERS_MAX = 500  # 100
ADDRESS_CHARACTERS_MAX = 500  # 233
# In US dollars. The highest known price is 1.26e14, the lowest 1e-18: what lies beyond these bounds is a defect, not a price.
PRICE_MOST = 1e15
PRICE_LEAST = 1e-30
AMOUNT_MOST = 1e24  # of a market cap or a volume
FUTURE_MOST = timedelta(minutes=5)  # clocks differ; a price of tomorrow is a defect
FIRST_COIN = datetime(2009, 1, 3, tzinfo=UTC)

_TIME_CHARACTERS = range(19, 41)  # shorter ones are dates and weeks, which no source means by a time
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_CONTROLS = dict.fromkeys([*range(32), 127])


def identifier(value: object) -> str:
    """A source's own id: text, trimmed, not empty."""
    if not isinstance(value, str):
        raise RowError(Reason.ID_MISSING)
    text = value.strip()
    if not text:
        raise RowError(Reason.ID_EMPTY)
    if len(text) > ID_CHARACTERS_MAX:
        raise RowError(Reason.ID_TOO_LONG)
    if not text.isprintable() and _CONTROL.search(text):
        raise RowError(Reason.ID_UNPRINTABLE)
    return text


def symbol(value: object) -> str:
    """A symbol in upper case. It may be empty: CoinGecko lists coins without one."""
    if not isinstance(value, str):
        raise RowError(Reason.SYMBOL_MISSING)
    text = _shown(value).upper()
    if len(text) > SYMBOL_CHARACTERS_MAX:
        raise RowError(Reason.SYMBOL_TOO_LONG)
    return text


def name(value: object) -> str:
    """A name: text, trimmed, not empty."""
    if not isinstance(value, str):
        raise RowError(Reason.NAME_MISSING)
    text = _shown(value)
    if not text:
        raise RowError(Reason.NAME_EMPTY)
    if len(text) > NAME_CHARACTERS_MAX:
        raise RowError(Reason.NAME_TOO_LONG)
    return text


def _shown(value: str) -> str:
    # Control characters are taken out: no column holds a NUL, and a name with one is still that name.
    return (value if value.isprintable() else value.translate(_CONTROLS)).strip()


def address(value: object) -> str | None:
    """A contract address or the name of a platform, as the source spells it; None where there is none."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise RowError(Reason.CONTRACT_NOT_TEXT)
    text = value.strip()
    if len(text) > ADDRESS_CHARACTERS_MAX or _CONTROL.search(text):
        raise RowError(Reason.CONTRACT_UNUSABLE)
    return text or None


def price(value: object) -> float | None:
    """A price in US dollars, exactly the float64 that was sent; None where the source has none."""
    if value is None or value == "":
        return None
    number = _number(value)
    if number is None:
        raise RowError(Reason.PRICE_NOT_NUMBER)
    if number <= 0:
        raise RowError(Reason.PRICE_NOT_POSITIVE)
    if not PRICE_LEAST <= number <= PRICE_MOST:
        raise RowError(Reason.PRICE_OUT_OF_RANGE)
    return number


def amount(value: object, *, zero_is_unknown: bool = False) -> float | None:
    """A market cap or a volume. What is no such amount is None: it is not worth a price that comes with it."""
    number = _number(value)
    if number is None or number < 0 or number > AMOUNT_MOST or (zero_is_unknown and number == 0):
        return None
    return number


def high(value: object) -> float | None:
    """An all-time high, or None where there is none that could be a price."""
    number = _number(value)
    return number if number is not None and PRICE_LEAST <= number <= PRICE_MOST else None


def _number(value: object) -> float | None:
    if isinstance(value, float):  # as almost all are
        return None if math.isnan(value) else value
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf


def moment(value: object) -> datetime | None:
    """An ISO 8601 time with its offset, as UTC; None for null, "" and the year 1, Go's way to say "none"."""
    if value is None or value == "":
        return None
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) and len(value) in _TIME_CHARACTERS else None
        if found is not None and found.tzinfo is not UTC:
            found = found.astimezone(UTC) if found.tzinfo is not None else None
    except (ValueError, OverflowError):
        found = None
    if found is None:
        if isinstance(value, str) and value.startswith("0001-01-01"):
            return None
        raise RowError(Reason.TIME_UNREADABLE)
    return None if found.year == 1 else found


def observed_at(value: object, fetched_at: datetime) -> datetime | None:
    """When the source saw a price: neither after we asked nor before there were coins."""
    found = moment(value)
    if found is None:
        return None
    if found > fetched_at + FUTURE_MOST:
        raise RowError(Reason.TIME_IN_FUTURE)
    if found < FIRST_COIN:
        raise RowError(Reason.TIME_TOO_EARLY)
    return found


def moment_or_none(value: object) -> datetime | None:
    """A time that is not worth a row: None where it cannot be read or lies before there were coins."""
    try:
        found = moment(value)
    except RowError:
        return None
    return found if found is not None and found >= FIRST_COIN else None
