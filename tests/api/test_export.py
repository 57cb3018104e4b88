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


async def test_a_name_that_is_a_formula_is_shown_and_not_carried_out(api: Server, market: Market) -> None:
    """In CSV an apostrophe goes before words that a spreadsheet would take for one; JSON has them as they are, and so has an id."""
    names = ['=HYPERLINK("http://evil.example")', "@gork", "-SHIBAVerse-", "+1", "Plain = Name"]
    for number, name in enumerate(names):
        await market.coin(f"-{number}", 1.0, symbol=name[:3], name=name)
    await api.refresh()

    for path in ("/export/coins.csv", "/mappings.csv"):
        read = list(csv.DictReader(io.StringIO((await api.get(path))[1].decode())))
        assert [row["name"] for row in read] == [f"'{name}" for name in names[:4]] + names[4:]
        assert [row["symbol"] for row in read] == [f"'{name[:3]}" for name in names[:4]] + [names[4][:3]]
        assert [row.get("coin_id", row.get("id")) for row in read] == [f"-{number}" for number in range(5)]
    assert [coin["name"] for coin in (await api.get("/data?order=id"))[1]] == names
