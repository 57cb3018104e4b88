"""What all answers have in common: ids, slashes, HEAD, ETags, compression, refusals."""

import asyncio
import zlib
from typing import Any

import msgspec
import pytest

from kasparro.zstd import zstd
from tests.api.conftest import Server
from tests.api.factory import Market

CATALOG_PATHS = ["/data", "/coins", "/coins/coin-1", "/prices?ids=coin-1", "/mappings", "/mappings.csv", "/resolve?symbol=COIN"]
PATHS = [
    *CATALOG_PATHS,
    "/",
    "/health",
    "/health/live",
    "/health/ready",
    "/stats",
    "/runs",
    "/runs/1",
    "/metrics",
    "/docs",
    "/openapi.json",
]


@pytest.mark.parametrize("path", PATHS)
async def test_every_answer_carries_an_id_and_its_time(filled: Server, path: str) -> None:
    """X-Request-ID is the client's where it may be, else a new one; Server-Timing is there."""
    status, _, headers = await filled.get(path, headers={"X-Request-ID": "A-z.0_9"})
    assert status == 200
    assert headers["X-Request-ID"] == "A-z.0_9"
    assert headers["Server-Timing"].startswith("app;dur=")
    for bad in ("", "x" * 65, "white space", "é"):
        _, _, headers = await filled.get(path, headers={"X-Request-ID": bad})
        assert headers["X-Request-ID"] not in {bad, "A-z.0_9"}
        assert 1 <= len(headers["X-Request-ID"]) <= 64


@pytest.mark.parametrize("path", ["/data/", "//data", "/data//?limit=1", "/coins//coin-1/", "/health/live/", "//health///live"])
async def test_trailing_and_doubled_slashes_are_tolerated(filled: Server, path: str) -> None:
    """The same answer as without them."""
    status, _, _ = await filled.get(path)
    assert status == 200


@pytest.mark.parametrize("path", PATHS)
async def test_head_is_get_without_a_body(filled: Server, path: str) -> None:
    """HEAD has the status and headers of GET, its Content-Length among them."""
    got_status, _, got_headers = await filled.get(path, headers={"Accept-Encoding": "identity"})
    status, body, headers = await filled.request("HEAD", path, headers={"Accept-Encoding": "identity"})

    assert status == got_status
    assert body == b""
    for name in ("Content-Type", "ETag", "Vary", "X-Total-Count"):
        assert headers.get(name) == got_headers.get(name)
    # The metrics and the figures of a request change from one to the next.
    if path not in {"/metrics", "/mappings.csv"}:
        assert headers["Content-Length"] == got_headers["Content-Length"]
        assert int(headers["Content-Length"]) > 0


@pytest.mark.parametrize("path", CATALOG_PATHS)
async def test_an_etag_is_answered_with_304(filled: Server, path: str) -> None:
    """Weak, of version and representation; 304 has no body and names the tag."""
    _, _, headers = await filled.get(path)
    tag = headers["ETag"]
    assert tag.startswith('W/"')
    for condition in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
        status, body, headers = await filled.get(path, headers={"If-None-Match": condition})
        assert (status, body, headers["ETag"]) == (304, b"", tag)
        assert "Accept-Encoding" in headers["Vary"]
    assert (await filled.get(path, headers={"If-None-Match": '"other"'}))[0] == 200


async def test_another_version_has_other_etags(api: Server, market: Market) -> None:
    """What was read before a publication is read anew after it."""
    await market.coin("coin-1", 1.0)
    await api.refresh()
    tags = {path: (await api.get(path))[2]["ETag"] for path in CATALOG_PATHS}

    await market.coin("another", 1.0)
    await api.refresh()

    for path, tag in tags.items():
        status, _, headers = await api.get(path, headers={"If-None-Match": tag})
        assert status == 200
        assert headers["ETag"] != tag


