"""From the body of an answer to its rows, one by one, so that a bad row costs that row and no slice of work is long.

Decoding a list of 15 MB in one go holds the event loop for over 20 ms. So the body is cut into slices between two of its
rows, and each slice is decoded by itself. A cut is found by its looks (a closing and an opening brace around a comma); one
that fell inside a text or a nested list makes the slice invalid JSON, which shows at once: that slice, like one with a
broken row in it, is then walked through row by row.
"""

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import TypeVar

import msgspec

from kasparro.errors import SkipError
from kasparro.records import Reject
from kasparro.sources.answers import described

RowT = TypeVar("RowT")

ROWS_PER_PIECE = 100  # after so many rows a parse yields: 1 to 2 ms of work on a slow machine
ROW_BYTES_MAX = 100_000  # of one row; real ones have up to 2,000
REJECT_BYTES_MAX = 2_000
_SLICE_BYTES = 128_000  # decoded to raw rows in about 1 ms

_SPACE = b" \t\r\n"
_CUT = re.compile(rb"\}[ \t\r\n]*,[ \t\r\n]*(?=\{)")
# What the place of a row's end depends on: texts as a whole, brackets and commas. A quotation mark by itself opens a text that
# never ends.
_MARK = re.compile(rb'"(?:[^"\\]++|\\.)*+"|["\[\]{},]', re.DOTALL)
_RAW_ROWS = msgspec.json.Decoder(list[msgspec.Raw])


class Reason(StrEnum):
    """Why a row could not be used. Rejects are counted by these."""

    ROW_NOT_OBJECT = "row is not an object"
    ROW_TOO_LONG = "row is too long"
    ROW_NOT_JSON = "row is not valid JSON"
    ROW_NOT_UTF8 = "row is not UTF-8"
    ROW_NOT_CSV = "row is not valid CSV"
    CELLS_MISCOUNTED = "row has another number of cells than the first line"
    TWICE = "listed twice in one answer"
    ID_MISSING = "id is missing or not text"
    ID_EMPTY = "id is empty"
    ID_TOO_LONG = "id is too long"
    ID_UNPRINTABLE = "id holds a control character"
    SYMBOL_MISSING = "symbol is missing or not text"
    SYMBOL_TOO_LONG = "symbol is too long"
    NAME_MISSING = "name is missing or not text"
    NAME_EMPTY = "name is empty"
    NAME_TOO_LONG = "name is too long"
    PRICE_NOT_NUMBER = "price is not a number"
    PRICE_NOT_POSITIVE = "price is not above zero"
    PRICE_OUT_OF_RANGE = "price is out of range"
    QUOTES_NOT_OBJECT = "quotes are not an object"
    TIME_UNREADABLE = "time is not an ISO 8601 time with an offset"
    TIME_IN_FUTURE = "observed in the future"
    TIME_TOO_EARLY = "observed before there were coins"
    PLATFORMS_NOT_OBJECT = "platforms are not an object"
    CONTRACT_MISSING = "contract is missing"
    CONTRACT_NOT_TEXT = "contract is not text"
    CONTRACT_TOO_MANY = "too many contracts"
    CONTRACT_UNUSABLE = "contract is not usable"
    PLATFORM_UNUSABLE = "platform id is not usable"
    PLATFORM_TOO_MANY = "too many platforms"
    RATE_UNUSABLE = "rate is not usable"


class RowError(ValueError):
    """A row, or a part of it, that cannot be used. The reason becomes the reject's."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


def rows(body: bytes, label: str) -> Iterator[bytes]:
    """Each row of a JSON list as it came. Raises SkipError, perhaps after some rows, where the body is no such list.

    `label` names the answer in the error: "coingecko.markets, page:1".
    """
    text = body.strip(_SPACE)
    if not text.startswith(b"["):
        message = f"{label}: expected a JSON list, got {described(body)}"
        raise SkipError(message, code="wrong_shape")
    if len(text) == 1 or not text.endswith(b"]"):
        message = f"{label}: the JSON list is cut off after {len(body):,} bytes"
        raise SkipError(message, code="wrong_shape")
    end = len(text) - 1
    start = 1
    while start < end:
        cut = _CUT.search(text, min(start + _SLICE_BYTES, end), end)
        stop, following = (cut.start() + 1, cut.end()) if cut else (end, end)
        try:
            found = [bytes(row) for row in _RAW_ROWS.decode(b"[" + text[start:stop] + b"]")]
        except (ValueError, RecursionError):
            found, following = _walk(text, start=start, stop=stop, end=end, label=label)
        yield from found
        start = following


def _walk(text: bytes, *, start: int, stop: int, end: int, label: str) -> tuple[list[bytes], int]:
    """The rows from `start` up to the first that ends at or after `stop`, and where the row after it starts.

    It counts brackets and believes everything else, so that a row which is not JSON is found, and refused, by itself.
    """
    found: list[bytes] = []
    depth = 0
    for mark in _MARK.finditer(text, start, end):
        place = mark.start()
        what = text[place : mark.end()]
        if what in {b"[", b"{"}:
            depth += 1
        elif what in {b"]", b"}"}:
            depth -= 1
        elif what == b"," and depth == 0:
            found.append(text[start:place].strip(_SPACE))
            start = mark.end()
            if place >= stop:
                return found, start
        if depth < 0 or what == b'"':
            depth = -1
            break
    if depth:
        message = f"{label}: not valid JSON; no row ends after byte {start:,} of {len(text):,}"
        raise SkipError(message, code="wrong_shape")
    return [*found, text[start:end].strip(_SPACE)], end


def decoded(decoder: msgspec.json.Decoder[RowT], row: bytes) -> RowT:
    """A row as its wire struct. Raises RowError."""
    if not row.startswith(b"{"):
        raise RowError(Reason.ROW_NOT_OBJECT)
    if len(row) > ROW_BYTES_MAX:
        raise RowError(Reason.ROW_TOO_LONG)
    try:
        if not row.isascii():
            row.decode()  # what the decoder passes over is kept too, and has to be text
        return decoder.decode(row)
    except (ValueError, RecursionError):
        raise RowError(Reason.ROW_NOT_JSON) from None


def reject(row: bytes, source_id: object, reason: Reason) -> Reject:
    """A reject as it can be stored: the row cut, and without what no text column holds."""
    cut = row[:REJECT_BYTES_MAX].replace(b"\x00", b"").decode(errors="ignore").encode()
    return Reject(source_id=_shown_id(source_id), reason=reason.value, row=cut)


def _shown_id(source_id: object) -> str | None:
    if not isinstance(source_id, str):
        return None
    return source_id.replace("\x00", "").strip()[:200] or None
