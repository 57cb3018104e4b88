"""How series look: as JSON, and as CSV with the same values. Encoded in pieces, since one may have thousands of rows."""

import csv
import io
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from kasparro.records import Pieces
from kasparro.serving.operations import Shape, encoded

CSV = "text/csv; charset=utf-8"
_ROWS_PER_PIECE = 250


class Point(Shape, frozen=True, kw_only=True):
    """A price at a time: of one quote, or the last of an interval, by the listing with the most samples in it.

    With another currency it says each amount in that one as well, and by which rate.
    """

    at: datetime  # when it was observed; of an interval: when that opens
    price_usd: float
    market_cap_usd: float | None
    volume_24h_usd: float | None
    samples: int
    source: str
    source_id: str
    price: float | UnsetType | None = UNSET
    market_cap: float | UnsetType | None = UNSET
    volume_24h: float | UnsetType | None = UNSET
    per_usd: float | UnsetType | None = UNSET
    rate_source: str | UnsetType | None = UNSET
    rate_observed_at: datetime | UnsetType | None = UNSET


class Candle(Shape, frozen=True, kw_only=True):
    """What a price did in an hour or day of UTC, by the listing with the most samples in it. Amounts in US dollars."""

    opens_at: datetime
    open: float
    high: float
    low: float
    close: float
    samples: int
    market_cap_usd: float | None  # of the last sample
    volume_24h_usd: float | None  # of the last sample
    source: str
    source_id: str


class _Series(Shape, frozen=True, kw_only=True):
    """What was asked for. An interval without a quote is not there."""

    id: str
    interval: str
    from_: datetime = msgspec.field(name="from")
    to: datetime  # exclusive


class History(_Series, frozen=True, kw_only=True):
    """How a coin's price went."""

    vs: str  # the currency of `price`, `market_cap` and `volume_24h`
    points: list[Point]


class Candles(_Series, frozen=True, kw_only=True):
    """A coin's candles."""

    candles: list[Candle]


def as_json(series: History | Candles) -> Pieces[bytes]:
    """A series as JSON."""
    field = "points" if isinstance(series, History) else "candles"
    rows = series.points if isinstance(series, History) else series.candles
    head = encoded(msgspec.structs.replace(series, **{field: []}))
    parts: list[bytes] = []
    for start in range(0, len(rows), _ROWS_PER_PIECE):
        parts.append(encoded(rows[start : start + _ROWS_PER_PIECE])[1:-1])
        yield
    return head[: -len(b"]}")] + b",".join(parts) + b"]}"


def as_csv(series: History | Candles) -> Pieces[bytes]:
    """A series as CSV with a header line; what is not known is empty. Numbers and times are spelled as in JSON."""
    rows: Sequence[Point | Candle] = series.points if isinstance(series, History) else series.candles
    names: tuple[str, ...] = Candle.__struct_fields__
    if isinstance(series, History):
        names = Point.__struct_fields__
        if series.vs == "usd":
            names = names[: names.index("price")]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(names)
    for number, row in enumerate(rows, start=1):
        writer.writerow([_cell(getattr(row, name)) for name in names])
        if number % _ROWS_PER_PIECE == 0:
            yield
    return text.getvalue().encode()


def _cell(value: Any) -> object:  # noqa: ANN401  # of any column
    return msgspec.to_builtins(value) if isinstance(value, datetime) else value
