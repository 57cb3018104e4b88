"""Everything that a catalog holds of one kind, as text in parts: for files and for answers that are streamed."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, TypeAlias

import msgspec

from kasparro.catalog.entries import Catalog, Entry
from kasparro.catalog.rows import CoinRow, MappingRow, PriceRow, coin_row, mapping_rows, price_rows

TableFormat: TypeAlias = Literal["csv", "ndjson"]

_COINS_PER_PART = 250  # some milliseconds of work


class Table(msgspec.Struct, frozen=True):
    """Rows of one kind."""

    row: type[msgspec.Struct]
    rows: Callable[[Entry], Sequence[msgspec.Struct]]  # those of one coin


COINS = Table(CoinRow, lambda entry: [coin_row(entry)])
PRICES = Table(PriceRow, price_rows)
MAPPINGS = Table(MappingRow, mapping_rows)
TABLES = {"coins": COINS, "prices": PRICES, "mappings": MAPPINGS}


def table_parts(catalog: Catalog, table: Table, table_format: TableFormat) -> Iterator[bytes]:
    """A table by coin id. CSV has a header line, its lists are joined by spaces, and what is not known is empty."""
    write = _csv_writer(table) if table_format == "csv" else msgspec.json.Encoder().encode_lines
    keys = catalog.orders.id_all
    for start in range(0, max(1, len(keys)), _COINS_PER_PART):
        yield write([row for key in keys[start : start + _COINS_PER_PART] for row in table.rows(catalog.entries[key])])


def _csv_writer(table: Table) -> Callable[[list[msgspec.Struct]], bytes]:
    """What makes lines of rows; the first time with a header line."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    columns = table.row.__struct_fields__
    writer.writerow(columns)

    def write(rows: list[msgspec.Struct]) -> bytes:
        for row in rows:
            writer.writerow([_cell(value) for value in msgspec.structs.astuple(row)])
        encoded = text.getvalue().encode()
        text.seek(0)
        text.truncate()
        return encoded

    return write


def _cell(value: object) -> object:
    """A value as CSV has it: times and numbers as JSON spells them."""
    if isinstance(value, tuple):
        return " ".join(value)
    return value if isinstance(value, str | float | None) else msgspec.to_builtins(value)
