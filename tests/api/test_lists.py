"""/data and /coins: rows, filters, orders, and walks over all pages."""

from typing import Any

import pytest

from tests.api.conftest import Server
from tests.api.factory import Market


async def _small_market(market: Market) -> dict[str, int]:
    return {
        "bitcoin": await market.coin(
            "bitcoin", 87593.11, symbol="BTC", name="Bitcoin", sources=("coingecko", "coinpaprika"), market_cap=1.7e12, volume=3e10,
            source_ids={"coinpaprika": "btc-bitcoin"},
        ),
        "ethereum": await market.coin("ethereum", 2900.5, symbol="ETH", name="Ethereum", market_cap=3.5e11, volume=5e10),
        "tiny": await market.coin("tiny", 1e-18, symbol="TINY", volume=1.0),
        "bitcoin-2": await market.coin("bitcoin-2", 1.26e14, symbol="BTC", name="Bitcoin Clone", sources=("coinpaprika",)),
        "unpriced": await market.coin("unpriced", None, symbol="NOPE"),
    }  # fmt: skip


@pytest.mark.smoke
async def test_rows_are_as_the_contract_says(api: Server, market: Market) -> None:
    """A row carries symbol, name, sources, price and where it stands, the float64 as it was stored."""
    await _small_market(market)
    await api.refresh()

    status, body, headers = await api.get("/data")

    assert status == 200
    assert [row["id"] for row in body] == ["bitcoin", "ethereum", "tiny", "bitcoin-2"]
    first = body[0]
    assert first["symbol"] == "BTC"
    assert first["name"] == "Bitcoin"
    assert first["sources"] == ["coingecko", "coinpaprika"]
    assert first["latest_price_usd"] == 87593.11
    assert first["observed_at"] == "2026-03-01T12:00:00Z"
    assert first["confidence"] == 0.8
    assert first["flags"] == []
    assert body[2]["latest_price_usd"] == 1e-18
    assert body[3]["latest_price_usd"] == 1.26e14
    assert headers["X-Total-Count"] == "4"
    assert headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("limit=2", ["bitcoin", "ethereum"]),
        ("order=volume", ["ethereum", "bitcoin", "tiny", "bitcoin-2"]),
        ("order=id", ["bitcoin", "bitcoin-2", "ethereum", "tiny"]),
        ("ids=tiny,bitcoin,nothing,btc-bitcoin", ["tiny", "bitcoin"]),
        ("ids=tiny,bitcoin&order=rank", ["bitcoin", "tiny"]),
        ("ids=btc-bitcoin", ["bitcoin"]),
        ("symbol=btc", ["bitcoin", "bitcoin-2"]),
        ("source=coinpaprika", ["bitcoin", "bitcoin-2"]),
        ("q=COIN%20cl", ["bitcoin-2"]),
        ("q=bitcoin", ["bitcoin", "bitcoin-2"]),
        ("q=bitcoin%20clone", ["bitcoin-2"]),
        ("q=clone%20btc", ["bitcoin-2"]),
        ("q=bitcon", ["bitcoin", "bitcoin-2"]),
        ("q=etherium", ["ethereum"]),
        ("q=e&all=true", ["ethereum"]),
        ("q=n", []),
        ("q=n&all=true", ["unpriced"]),
        ("q=%20", []),
        ("q=coin&source=coinpaprika&order=volume", ["bitcoin", "bitcoin-2"]),
        ("q=coin&ids=bitcoin-2,bitcoin,tiny", ["bitcoin-2", "bitcoin"]),
        ("q=coin&symbol=ETH", []),
        ("min_sources=2", ["bitcoin"]),
        ("all=true", ["bitcoin", "ethereum", "tiny", "bitcoin-2", "unpriced"]),
        ("all=true&order=id", ["bitcoin", "bitcoin-2", "ethereum", "tiny", "unpriced"]),
        ("all=true&symbol=nope", ["unpriced"]),
        ("symbol=", ["bitcoin", "ethereum", "tiny", "bitcoin-2"]),
        ("unknown=1", ["bitcoin", "ethereum", "tiny", "bitcoin-2"]),
    ],
)
async def test_filters_and_orders(api: Server, market: Market, query: str, ids: list[str]) -> None:
    """Every list parameter keeps what it says, in the order asked for."""
    await _small_market(market)
    await api.refresh()

    for path in ("/data", "/coins"):
        status, body, headers = await api.get(f"{path}?{query}")
        assert status == 200
        assert [row["id"] for row in body] == ids
        if "limit" not in query:
            assert headers["X-Total-Count"] == str(len(ids))


