"""CSV files of a folder as a source: whatever somebody has prices for. Pure. docs/files.md has the columns.

A line is a row, so that a quotation mark that is never closed costs one row and not the rest of the file.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial

import msgspec

from kasparro.errors import SkipError
from kasparro.records import Listing, ListingContract, Page, Pieces, Quote, Request
from kasparro.settings import SourceSettings
from kasparro.sources import fields
from kasparro.sources.base import Stream
from kasparro.sources.pages import Found, quotes_page
from kasparro.sources.rows import ROW_BYTES_MAX, Reason, RowError

NAME = "files"
PRICES = "files.prices"
FOLDER = "folder"  # the part that says which files there are; no file is called so

NEEDED = ("id", "symbol", "name", "price_usd", "observed_at")
KNOWN = (*NEEDED, "market_cap_usd", "volume_24h_usd", "contracts")
CONTRACTS_MAX = 100  # of one listing

_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_BETWEEN = re.compile(r"[\s|]+")
_FILE = re.compile(r"[^/\\\x00]+\.csv", re.IGNORECASE)
_BOM = b"\xef\xbb\xbf"


class Files:
    """The source `files`: each file is a part."""

    name = NAME
    streams = (
        Stream(name=PRICES, first_part=FOLDER, priority=25, interval=timedelta(0), identity=True, quotes=True, contracts="of_listings"),
    )

    def __init__(self, settings: SourceSettings) -> None:
        """No setting changes what it asks for."""

    def request(self, stream: str, part: str, ids: Sequence[str] = ()) -> Request:  # noqa: ARG002  # it has no batches
        """See Source. The path is the file's name, and nothing where the names are asked for."""
        if stream != PRICES or (part != FOLDER and not _FILE.fullmatch(part)):
            message = f"{NAME} has no stream {stream!r} with a part {part!r}"
            raise SkipError(message, code="unknown_part")
        return Request(source=NAME, stream=stream, part=part, path="" if part == FOLDER else part)

    def parse(self, request: Request, body: bytes, fetched_at: datetime) -> Pieces[Page]:
        """See Source. Raises SkipError for a file without the columns that are needed."""
        if request.part == FOLDER:
            return Page(next_parts=tuple(msgspec.json.decode(body, type=list[str])), is_index=True)
        return (yield from _prices(body, request.part, fetched_at))


class _Row(msgspec.Struct, frozen=True):
    """A line: its cells by column."""

    id: str
    cells: dict[str, str]


def _prices(body: bytes, label: str, fetched_at: datetime) -> Pieces[Page]:
    lines = _lines(body)
    columns = _columns(next(lines, b""), label)
    return (yield from quotes_page(lines, partial(_row, columns), _listing, partial(_quote, fetched_at=fetched_at), _contracts))


def _lines(body: bytes) -> Iterator[bytes]:
    """The lines that are not blank, without their ends."""
    start = len(_BOM) if body.startswith(_BOM) else 0
    while start < len(body):
        end = body.find(b"\n", start)
        stop = len(body) if end < 0 else end
        line = body[start : min(stop, start + ROW_BYTES_MAX + 1)].strip(b"\r")
        if line.strip():
            yield line
        start = stop + 1


def _columns(header: bytes, label: str) -> tuple[str, ...]:
    try:
        columns = tuple(name.strip().lower() for name in _cells(header))
    except RowError as error:
        message = f"{label}: the first line is no list of columns ({error.reason})"
        raise SkipError(message, code="wrong_shape") from None
    missing = [name for name in NEEDED if name not in columns]
    twice = sorted({name for name in columns if name in KNOWN and columns.count(name) > 1})
    if missing or twice:
        what = f"lacks {', '.join(missing)}" if missing else f"has {', '.join(twice)} twice"
        message = f"{label}: the first line {what}; a file needs the columns {', '.join(NEEDED)}, separated by commas, in any order"
        raise SkipError(message, code="wrong_shape")
    return columns


def _cells(line: bytes) -> list[str]:
    if len(line) > ROW_BYTES_MAX:
        raise RowError(Reason.ROW_TOO_LONG)
    try:
        return next(csv.reader([line.decode()], strict=True))
    except UnicodeDecodeError:
        raise RowError(Reason.ROW_NOT_UTF8) from None
    except (csv.Error, StopIteration):
        raise RowError(Reason.ROW_NOT_CSV) from None


def _row(columns: Sequence[str], line: bytes) -> _Row:
    cells = _cells(line)
    if len(cells) != len(columns):
        raise RowError(Reason.CELLS_MISCOUNTED)
    named = dict(zip(columns, cells, strict=True))
    return _Row(named["id"], named)


def _listing(row: _Row) -> Listing:
    return Listing(
        source=NAME,
        source_id=fields.identifier(row.id),
        symbol=fields.symbol(row.cells["symbol"]),
        name=fields.name(row.cells["name"]),
        active=True,
    )


def _quote(row: _Row, source_id: str, raw: bytes, fetched_at: datetime) -> Quote | None:  # noqa: ARG001  # the line is no JSON
    price = fields.price(_number(row.cells["price_usd"]))
    observed_at = fields.observed_at(row.cells["observed_at"].strip(), fetched_at)
    if price is None or observed_at is None:
        return None
    return Quote(
        source_id=source_id,
        observed_at=observed_at,
        price=price,
        market_cap=fields.amount(_number(row.cells.get("market_cap_usd", "")), zero_is_unknown=True),
        volume_24h=fields.amount(_number(row.cells.get("volume_24h_usd", ""))),
        ath_price=None,
        ath_at=None,
        raw=msgspec.json.encode(row.cells),
    )


def _number(text: str) -> float | str | None:
    """The number that a cell is; the text where it is none, and None where it is empty."""
    text = text.strip()
    return float(text) if _NUMBER.fullmatch(text) else text or None


def _contracts(row: _Row, source_id: str) -> Found:
    """The contracts of a cell: `platform:address`, several separated by blanks or bars. All of them, or none and why."""
    given = dict.fromkeys(text for text in _BETWEEN.split(row.cells.get("contracts", "")) if text)
    if len(given) > CONTRACTS_MAX:
        return [], [Reason.CONTRACT_TOO_MANY]
    found: list[ListingContract] = []
    for text in given:
        platform, _, address = text.partition(":")
        try:
            usable = fields.address(platform) and fields.address(address)
        except RowError:
            usable = None
        if not usable:
            return [], [Reason.CONTRACT_UNUSABLE]
        found.append(ListingContract(source_id=source_id, platform=platform, address=address))
    return found, []
