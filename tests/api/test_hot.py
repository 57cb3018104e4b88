"""What is answered without routing is what routing would answer."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import msgspec
import pytest

from kasparro.api.hot import KEPT_BYTES, HotAnswers
from tests.api.conftest import Server, serving
from tests.api.factory import Market

pytestmark = pytest.mark.slow

OF_THE_REQUEST = {"x-request-id", "server-timing", "date"}
OF_ITS_TIME = {"/data?envelope=true", "/health"}  # the body says something of the request or of the moment
TARGETS = [
    "/data",
    "/data?limit=5",
    "/data?limit=5&order=volume",
    "/coins",
    "/coins/coin-3",
    "/coins/coin-3?x=1",
    "/coins/nothing",
    "/coins/coin%2D3",
    "/prices?ids=coin-1,coin-2",
    "/resolve?symbol=COIN",
    "/mappings",
    "/mappings.csv",
    "/health",
    "/data?limit=0",
    "/data?envelope=true",
    "/openapi.json",
]
HEADERS: list[dict[str, str]] = [
    {},
    {"Accept-Encoding": "gzip"},
    {"Accept-Encoding": "zstd, gzip;q=0.5"},
    {"If-None-Match": "*"},
    {"If-None-Match": 'W/"none"'},
]


@pytest.fixture
async def slow(filled: Server) -> AsyncIterator[str]:
    """The same API behind uvicorn's own protocol."""
    async with serving(filled.services, quick=False) as url:
        yield url


