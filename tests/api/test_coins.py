"""One coin, prices in bulk, mappings and resolving."""

import csv
import io

from tests.api.conftest import Server
from tests.api.factory import Market


async def test_a_coin_shows_everything_that_is_known_of_it(api: Server, market: Market) -> None:
    """Listings, contracts, quotes per source, the price with its reasons, judgements with their evidence."""
    await market.coin(
        "bitcoin", 87593.11, symbol="BTC", name="Bitcoin", sources=("coingecko", "coinpaprika"), source_ids={"coinpaprika": "btc-bitcoin"},
        market_cap=1e12, contract=("ethereum", "0xABC"), flags=("thin",),
    )  # fmt: skip
    await api.refresh()

    status, coin, _ = await api.get("/coins/bitcoin")

    assert status == 200
    assert [(n["source"], n["source_id"]) for n in coin["listings"]] == [("coingecko", "bitcoin"), ("coinpaprika", "btc-bitcoin")]
    assert {c["address"] for c in coin["contracts"]} == {"0xABC"}
    assert [(q["source"], q["price_usd"]) for q in coin["quotes"]] == [("coingecko", 87593.11), ("coinpaprika", 87593.11)]
    price = coin["price"]
    assert (price["value_usd"], price["method"], price["source_id"]) == (87593.11, "newest", "bitcoin")
    assert price["flags"] == ["thin"]
    assert price["spread_pct"] is None
    assert price["observed_at"] == "2026-03-01T12:00:00Z"
    assert [(j["verdict"], j["rule"], j["evidence"]) for j in coin["judgements"]] == [("same", "same_contract", {"contract": "0xabc"})] * 2
    assert coin["aliases"] == ["btc-bitcoin"]


async def test_an_alias_and_a_merged_id_redirect_for_ever(api: Server, market: Market) -> None:
    """308 to the coin's own id, over several merges, with the query kept."""
    first = await market.coin("first", 1.0)
    second = await market.coin("second", 2.0, sources=("coinpaprika",), source_ids={"coinpaprika": "2-second"})
    third = await market.coin("third", 3.0, sources=("coinpaprika",))
    await api.refresh()
    assert (await api.get("/coins/second"))[0] == 200
    assert (await api.get("/coins/2-second"))[2]["Location"] == "/coins/second"

    await market.merge(third, second)
    await market.merge(second, first)
    await api.refresh()

    for gone in ("third", "second", "2-second"):
        status, _, headers = await api.get(f"/coins/{gone}?x=1")
        assert (status, headers["Location"]) == (308, "/coins/first?x=1")
    _, coin, _ = await api.get("/coins/first")
    assert sorted(n["source_id"] for n in coin["listings"]) == ["2-second", "first", "third"]
    _, rows, _ = await api.get("/data")
    assert [row["id"] for row in rows] == ["first"]


async def test_a_price_from_a_listing_that_is_not_the_coin_is_not_shown(api: Server, market: Market) -> None:
    """Even where the table still has one: the listing has gone, and so has its price."""
    key = await market.coin("split", 9.0)
    await market.execute("UPDATE judgements SET superseded_at = now(), version = 99 WHERE coin_key = $1", key)
    await api.refresh()

    _, coin, _ = await api.get("/coins/split")

    assert coin["price"] is None
    assert (await api.get("/data"))[1] == []


async def test_prices_in_bulk(api: Server, market: Market) -> None:
    """In the order asked for; what is not known is left out, an alias is the coin."""
    await market.coin("a", 1.0, source_ids={"coingecko": "a-alias"})
    await market.coin("b", 2.0)
    await market.coin("c")
    await api.refresh()

    _, body, _ = await api.get("/prices?ids=b,a-alias,c,zzz,b")

    assert [(row["id"], row["latest_price_usd"]) for row in body] == [("b", 2.0), ("a", 1.0), ("c", None)]


async def test_mappings_are_paged_and_streamed(api: Server, market: Market) -> None:
    """Every listing once, in both forms; pages may end within a coin."""
    for n in range(5):
        await market.coin(f"coin-{n}", 1.0, sources=("coingecko", "coinpaprika"), name='With "quotes", and commas')
    await api.refresh()
    seen = []
    path = "/mappings?limit=3"
    while path:
        _, body, headers = await api.get(path)
        seen += body
        assert headers["X-Total-Count"] == "10"
        path = headers.get("Link", "").partition("<")[2].partition(">")[0]

    _, text, headers = await api.get("/mappings.csv")

    rows = list(csv.DictReader(io.StringIO(text.decode())))
    assert headers["Content-Type"] == "text/csv; charset=utf-8"
    assert list(rows[0]) == ["coin_id", "source", "source_id", "symbol", "name", "rule", "confidence"]
    assert [(r["coin_id"], r["source"]) for r in rows] == [(f"coin-{n}", s) for n in range(5) for s in ("coingecko", "coinpaprika")]
    assert [{name: str(value) for name, value in row.items()} for row in seen] == rows


async def test_resolving(api: Server, market: Market) -> None:
    """By source id, by contract in any case, and by symbol with candidates."""
    await market.coin("bitcoin", 9.0, symbol="BTC", market_cap=9.0, contract=("ethereum", "0xAbC"))
    await market.coin("other", 1.0, symbol="BTC", sources=("coinpaprika",))
    await api.refresh()

    _, by_source, _ = await api.get("/resolve?source=coinpaprika&source_id=other")
    _, by_contract, _ = await api.get("/resolve?platform=Ethereum&address=0xaBc")
    _, by_symbol, _ = await api.get("/resolve?symbol=btc")

    assert by_source["coin"]["id"] == "other"
    assert by_contract["coin"]["id"] == "bitcoin"
    assert by_symbol["ambiguous"] is True
    assert by_symbol["coin"] is None
    assert [row["id"] for row in by_symbol["candidates"]] == ["bitcoin", "other"]
