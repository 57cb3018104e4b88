"""One coin, prices in bulk, mappings and resolving."""

import csv
import io

import pytest

from tests.api.conftest import Server
from tests.api.factory import Market


@pytest.mark.smoke
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


USDT, OTHER = "0xdAC17F958D2ee523a2206206994597C13D831ec7", "0x" + "1" * 40
SOLANA = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"


async def _contracts(market: Market) -> None:
    await market.coin("tether", 1.0, symbol="USDT", market_cap=9.0, contract=("ethereum", USDT.lower()))
    await market.coin("usdt-tether", 1.0, symbol="USDT", sources=("coinpaprika",), contract=("eth-ethereum", OTHER))
    await market.coin("elsewhere", 1.0, contract=("polygon-pos", USDT))
    await market.coin("usd-coin", 1.0, contract=("solana", SOLANA))
    await market.coin("unknown-chain", 1.0, sources=("coinpaprika",), contract=("new-Chain", "abc"))


@pytest.mark.parametrize(
    ("platform", "address", "coin"),
    [
        ("ethereum", USDT, "tether"),
        ("Ethereum", USDT.upper().replace("0X", "0x"), "tether"),
        ("eth-ethereum", USDT, "tether"),
        ("eth-ethereum", OTHER, "usdt-tether"),
        ("ethereum", OTHER, "usdt-tether"),
        ("matic-polygon", USDT, "elsewhere"),
        ("sol-solana", SOLANA, "usd-coin"),
        ("solana", SOLANA.lower(), None),
        ("tron", USDT, None),
        ("new-Chain", "abc", "unknown-chain"),
        ("ethereum", "0x" + "0" * 40, None),
    ],
)
async def test_a_contract_resolves_by_either_sources_name_of_the_chain(
    api: Server, market: Market, platform: str, address: str, coin: str | None
) -> None:
    """Addresses of Ethereum's kind in any case, others exactly; one address on two chains is two contracts."""
    await _contracts(market)
    await api.refresh()

    status, body, _ = await api.get(f"/resolve?platform={platform}&address={address}")

    assert status == (404 if coin is None else 200)
    assert coin is None or (body["coin"]["id"], body["candidates"], body["ambiguous"]) == (coin, [], False)


async def test_a_symbol_resolves_to_candidates(api: Server, market: Market) -> None:
    """In any case, always with candidates, best first; one alone is the coin."""
    await market.coin("unpriced", symbol="BTC")
    await market.coin("other", 1.0, symbol="BTC", sources=("coinpaprika",))
    await market.coin("bitcoin", 9.0, symbol="BTC", market_cap=9.0)
    await market.coin("alone", 1.0, symbol="ALONE")
    await api.refresh()

    _, several, _ = await api.get("/resolve?symbol=btc")
    _, one, _ = await api.get("/resolve?symbol=alone")

    assert (several["ambiguous"], several["coin"]) == (True, None)
    assert [row["id"] for row in several["candidates"]] == ["bitcoin", "other", "unpriced"]
    assert (one["ambiguous"], one["coin"]["id"]) == (False, "alone")
    assert [row["id"] for row in one["candidates"]] == ["alone"]
    assert (await api.get("/resolve?symbol=none"))[0] == 404


async def test_a_listing_resolves_to_the_coin_that_it_is_now(api: Server, market: Market) -> None:
    """After a merge to the other coin; a listing that waits for its coin is known to nobody yet."""
    loser = await market.coin("loser", 1.0)
    await market.merge(loser, await market.coin("winner", 1.0, sources=("coinpaprika",)))
    await market.execute(
        "INSERT INTO listings (source, source_id, symbol, name, active, first_seen_at, last_seen_at)"
        " VALUES ('coingecko', 'waits', 'W', 'W', true, now(), now())"
    )
    await api.refresh()

    assert (await api.get("/resolve?source=coingecko&source_id=loser"))[1]["coin"]["id"] == "winner"
    assert (await api.get("/resolve?source=coingecko&source_id=waits"))[0] == 404
    assert (await api.get("/resolve?source=coinpaprika&source_id=loser"))[0] == 404


async def test_an_unknown_id_is_answered_with_near_ones(api: Server, market: Market) -> None:
    """404 with ids that may have been meant; none where nothing is near."""
    await market.coin("bitcoin", 9.0, symbol="BTC", market_cap=9.0)
    await market.coin("bitcoin-cash", 9.0, symbol="BCH", market_cap=8.0)
    await api.refresh()

    status, problem, _ = await api.get("/coins/BTC")
    assert (status, problem["code"], problem["candidates"]) == (404, "not_found", ["bitcoin"])
    assert (await api.get("/coins/bitcoi"))[1]["candidates"] == ["bitcoin", "bitcoin-cash"]
    assert "candidates" not in (await api.get("/coins/zzz"))[1]


async def test_a_wrapped_coin_names_what_it_stands_for(api: Server, market: Market) -> None:
    """And that one names it, over merges; other coins name none."""
    bitcoin = await market.coin("bitcoin", 9.0, market_cap=9.0)
    old = await market.coin("old-bitcoin", 9.0, sources=("coinpaprika",))
    await market.coin("wrapped-bitcoin", 9.0, wraps=bitcoin, market_cap=1.0)
    await market.coin("bridged-bitcoin", 9.0, wraps=old, market_cap=2.0)
    await market.merge(old, bitcoin)
    await api.refresh()

    coins = {name: (await api.get(f"/coins/{name}"))[1] for name in ("bitcoin", "wrapped-bitcoin", "bridged-bitcoin")}

    assert {name: coin["wraps"] for name, coin in coins.items()} == {
        "bitcoin": None, "wrapped-bitcoin": "bitcoin", "bridged-bitcoin": "bitcoin",
    }  # fmt: skip
    assert coins["bitcoin"]["wrapped_by"] == ["bridged-bitcoin", "wrapped-bitcoin"]
    assert coins["wrapped-bitcoin"]["wrapped_by"] == []
