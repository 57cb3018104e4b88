"""Columns of many rows as parameters, each an array literal of Postgres in one text; and short lists that come as a text.

The driver looks at every element of an array twice, in ways that are made for nested ones: of what a run costs this process, a
quarter went there. A literal costs a tenth of it, and the server as much to read as the array. Long texts go as arrays all the same.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from sys import intern

import msgspec

_BETWEEN = "\x1f"  # what parts units of text; no source's text has it (sources/fields.py)
_encoded = msgspec.json.Encoder().encode


def texts(values: Sequence[str]) -> str:
    """An array of texts. Raises ValueError for a text with a unit separator in it."""
    joined = _BETWEEN.join(values)
    if joined.count(_BETWEEN) != max(0, len(values) - 1):
        message = "a text with U+001F in it cannot be written"
        raise ValueError(message)
    if not values:
        return "{}"
    escaped = joined.replace("\\", "\\\\").replace('"', '\\"')
    return '{"' + escaped.replace(_BETWEEN, '","') + '"}'


def scalars(values: Sequence[float | bool | datetime | None]) -> str:
    """An array of numbers, truth values or aware times; None is null. Every float64 comes out as it went in, but for infinities and NaN."""
    # But for its brackets JSON is what Postgres reads.
    return "{" + _encoded(values)[1:-1].decode() + "}"


@lru_cache(maxsize=1_000)
def parts(text: str) -> tuple[str, ...]:
    """A short list that comes joined by commas; always the same object for the same text, of which there are few."""
    return tuple([intern(part) for part in text.split(",")]) if text else ()