async def test_etags_tell_representations_apart(filled: Server) -> None:
    """Another path or query is another representation."""
    tags = {(await filled.get(path))[2]["ETag"] for path in CATALOG_PATHS}
    assert len(tags) == len(CATALOG_PATHS)


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip", "gzip"),
        ("zstd", "zstd"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("zstd;q=0.5, gzip;q=0.8", "gzip"),
        ("*", "zstd"),
        ("zstd;q=0, *;q=0.1", "gzip"),
        ("GZIP", "gzip"),
        ("br", None),
        ("identity", None),
        ("gzip;q=0", None),
        ("gzip;q=0.1, identity", None),
        ("gzip;q=abc", None),
        ("", None),
    ],
)
async def test_bodies_are_compressed_as_the_client_wants(filled: Server, accepted: str, encoding: str | None) -> None:
    """The encoding with the highest weight, zstd of equals; the body is the same once undone, the first time and from the store."""
    async with filled.client.get(filled.url + "/data", headers={"Accept-Encoding": "identity"}) as answer:
        plain = await answer.read()
    for _ in range(2):
        status, raw, headers = await _raw(filled, "/data", accepted)
        assert status == 200
        assert headers.get("content-encoding") == encoding
        assert "accept-encoding" in headers["vary"].lower()
        assert _undone(raw, encoding) == plain
        assert int(headers["content-length"]) == len(raw)


async def test_small_bodies_are_left_alone(filled: Server) -> None:
    """Compressing what fits a packet gains nothing; Vary is there all the same."""
    _, raw, headers = await _raw(filled, "/data?limit=1", "gzip")
    assert "content-encoding" not in headers
    assert raw.startswith(b"[{")
    assert "accept-encoding" in headers["vary"].lower()


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
async def test_streams_are_compressed_too(filled: Server, encoding: str) -> None:
    """The CSV undone is the CSV."""
    _, plain, _ = await filled.get("/mappings.csv", headers={"Accept-Encoding": "identity"})
    _, raw, headers = await _raw(filled, "/mappings.csv", encoding)
    assert headers["content-encoding"] == encoding
    assert _undone(raw, encoding) == plain
    assert len(plain.splitlines()) == 31


async def test_an_envelope_is_never_taken_from_the_store(filled: Server) -> None:
    """Its request id belongs to one request."""
    bodies = []
    for name in ("first", "second"):
        _, body, _ = await filled.get("/data?envelope=true", headers={"X-Request-ID": name, "Accept-Encoding": "gzip"})
        bodies.append(body["request_id"])
    assert bodies == ["first", "second"]


BAD = [
    ("/data?limit=0", 400, "invalid_parameter", "limit"),
    ("/data?limit=-1", 400, "invalid_parameter", "limit"),
    ("/data?limit=1001", 400, "invalid_parameter", "limit"),
    ("/data?limit=abc", 400, "invalid_parameter", "limit"),
    ("/data?limit=", 400, "invalid_parameter", "limit"),
    ("/data?limit=1&limit=2", 400, "invalid_parameter", "limit"),
    ("/data?limit=%D9%A3", 400, "invalid_parameter", "limit"),
    ("/data?limit=1.0", 400, "invalid_parameter", "limit"),
    ("/data?limit=1e2", 400, "invalid_parameter", "limit"),
    ("/data?limit=%2B5", 400, "invalid_parameter", "limit"),
    ("/data?limit=9999999999999999999999", 400, "invalid_parameter", "limit"),
    ("/data?order=", 400, "invalid_parameter", "order"),
    ("/data?order=id&order=rank", 400, "invalid_parameter", "order"),
    ("/data?min_sources=-1", 400, "invalid_parameter", "min_sources"),
    ("/data?envelope=1", 400, "invalid_parameter", "envelope"),
    ("/data?cursor=" + "A" * 1001, 400, "invalid_parameter", "cursor"),
    ("/data?ids=" + ",".join(map(str, range(501))), 400, "invalid_parameter", "ids"),
    ("/prices?ids=,,", 400, "invalid_parameter", "ids"),
    ("/stream?ids=" + ",".join(map(str, range(101))), 400, "invalid_parameter", "ids"),
    ("/mappings?limit=1001", 400, "invalid_parameter", "limit"),
    ("/data?order=price", 400, "invalid_parameter", "order"),
    ("/data?source=binance", 400, "invalid_parameter", "source"),
    ("/data?all=maybe", 400, "invalid_parameter", "all"),
    ("/data?min_sources=x", 400, "invalid_parameter", "min_sources"),
    ("/data?q=" + "x" * 201, 400, "invalid_parameter", "q"),
    ("/runs?limit=0", 400, "invalid_parameter", "limit"),
    ("/prices", 400, "invalid_parameter", "ids"),
    ("/resolve", 400, "invalid_parameter", "symbol"),
    ("/resolve?source=coingecko", 400, "invalid_parameter", "source_id"),
    ("/resolve?address=0x1", 400, "invalid_parameter", "platform"),
    ("/data?q=" + "x" * 10_000, 400, "query_too_long", "q"),
    ("/data?q=%zz", 400, "invalid_request", None),
    ("/data?q=%", 400, "invalid_request", None),
    ("/coins/%4", 400, "invalid_request", None),
    ("/data?q=%00", 400, "invalid_request", None),
    ("/coins/a%00b", 400, "invalid_request", None),
    ("/data?q=%ff", 400, "invalid_request", None),
    ("/coins/%ff", 400, "invalid_request", None),
    ("/resolve?symbol=%00", 400, "invalid_request", None),
    ("/data?%00=1", 400, "invalid_request", None),
    ("/data?q=%C3", 400, "invalid_request", None),
    ("/coins/nothing", 404, "not_found", None),
    ("/coins/a%2Fb", 404, "not_found", None),
    ("/runs/999", 404, "not_found", None),
    ("/runs/abc", 404, "not_found", None),
    ("/runs/99999999999999999999", 404, "not_found", None),
    ("/resolve?symbol=NOTHING", 404, "not_found", None),
    ("/nowhere", 404, "not_found", None),
    ("/docs/secret.txt", 404, "not_found", None),
    ("/docs/..%2Fapp.py", 404, "not_found", None),
]


