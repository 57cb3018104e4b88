"""Everything that a catalog holds of one kind, as text in parts: for files and for answers that are streamed."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, TypeAlias

import msgspec

from kasparro.catalog.entries import Catalog, Entry
from kasparro.catalog.rows import CoinRow, MappingRow, PriceRow, coin_row, mapping_rows, price_rows

TableFormat: TypeAlias = Literal["csv", "ndjson"]

_WORDS = frozenset({"symbol", "name"})  # the columns whose words are whoever's made the coin
_BEGINS_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_COINS_PER_PART = 250  # some milliseconds of work


class Table(msgspec.Struct, frozen=True):
    """Rows of one kind."""

    row: type[msgspec.Struct]
    rows: Callable[[Entry], Sequence[msgspec.Struct]]  # those of one coin


COINS = Table(CoinRow, lambda entry: [coin_row(entry)])
PRICES = Table(PriceRow, price_rows)
MAPPINGS = Table(MappingRow, mapping_rows)
TABLES = {"coins": COINS, "prices": PRICES, "mappings": MAPPINGS}


def table_rows(catalog: Catalog, table: Table) -> Iterator[list[msgspec.Struct]]:
    """A table's rows by coin id, some hundred at a time; at least one list, perhaps an empty one."""
    keys = catalog.orders.id_all
    for start in range(0, max(1, len(keys)), _COINS_PER_PART):
        yield [row for key in keys[start : start + _COINS_PER_PART] for row in table.rows(catalog.entries[key])]


def table_parts(catalog: Catalog, table: Table, table_format: TableFormat) -> Iterator[bytes]:
    """A table by coin id, as `text_writer` writes it."""
    write = text_writer(table.row, table_format)
    for rows in table_rows(catalog, table):
        yield write(rows)


def text_writer(row: type[msgspec.Struct], table_format: TableFormat) -> Callable[[Sequence[msgspec.Struct]], bytes]:
    """What makes lines of rows. CSV has a header line before the first, its lists are joined by spaces, and what is not known is empty."""
    return _csv_writer(row) if table_format == "csv" else msgspec.json.Encoder().encode_lines


def _csv_writer(row_type: type[msgspec.Struct]) -> Callable[[Sequence[msgspec.Struct]], bytes]:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(row_type.__struct_fields__)

    def write(rows: Sequence[msgspec.Struct]) -> bytes:
        # Times and numbers as JSON spells them.
        plain: list[dict[str, object]] = msgspec.to_builtins(rows)
        for row in plain:
            for column in _WORDS & row.keys():
                row[column] = _harmless(str(row[column]))
        writer.writerows([[" ".join(value) if isinstance(value, tuple) else value for value in row.values()] for row in plain])
        encoded = text.getvalue().encode()
        text.seek(0)
        text.truncate()
        return encoded

    return write


def _harmless(word: str) -> str:
    """A word as a spreadsheet shows it and does not carry it out: anybody can call a coin `=HYPERLINK(...)`."""
    return f"'{word}" if word.startswith(_BEGINS_FORMULA) else word