async def test_the_envelope_has_the_same_rows(api: Server, market: Market) -> None:
    """envelope=true wraps the rows and says what belongs to the request."""
    await _small_market(market)
    await api.refresh()

    _, rows, _ = await api.get("/data?limit=2")
    _, body, headers = await api.get("/data?limit=2&envelope=true", headers={"X-Request-ID": "abc.1"})

    assert body["data"] == rows
    assert body["request_id"] == headers["X-Request-ID"] == "abc.1"
    assert body["total"] == 4
    assert body["api_latency_ms"] >= 0
    assert body["next"] in headers["Link"]


async def test_before_the_first_data(api: Server) -> None:
    """An empty list, with when to come back; not ready, and degraded because it is starting."""
    status, body, headers = await api.get("/data")
    assert (status, body) == (200, [])
    assert int(headers["Retry-After"]) > 0
    assert (await api.get("/health/ready"))[0] == 503
    status, health, _ = await api.get("/health")
    assert (status, health["status"]) == (200, "degraded")
    assert "starting" in health["reasons"]


async def _walk(api: Server, path: str, between: Any = None) -> list[str]:
    seen: list[str] = []
    while path:
        status, body, headers = await api.get(path)
        assert status == 200, body
        seen += [row["id"] for row in body]
        link = headers.get("Link", "")
        path = link.partition("<")[2].partition(">")[0] if 'rel="next"' in link else ""
        if between is not None:
            await between()
    return seen


@pytest.mark.parametrize(
    "query",
    [
        "limit=2",
        "limit=3&all=true",
        "limit=2&order=volume",
        "limit=2&order=id&all=true",
        "limit=1&source=coingecko",
        "limit=2&all=true&source=coingecko",
        "limit=2&q=coin",
        "limit=3&q=coin&all=true",
        "limit=2&q=coin&order=volume",
        "limit=2&min_sources=1&order=id",
        "limit=3&ids=coin-3,coin-1,never-priced-1,coin-0,coin-2,coin-4,coin-5,coin-6,never-priced-2&all=true",
        "limit=2&all=true",
    ],
)
async def test_a_walk_shows_each_coin_once_though_ranks_move(api: Server, market: Market, query: str) -> None:
    """Coins that exist throughout are each shown once, whatever is published between two pages."""
    keys = [await market.coin(f"coin-{n}", 1.0 + n, market_cap=1000.0 - n, volume=float(n)) for n in range(7)]
    await market.coin("never-priced-1")
    await market.coin("never-priced-2")
    await api.refresh()
    round_ = 0

    async def shuffle() -> None:
        nonlocal round_
        round_ += 1
        for n, key in enumerate(keys):
            await market.reprice(key, 2.0 + n, market_cap=float((n * 37 * round_) % 101), volume=float((n * 53 * round_) % 97))
        await market.coin(f"newcomer-{round_}", 5.0, market_cap=1e6)
        await api.refresh()

    seen = await _walk(api, f"/data?{query}", shuffle)

    expected = {f"coin-{n}" for n in range(7)}
    if "all=true" in query and "q=" not in query:
        expected |= {"never-priced-1", "never-priced-2"}
    assert sorted(id_ for id_ in seen if not id_.startswith("newcomer")) == sorted(expected)
    assert len(seen) == len(set(seen))


