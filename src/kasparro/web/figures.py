"""Numbers and times as a person reads them. Pure. static/figures.js writes the same for what changes while a page is open."""

from datetime import datetime

_UNITS = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K"))
_LARGEST = 1e18  # from here on digits say less than a power of ten
_COMPACT = 1e9  # from here on a price is short, too
_FEW_ZEROS = 4  # so many zeros behind the point can be counted at a glance
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_MINUS = "\u2212"
NOT_KNOWN = "\u2013"  # an en dash
_WIDE, _MIDDLING = 1_000, 100
_MINUTE, _TENTHS = 59.5, 9.95  # what these would be rounded to is written otherwise
_SPANS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def price(value: float | None) -> str:
    """US dollars: cents from a dollar on, four digits below. 0.0₇1234 has seven zeros behind the point."""
    if value is None:
        return NOT_KNOWN
    if value >= _COMPACT:
        return amount(value)
    digits, _, power = f"{value:.3e}".partition("e")
    if value >= 1 or int(power) >= 0:
        return f"${value:,.2f}"
    zeros, digits = -int(power) - 1, digits.replace(".", "")
    if zeros < _FEW_ZEROS:
        return f"$0.{'0' * zeros}{digits}"
    return f"$0.0{str(zeros).translate(_SUBSCRIPTS)}{digits}"


def amount(value: float | None) -> str:
    """US dollars in short, with a letter for thousands (K), millions, billions or trillions."""
    if value is None:
        return NOT_KNOWN
    if value >= _LARGEST:
        return f"${value:.3e}".replace("e+", "e")
    for unit, letter in _UNITS:
        if value >= unit:
            short = value / unit
            return f"${short:,.{0 if short >= _WIDE else 1 if short >= _MIDDLING else 2}f}{letter}"
    return f"${value:,.2f}" if value >= 1 else price(value) if value > 0 else "$0.00"


def percent(value: float | None) -> str:
    """A change in per cent, with its sign."""
    if value is None:
        return NOT_KNOWN
    text = f"{abs(value):,.2f}"
    return f"{'' if float(text.replace(',', '')) == 0 else '+' if value > 0 else _MINUS}{text}%"


def whole(value: int) -> str:
    """A count."""
    return f"{value:,}"


def span(seconds: float) -> str:
    """A length of time in its two largest units, to the tenth of a second where it is short."""
    if seconds < _MINUTE:
        return f"{seconds:.1f} s" if seconds < _TENTHS else f"{seconds:.0f} s"
    rest, told = round(seconds), list[str]()
    for size, unit in _SPANS:
        count, rest = divmod(rest, size)
        if count:
            told.append(f"{count:,} {unit}")
        elif told:
            break
    return " ".join(told[:2])


def moment(at: datetime) -> str:
    """A time in UTC, to the second."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def iso(at: datetime) -> str:
    """A time as a machine reads it."""
    return at.isoformat().replace("+00:00", "Z")
