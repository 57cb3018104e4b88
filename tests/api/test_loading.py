"""The first seconds of a process: lists of the coins with a price are served, and what needs more says that it is not known yet."""

import asyncio
from collections.abc import AsyncIterator, Container
from typing import Any

import pytest

from kasparro.store import catalog_rows
from tests.api.conftest import TOKEN, Server
from tests.api.factory import Market
from tests.api.test_stream import stream

_LISTS = [
    "/data",
    "/coins?order=volume&limit=1",
    "/data?ids=ether,bitcoin",
    "/data?symbol=btc",
    "/data?q=bitcoi",
    "/data?source=coinpaprika",
    "/data?min_sources=2&order=id",
    "/prices?ids=bitcoin,ether",
]
_CONTRACT = "0x52908400098527886e0f7030069857d2e4169ee7"
_WHOLE = [
    "/coins/bitcoin",
    "/coins/btc-bitcoin",
    "/coins/unpriced",
    "/coins/bitcoin/history",
    "/coins/bitcoin/candles?interval=1h",
    "/data?all=true",
    "/coins?ids=bitcoin,btc-bitcoin",
    "/data?ids=unpriced",
    "/prices?ids=bitcoin,btc-bitcoin",
    "/stream?ids=bitcoin,btc-bitcoin",
    "/resolve?symbol=BTC",
    "/resolve?source=coinpaprika&source_id=btc-bitcoin",
    f"/resolve?platform=ethereum&address={_CONTRACT}",
    "/mappings",
    "/mappings.csv",
    "/export/coins.csv",
    "/export/prices.ndjson",
    "/pages/coins/bitcoin",
    "/health/ready",
]
_ADMIN = [("GET", "/admin/judgements"), ("POST", "/admin/judgements"), ("DELETE", "/admin/judgements/1")]