@pytest.mark.smoke
async def test_the_best_matches_come_first_and_the_larger_of_equals(api: Server, market: Market) -> None:
    """What is it (without a price: after what nearly is), what begins so, its words, what contains it, typos; each by rank."""
    coins = {
        "b-exact": ("Bitcon", 1.0), "bitcoin": ("Bitcoin", 9e9), "c-begins": ("BitCone", 5.0), "c-words": ("The Bitcon", 8e9),
        "c-contains": ("Orbitcon", 7e9), "c-typo": ("Old Bitcoin", 6e9), "c-typo-unpriced": ("New Bitcoin", None), "c-other": ("Bit", 1e10),
        "c-unpriced": ("Bitcon", None),
    }  # fmt: skip
    for number, (coin_id, (name, cap)) in enumerate(coins.items()):
        await market.coin(coin_id, None if cap is None else 1.0, symbol=f"S{number}", name=name, market_cap=cap)
    await api.refresh()
    best = ["b-exact", "bitcoin", "c-begins", "c-words", "c-contains", "c-typo"]

    for limit in (1, 2, 100):
        assert await _walk(api, f"/data?q=bitcon&limit={limit}") == best
        assert await _walk(api, f"/coins?q=bitcon&all=true&limit={limit}") == [*best[:3], "c-unpriced", *best[3:], "c-typo-unpriced"]
    assert await _walk(api, "/data?q=bitcon&order=id") == sorted(best)
    assert await _walk(api, "/data?q=bitcon&order=rank") == ["bitcoin", "c-words", "c-contains", "c-typo", "c-begins", "b-exact"]


async def test_a_renamed_coin_is_found_by_its_new_name_alone(api: Server, market: Market) -> None:
    """The search knows what a publication has changed."""
    key = await market.coin("coin-a", 1.0, symbol="AAA", name="Former Name")
    await api.refresh()
    await market.execute("UPDATE catalog_version SET version = version + 1")
    await market.execute("UPDATE coins SET name = 'Present', version = (SELECT version FROM catalog_version) WHERE coin_key = $1", key)
    await api.refresh()

    assert [row["id"] for row in (await api.get("/data?q=present"))[1]] == ["coin-a"]
    assert (await api.get("/data?q=former"))[1] == []


async def test_a_cursor_of_another_list_or_a_forged_one_is_refused(api: Server, market: Market) -> None:
    """A cursor holds for the list that gave it out, and only as it was given."""
    await _small_market(market)
    await api.refresh()
    _, _, headers = await api.get("/data?limit=1")
    cursor = headers["Link"].partition("cursor=")[2].partition(">")[0]

    good, _, _ = await api.get(f"/data?limit=3&cursor={cursor}")
    assert good == 200
    for path in (
        f"/data?order=volume&cursor={cursor}", f"/coins?cursor={cursor}", f"/data?q=b&cursor={cursor}", f"/data?cursor=A{cursor[1:-1]}",
        "/data?cursor=abc", "/data?cursor=%C3%A9", "/mappings?cursor=zzzz",
    ):  # fmt: skip
        status, body, headers = await api.get(path)
        assert (status, body["code"]) == (400, "cursor_invalid"), path
        assert headers["Content-Type"] == "application/problem+json"


async def test_a_cursor_expires_after_fifteen_minutes_but_not_by_id(api: Server, market: Market) -> None:
    """An order that is kept no more is 410; a walk by id needs none."""
    keys = await _small_market(market)
    await api.refresh()
    links = {}
    for order in ("rank", "id"):
        _, _, headers = await api.get(f"/data?limit=1&order={order}")
        links[order] = headers["Link"].partition("<")[2].partition(">")[0]
    await market.reprice(keys["tiny"], 2.0)
    await api.refresh()
    assert (await api.get(links["rank"]))[0] == 200

    api.clock.advance(15 * 60 + 1)

    status, body, _ = await api.get(links["rank"])
    assert (status, body["code"]) == (410, "cursor_expired")
    assert (await api.get(links["id"]))[0] == 200