async def _ask(url: str, method: str, target: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
    # Without aiohttp's own headers and decompression: bytes are compared.
    async with (
        aiohttp.ClientSession(auto_decompress=False, skip_auto_headers=["Accept-Encoding", "User-Agent"]) as client,
        client.request(method, url + target, headers=headers, allow_redirects=False) as answer,
    ):
        shown = {name.lower(): value for name, value in answer.headers.items() if name.lower() not in OF_THE_REQUEST}
        assert OF_THE_REQUEST - {"date"} <= {name.lower() for name in answer.headers}
        return answer.status, shown, await answer.read()


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_both_ways_answer_alike(filled: Server, slow: str, method: str, target: str) -> None:
    """Status, headers and body, at the first request and at the next ones, whatever is accepted and known already."""
    tag = (await _ask(slow, "GET", target, {}))[1].get("etag")
    for headers in [*HEADERS, *([{"If-None-Match": tag}, {"If-None-Match": f'"x", {tag}', "Accept-Encoding": "gzip"}] if tag else [])]:
        expected = await _ask(slow, method, target, headers)
        for _ in range(3):
            status, shown, body = await _ask(filled.url, method, target, headers)
            if target in OF_ITS_TIME:
                shown.pop("content-length", None)
                expected[1].pop("content-length", None)
            assert (status, shown) == (expected[0], expected[1])
            assert body == expected[2] or target in OF_ITS_TIME


@pytest.mark.parametrize(("length", "encoded"), [(10, None), (5_000, "gzip")])
async def test_a_coin_is_compressed_where_it_is_large(api: Server, market: Market, length: int, encoded: str | None) -> None:
    """Both ways alike, before and after it was kept; of what is small the bytes that are kept go out as they are."""
    await market.coin("bitcoin", 1.0, name="x" * length)
    await api.refresh()
    async with serving(api.services, quick=False) as slow:
        for _ in range(3):
            answers = [await _ask(url, "GET", "/coins/bitcoin", {"Accept-Encoding": "gzip"}) for url in (api.url, slow)]
            assert answers[0] == answers[1]
            assert answers[0][1].get("content-encoding") == encoded


async def test_where_the_short_way_fails_the_application_answers(filled: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of ours is not called the client's, and the connection stays open."""

    def fails(*_arguments: object, **_options: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(HotAnswers, "answer", fails)
    for method in ("GET", "HEAD"):
        for _ in range(2):
            assert (await filled.request(method, "/coins/coin-3"))[0] == 200


async def test_a_new_catalog_is_answered_from_at_once(api: Server, market: Market) -> None:
    """Nothing that was kept outlives the catalog that it was made of."""
    key = await market.coin("bitcoin", 1.0)
    await api.refresh()
    for _ in range(3):
        assert (await api.get("/data"))[1][0]["latest_price_usd"] == 1.0
        assert (await api.get("/coins/bitcoin"))[1]["latest_price_usd"] == 1.0
    await market.reprice(key, 2.0)

    await api.refresh()

    assert (await api.get("/data"))[1][0]["latest_price_usd"] == 2.0
    assert (await api.get("/coins/bitcoin"))[1]["latest_price_usd"] == 2.0


async def test_a_request_keeps_its_id_and_is_counted(filled: Server) -> None:
    """A client's id comes back; each request shows in the metrics under its route."""
    for _ in range(3):
        _, _, headers = await filled.get("/coins/coin-5", headers={"X-Request-ID": "mine.1", "Accept-Encoding": "identity"})
        assert headers["X-Request-ID"] == "mine.1"
    ids = {(await filled.get("/coins/coin-5"))[2]["X-Request-ID"] for _ in range(3)}
    assert len(ids) == 3

    metrics = (await filled.get("/metrics"))[1].decode()

    answered = 'kasparro_http_requests_total{method="GET",route="/coins/{coin_id}",status_class="2xx"} '
    counted = next(line for line in metrics.splitlines() if line.startswith(answered))
    assert float(counted.removeprefix(answered)) >= 6
    assert 'kasparro_http_request_seconds_bucket{le="+Inf",route="/coins/{coin_id}"}' in metrics


async def _raw(server: Server, *pieces: bytes) -> bytes:
    """What comes back for bytes as they are, until the server closes or is silent for a moment."""
    host, port = server.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.02)
    answer = b""
    try:
        while chunk := await asyncio.wait_for(reader.read(65_536), 0.4):
            answer += chunk
    except TimeoutError:
        pass
    writer.close()
    return answer


PLAIN = b"GET /coins/coin-2 HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    ("pieces", "answers"),
    [
        ((PLAIN * 3,), 3),
        ((PLAIN + b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" + PLAIN,), 3),
        ((PLAIN[:20], PLAIN[20:]), 1),
        ((b"GET /coins/coin-2 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n", b"abc", PLAIN), 2),
        ((b"GET /coins/coin-2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", PLAIN), 2),
        ((b"GET /coins/coin-2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",), 1),
        ((b"GET /coins/coin-2 HTTP/1.0\r\n\r\n",), 1),
        ((b"GET /coins/coin-2 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",), 1),
    ],
)
async def test_requests_that_are_not_plain_are_answered_in_order(filled: Server, pieces: tuple[bytes, ...], answers: int) -> None:
    """Pipelined, split, with a body, closing, old and upgrading ones: each gets its one answer."""
    answer = await _raw(filled, *pieces)
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == answers


@pytest.mark.parametrize(("query", "body", "answers"), [(b"", b"x" * 900_000, 60), (b"&x=" + b"y" * 8_000, b"[]", 4_000)])
def test_what_is_kept_is_bounded(filled: Server, query: bytes, body: bytes, answers: int) -> None:
    """By all that an answer takes, its own address included; the least recently used go first."""
    hot = HotAnswers(filled.services)
    catalog, first = filled.services.catalog.current, b"/data?limit=0" + query
    for n in range(answers):
        hot.keep(catalog, b"/data?limit=%d%b" % (n, query), None, "/data", [(b"etag", b'W/"1"')], body)
        hot.answer(first, (), (), None, with_body=False)
    assert sum(len(target) + len(kept.body) for (target, _), kept in hot._kept.items()) <= hot._bytes <= KEPT_BYTES
    assert hot.answer(first, (), (), None, with_body=True) is not None
    assert hot.answer(b"/data?limit=1" + query, (), (), None, with_body=True) is None


def test_what_is_kept_goes_with_its_catalog(filled: Server) -> None:
    """Also where nobody asks for anything afterwards: an old catalog is as large as the current one."""
    holder, hot = filled.services.catalog, HotAnswers(filled.services)
    hot.keep(holder.current, b"/data", None, "/data", [(b"etag", b'W/"1"')], b"[]")

    holder._take(msgspec.structs.replace(holder.current), ())

    assert not hot._kept
    assert hot._catalog is holder.current
