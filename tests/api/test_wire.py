"""Requests that are made to be read in two ways, to reach what is not served, or to write into an answer's head."""

import asyncio
import re

import pytest

from tests.api.conftest import Server

pytestmark = pytest.mark.slow

SECOND = b"GET /runs/777 HTTP/1.1\r\nHost: x\r\n\r\n"  # what a proxy would take for a body, and we must not take for a request
POST = b"POST /admin/run-etl HTTP/1.1\r\nHost: x\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"

AMBIGUOUS = {
    "a length and chunks": POST + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and a length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 0\r\nContent-Length: 36\r\n\r\n",
    "one length twice": POST + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
    "a list of lengths": POST + b"Content-Length: 0, 36\r\n\r\n",
    "a length with a sign": POST + b"Content-Length: +0\r\n\r\n",
    "a negative length": POST + b"Content-Length: -1\r\n\r\n",
    "a length without end": POST + b"Content-Length: 99999999999999999999999\r\n\r\n",
    "another encoding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunks inside": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "chunks twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a blank before the colon": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "a vertical tab": POST + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    "a negative chunk": CHUNKED + b"-1\r\n\r\n",
    "a chunk with a prefix": CHUNKED + b"0x0\r\n\r\n",
    "a chunk without end": CHUNKED + b"10000000000000000\r\n\r\n",
    "a chunk that ends in a line feed": CHUNKED + b"0\n\n",
    "a chunk longer than said": CHUNKED + b"1\r\nab0\r\n\r\n",
    "lines that end in a line feed": b"GET /data HTTP/1.1\nHost: x\n\n",
    "a folded line": b"GET /data HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n",
    "a carriage return in a header": b"GET /data HTTP/1.1\r\nHost: x\r\nX-Request-ID: a\rSet-Cookie: b\r\n\r\n",
    "a NUL in a header": b"GET /data HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
    "another protocol": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}


async def _sent(server: Server, data: bytes) -> tuple[list[int], bytes, bool]:
    """(the status of each answer, all that came back, whether the connection was closed)."""
    host, _, port = server.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(data)
    came, closed = b"", False
    try:
        while not closed:
            part = await asyncio.wait_for(reader.read(65_536), 0.3)
            came += part
            closed = not part
    except TimeoutError:
        pass
    except ConnectionError:
        closed = True
    writer.close()
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", came)], came, closed


@pytest.mark.parametrize("case", AMBIGUOUS)
async def test_what_can_be_read_in_two_ways_is_refused(filled: Server, case: str) -> None:
    """One 400 and the end of the connection: what follows is never taken for a request of its own."""
    statuses, _, closed = await _sent(filled, AMBIGUOUS[case] + SECOND)
    assert (statuses, closed) == ([400], True)


async def test_a_body_is_a_body_on_the_short_way_too(filled: Server) -> None:
    """A prepared answer leaves no body of its request behind to be read as the next one."""
    await filled.get("/coins/coin-2")
    request = b"GET /coins/coin-2 HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(SECOND)
    assert (await _sent(filled, request + SECOND))[0] == [200]
    assert (await _sent(filled, request + SECOND + SECOND))[0] == [200, 404]


@pytest.mark.parametrize(
    "target",
    [
        "/docs/../../../../etc/passwd",
        "/docs/..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/docs/%2e%2e/%2e%2e/app.py",
        "/docs/..\\..\\app.py",
        "/docs//etc/passwd",
        "/docs/swagger-ui.css%00.png",
        "/docs/LICENSE/../start.js",
        "/docs/%252e%252e%252fapp.py",
    ],
)
async def test_no_path_leads_out_of_the_files_of_the_page(filled: Server, target: str) -> None:
    """Neither dots nor separators, escaped once or twice."""
    statuses, came, _ = await _sent(filled, f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert statuses in ([404], [400])
    assert b"root:" not in came
    assert b"import" not in came


@pytest.mark.parametrize(
    "target",
    [
        "/coins/a%0d%0aX-Made-Up:%201",
        "/compare-runs?a=1%0d%0aX-Made-Up:%201&b=2",
        "/data?limit=1&q=c%0d%0aX-Made-Up:%201",
        "/data?limit=1&symbol=COIN%0aX-Made-Up:%201",
        "/coins/coin-1/history?format=csv&interval=1h%0d%0aX-Made-Up:%201",
        "/%0d%0aX-Made-Up:%201",
        "/resolve?source=coingecko&source_id=a%0d%0aX-Made-Up:%201",
    ],
)
async def test_nothing_of_a_request_becomes_a_header(filled: Server, target: str) -> None:
    """Line ends in paths and parameters stay escaped wherever they come back: in Location, Link, or nowhere."""
    statuses, came, _ = await _sent(filled, f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert len(statuses) == 1
    assert not [line for line in re.split(rb"[\r\n]+", came.partition(b"\r\n\r\n")[0]) if line.startswith(b"X-Made-Up")]


@pytest.mark.parametrize(
    "body", [b"[" * 60_000, b'{"sources":' * 5_000, b'{"sources":["' + b"\\u0000" * 5_000 + b'"]}', b'{"full":1e999999}']
)
async def test_a_body_made_to_hurt_is_a_bad_request(filled: Server, body: bytes) -> None:
    """However deep it nests and whatever it escapes."""
    status, problem, _ = await filled.request("POST", "/admin/run-etl", data=body, headers={"Authorization": "Bearer let-me-in"})
    assert status == 400
    assert len(str(problem)) < 1_000