@pytest.mark.parametrize(("path", "status", "code", "parameter"), BAD)
async def test_bad_input_is_a_problem_that_names_it(filled: Server, path: str, status: int, code: str, parameter: str | None) -> None:
    """Every refusal is a problem with its code, and names the parameter where there is one."""
    got, head, raw = await _plain(filled.url, path)
    body = msgspec.json.decode(raw)
    assert (got, body["status"], body["code"]) == (status, status, code)
    assert head["content-type"] == "application/problem+json"
    assert {"type", "title", "status", "detail", "code"} <= set(body)
    assert "x-request-id" in head
    if parameter is not None:
        assert parameter in [error["parameter"] for error in body["errors"]]
        assert all(error["detail"] for error in body["errors"])


@pytest.mark.parametrize(("method", "path"), [("POST", "/data"), ("DELETE", "/coins/coin-1"), ("PUT", "/runs"), ("GET", "/admin/run-etl")])
async def test_a_wrong_method_is_405_and_names_the_right_ones(filled: Server, method: str, path: str) -> None:
    """A problem, with Allow; HEAD is among them wherever GET is."""
    status, body, headers = await filled.request(method, path)
    assert (status, body["code"]) == (405, "method_not_allowed")
    assert ("HEAD" in headers["Allow"]) == ("GET" in headers["Allow"])


@pytest.mark.slow
async def test_a_fault_of_the_service_is_a_problem_too(filled: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """500 with the request's id and nothing of what went wrong."""
    monkeypatch.setattr(filled.services.catalog, "current", None)
    for path in ("/data", "/health", "/coins/coin-1"):
        status, body, headers = await filled.get(path)
        assert (status, body["code"]) == (500, "internal_error")
        assert headers["X-Request-ID"]
        assert "NoneType" not in str(body)


async def test_a_client_that_goes_amid_its_body_is_no_fault_of_ours(api: Server) -> None:
    """It counts as a bad request and not as a failure."""
    host, _, port = api.url.removeprefix("http://").partition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /admin/run-etl HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
    await asyncio.sleep(0.1)
    writer.close()
    counted = 'kasparro_http_requests_total{method="POST",route="/admin/run-etl",status_class="4xx"} 1.0'
    async with asyncio.timeout(5):
        while counted not in (await api.get("/metrics"))[1].decode():
            await asyncio.sleep(0.02)


async def _raw(api: Server, path: str, accepted: str) -> tuple[int, bytes, dict[str, str]]:
    status, headers, body = await _plain(api.url, path, {"Accept-Encoding": accepted})
    return status, body, headers


async def _plain(url: str, path: str, headers: dict[str, str] | None = None) -> tuple[int, dict[str, str], bytes]:
    """A request whose bytes no client library mends."""
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", "Connection: close", *(f"{name}: {value}" for name, value in (headers or {}).items())]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    answer = await reader.read()
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *rest = head.decode("latin-1").split("\r\n")
    found = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
    return int(first.split()[1]), found, _dechunked(body) if found.get("transfer-encoding") == "chunked" else body


def _dechunked(body: bytes) -> bytes:
    parts = []
    while body:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        parts.append(body[:length])
        body = body[length + 2 :]
    return b"".join(parts)


def _undone(body: bytes, encoding: str | None) -> Any:
    if encoding == "gzip":
        return zlib.decompress(body, 31)
    return zstd.decompress(body) if encoding == "zstd" else body
