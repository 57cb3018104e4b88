"""/export: everything that the catalog holds of one kind, streamed."""

import asyncio
from collections.abc import AsyncIterator

from kasparro.catalog.entries import Catalog
from kasparro.catalog.tables import COINS, PRICES, Table, TableFormat, table_parts
from kasparro.serving.operations import Answer, Answered, Call, Operation

CSV = "text/csv; charset=utf-8"
_MEDIA_TYPES: dict[TableFormat, str] = {"csv": CSV, "ndjson": "application/x-ndjson"}
_TABLES = {
    "coins": (COINS, "Every coin, priced or not", "Rows of /data by id"),
    "prices": (PRICES, "The price of every coin that has one, and where it comes from", "Prices by coin id"),
}


def operations() -> list[Operation]:
    """What these paths answer."""
    return [_operation(name, table_format) for name in _TABLES for table_format in _MEDIA_TYPES]


def _operation(name: str, table_format: TableFormat) -> Operation:
    table, summary, content = _TABLES[name]

    async def export(call: Call) -> Answer:
        return streamed(call, name, table, table_format)

    form = "as CSV with a header line" if table_format == "csv" else "one JSON object a line"
    return Operation(
        path=f"/export/{name}.{table_format}",
        handle=export,
        operation_id=f"export_{name}_{table_format}",
        summary=f"{summary}, {form}",
        tag="coins",
        answers={200: Answered(f"{content}, {form}; of one catalog version.", media_type=_MEDIA_TYPES[table_format])},
        conditional=True,
        whole=True,
    )


def streamed(call: Call, name: str, table: Table, table_format: TableFormat) -> Answer:
    """A table of the catalog that is current when it begins; what is in memory of it at a time is some hundred rows."""
    headers = [("content-disposition", f'attachment; filename="{name}.{table_format}"')]
    parts = _parts(call.services.catalog.current, table, table_format)
    return Answer(body=parts, media_type=_MEDIA_TYPES[table_format], headers=headers)


async def _parts(catalog: Catalog, table: Table, table_format: TableFormat) -> AsyncIterator[bytes]:
    for part in table_parts(catalog, table, table_format):
        yield part
        await asyncio.sleep(0)