class Loading:
    """A catalog that is held where only what lists show of the coins with a price is known."""

    def __init__(self, api: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        self._api = api
        self._go_on = asyncio.Event()
        read = catalog_rows.read_other_coin_keys

        async def held(conn: Any, known: Container[int]) -> list[int]:
            await self._go_on.wait()
            return await read(conn, known)

        monkeypatch.setattr(catalog_rows, "read_other_coin_keys", held)

    async def begin(self) -> None:
        """Wait until lists are served."""
        self._refreshing = asyncio.create_task(self._api.refresh())
        async with asyncio.timeout(5):
            while not self._api.services.catalog.current.version:
                await asyncio.sleep(0.005)
        assert not self._api.services.catalog.current.complete

    async def end(self) -> None:
        """Let the catalog be complete."""
        self._go_on.set()
        await self._refreshing
        assert self._api.services.catalog.current.complete


@pytest.fixture
async def loading(api: Server, market: Market, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Loading]:
    """Two coins with a price, one with an alias and a contract, and one without a price."""
    both, alias = ("coingecko", "coinpaprika"), {"coinpaprika": "btc-bitcoin"}
    await market.coin("bitcoin", 2.0, symbol="BTC", sources=both, source_ids=alias, contract=("ethereum", _CONTRACT))
    await market.coin("ether", 1.0, market_cap=5.0)
    await market.coin("unpriced", symbol="BTC")
    held = Loading(api, monkeypatch)
    yield held
    await held.end()


async def test_lists_are_served_as_they_will_be(api: Server, loading: Loading) -> None:
    """Rows, order, totals and links are those of the complete catalog; only the ETag has to wait."""
    await loading.begin()
    early = [await api.get(path) for path in _LISTS]
    page = (await api.get("/", headers={"Accept": "text/html"}))[:2]
    await loading.end()

    for path, (status, body, headers) in zip(_LISTS, early, strict=True):
        assert (status, body, headers.get("link"), headers.get("x-total-count")) == _without_etag(await api.get(path)), path
        assert "etag" not in headers
    assert page[0] == 200
    assert b"/pages/coins/ether" in page[1]


def _without_etag(answer: tuple[int, Any, Any]) -> tuple[int, Any, str | None, str | None]:
    status, body, headers = answer
    assert "etag" in headers
    return status, body, headers.get("link"), headers.get("x-total-count")


async def test_what_needs_more_than_lists_is_not_known_yet(api: Server, loading: Loading, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it takes long 503 with the time to wait, and neither less than there is nor a word that there is nothing; then an answer."""
    monkeypatch.setattr("kasparro.serving.loading.WAIT_SECONDS", 0.01)
    await loading.begin()
    for path in _WHOLE:
        status, body, headers = await api.get(path)
        assert (status, headers["retry-after"]) == (503, "1"), path
        if not path.startswith("/pages"):
            assert body["code"] == "catalog_loading", path
    for method, path in _ADMIN:
        status, body, _ = await _judging(api, method, path)
        assert (status, body["code"]) == (503, "catalog_loading"), path
    assert (await api.get("/admin/judgements"))[0] == 401, "who has no token is told nothing"
    assert (await api.get("/mappings?limit=0"))[0] == 400
    await loading.end()

    for path in _WHOLE:
        if not path.startswith("/stream"):
            assert (await api.get(path))[0] in (200, 308), path
    for method, path in _ADMIN:
        assert (await _judging(api, method, path))[0] in (200, 201), path


async def test_what_needs_more_than_lists_waits_a_moment(api: Server, loading: Loading) -> None:
    """Who asks for it meanwhile has the answer of the complete catalog."""
    await loading.begin()
    paths = [path for path in _WHOLE if not path.startswith(("/stream", "/health"))]
    asked = [asyncio.create_task(api.get(path)) for path in paths]
    await asyncio.sleep(0.1)
    assert not any(task.done() for task in asked)
    await loading.end()

    for path, (status, body, headers) in zip(paths, await asyncio.gather(*asked), strict=True):
        now = await api.get(path)
        assert status == now[0] in (200, 308), path
        assert headers.get("etag") in (None, now[2].get("etag")), path
        assert body == now[1] or path.startswith("/pages"), path


async def test_of_an_empty_database_it_is_known_that_there_is_nothing(api: Server) -> None:
    """Once it has said so."""
    api.services.catalog.complete.clear()
    await api.refresh()
    assert (await api.get("/coins/bitcoin"))[0] == 404


async def test_nothing_is_denied_before_the_first_look(api: Server, loading: Loading) -> None:
    """Until the database was looked at it is not known that there is nothing: who asks then waits as well."""
    api.services.catalog.complete.clear()
    coin, coins = (asyncio.create_task(api.get(path)) for path in ("/coins/bitcoin", "/data"))
    await asyncio.sleep(0.05)
    assert not coins.done()
    assert (await api.get("/health/ready"))[1]["code"] == "catalog_loading"
    await loading.begin()
    status, rows, headers = await coins
    assert (status, [row["id"] for row in rows], headers.get("etag")) == (200, ["ether", "bitcoin"], None)
    assert "retry-after" not in headers
    assert not coin.done()
    await loading.end()
    assert (await coin)[0] == 200


async def test_what_waits_from_before_the_first_look_has_no_tag_of_nothing(api: Server, loading: Loading) -> None:
    """It is of the first version: with the tag of an empty catalog any other process that starts later would call it unchanged."""
    api.services.catalog.complete.clear()
    paths = ["/data?ids=bitcoin,unpriced", "/prices?ids=bitcoin,unpriced", "/data?all=true"]
    asked = [asyncio.create_task(api.get(path)) for path in paths]
    await asyncio.sleep(0.05)
    await loading.begin()
    await loading.end()

    for path, (status, body, headers) in zip(paths, await asyncio.gather(*asked), strict=True):
        assert (status, body) == (await api.get(path))[:2], path
        assert "etag" not in headers, path


async def test_streams_that_waited_together_are_bounded_in_number(api: Server, loading: Loading, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that came before the catalog was complete are counted when they begin, not when they were asked for."""
    monkeypatch.setattr("kasparro.api.stream.READERS_MAX", 1)
    await loading.begin()
    asked = [asyncio.create_task(api.client.get(f"{api.url}/stream?ids=unpriced").__aenter__()) for _ in range(3)]
    await asyncio.sleep(0.1)
    await loading.end()
    answers = await asyncio.gather(*asked)
    assert sorted(answer.status for answer in answers) == [200, 503, 503]
    for answer in answers:
        answer.close()


async def test_a_database_that_never_answered_denies_nothing(api: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether there are such coins is not known: 503, neither 404 nor an empty list."""
    monkeypatch.setattr("kasparro.serving.loading.WAIT_SECONDS", 0.3)
    holder = api.services.catalog
    holder.complete.clear()

    async def fails(_conn: Any) -> Any:
        raise OSError

    monkeypatch.setattr(catalog_rows, "read_pulse", fails)
    following = asyncio.create_task(holder.follow(0.05))
    async with asyncio.timeout(2):
        for path in ("/coins/bitcoin", "/data", "/data?q=bit", "/prices?ids=bitcoin"):
            assert (await api.get(path))[0] == 503, path
        assert (await api.get("/", headers={"Accept": "text/html"}))[0] == 503
    assert holder.looked.is_set()
    following.cancel()


async def _judging(api: Server, method: str, path: str) -> tuple[int, Any, Any]:
    said = {"listing": {"source": "coingecko", "source_id": "bitcoin"}, "coin_id": "bitcoin", "verdict": "same"}
    headers = {"Authorization": f"Bearer {TOKEN}"}
    return await api.request(method, path, headers=headers, **({"json": said} if method == "POST" else {}))


async def test_readers_of_listed_coins_are_told_once(api: Server, loading: Loading) -> None:
    """A stream of coins that lists show begins with their state, and the rest of the catalog is no news to it."""
    await loading.begin()
    async with stream(api, "ids=bitcoin,ether") as events:
        assert [event[0] for event in await events.until("version")] == ["price", "price", "version"]
        await loading.end()
        assert (await events.next())[0] == "version"


async def test_a_reader_from_before_the_first_data_waits_for_its_aliases(api: Server, loading: Loading) -> None:
    """It follows all its coins or, until every id is known, none: those that were found first would be all that it ever hears of."""
    async with stream(api, "ids=bitcoin,ether,unpriced") as events:
        assert (await events.next())[0] == "version"
        await loading.begin()
        assert [event[0] for event in await events.until("version")] == ["version"]
        await loading.end()
        assert [event[2]["id"] for event in (await events.until("version"))[:-1]] == ["bitcoin", "ether", "unpriced"]


async def test_an_alias_is_found_where_every_coin_has_a_price(api: Server, market: Market) -> None:
    """A reader from before the first data hears of its coin though no further one came with the complete catalog."""
    async with stream(api, "ids=btc-bitcoin") as events:
        assert (await events.next())[0] == "version"
        await market.coin("bitcoin", 2.0, source_ids={"coingecko": "btc-bitcoin"})
        await api.refresh()
        while (event := await events.next())[0] != "price":
            pass
        assert event[2]["id"] == "bitcoin"
