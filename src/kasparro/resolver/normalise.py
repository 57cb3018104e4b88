"""Names and symbols brought to a form in which they can be compared. Pure."""

import re
import unicodedata

_NOT_ALPHANUMERIC = re.compile(r"[\W_]+")


def normal_name(name: str) -> str:
    """A name without case, accents of compatibility forms, blanks and punctuation: "USD Coin" -> "usdcoin"."""
    return _NOT_ALPHANUMERIC.sub("", unicodedata.normalize("NFKC", name).casefold())


def normal_symbol(symbol: str) -> str:
    """A symbol without case and compatibility forms. Punctuation stays: "YBTC.B" is not "YBTCB"."""
    return unicodedata.normalize("NFKC", symbol).casefold().strip()
