"""/export: everything of one kind, streamed."""

import csv
import io

import msgspec
import pytest

from tests.api.conftest import Server
from tests.api.factory import Market


@pytest.mark.parametrize("name", ["coins", "prices"])
async def test_both_forms_hold_the_same_rows(api: Server, market: Market, name: str) -> None:
    """One object a line or one CSV row, by id, of all coins or of those with a price; with an ETag and a name to be kept under."""
    await market.coin("b-coin", 2.5, sources=("coingecko", "coinpaprika"))
    await market.coin("a-coin", 1e-18)
    await market.coin("unpriced")
    await api.refresh()

    _, lines, headers = await api.get(f"/export/{name}.ndjson")
    _, text, csv_headers = await api.get(f"/export/{name}.csv")

    rows = [msgspec.json.decode(line) for line in lines.splitlines()]
    read = list(csv.DictReader(io.StringIO(text.decode())))
    identifier, value = ("id", "latest_price_usd") if name == "coins" else ("coin_id", "value_usd")
    expected = [("a-coin", 1e-18), ("b-coin", 2.5), *([("unpriced", None)] if name == "coins" else [])]
    assert [(row[identifier], row[value]) for row in rows] == expected
    assert [(row[identifier], float(row[value]) if row[value] else None) for row in read] == expected
    assert list(rows[0]) == list(read[0])
    assert (headers["content-type"], csv_headers["content-type"]) == ("application/x-ndjson", "text/csv; charset=utf-8")
    assert headers["content-disposition"] == f'attachment; filename="{name}.ndjson"'
    status, _, _ = await api.get(f"/export/{name}.ndjson", headers={"If-None-Match": headers["etag"]})
    assert status == 304
