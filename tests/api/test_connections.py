"""Clients that do not finish what they begin."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

import msgspec
import pytest
import uvicorn

from kasparro.api.connections import HEAD_BYTES_MAX, BoundedProtocol, Unfinished, close_late

pytestmark = pytest.mark.slow  # each waits whether something stays open


class Slow:
    """A server whose answer takes as long as it takes to read the body."""

    def __init__(self, server: uvicorn.Server, port: int) -> None:
        self.server, self.port = server, port
        self.unfinished: Unfinished = {}

    def look(self) -> None:
        """Look once."""
        self.unfinished = close_late(self.server.server_state.connections, self.unfinished)

    async def connect(self, sent: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection over which something was sent, and arrived."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(sent)
        await asyncio.sleep(0.05)
        return reader, writer


async def _answer(scope: object, receive: uvicorn._types.ASGIReceiveCallable, send: uvicorn._types.ASGISendCallable) -> None:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        if not message.get("more_body"):
            break
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


@asynccontextmanager
async def _serving() -> AsyncIterator[Slow]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(_answer, http=BoundedProtocol, lifespan="off", log_config=None, access_log=False)
        server = uvicorn.Server(config)
        server.capture_signals = nullcontext  # type: ignore[method-assign]
        task = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:
            await asyncio.sleep(0.005)
        yield Slow(server, listener.getsockname()[1])
        server.should_exit = True
        await task


async def _is_closed(reader: asyncio.StreamReader) -> bool:
    try:
        async with asyncio.timeout(0.5):
            return await reader.read() == b""
    except TimeoutError:
        return False


REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def test_a_request_that_is_not_finished_in_time_is_given_up() -> None:
    """Whether nothing came, half a line, half a head, or half a body, and however the rest drips in."""
    starts = (b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\nA: b", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc")
    async with _serving() as slow:
        open_ones = [await slow.connect(start) for start in starts]
        slow.look()
        for _, writer in open_ones[1:]:
            writer.write(b"x")
        await asyncio.sleep(0.05)
        assert not await _is_closed(open_ones[1][0])

        slow.look()

        assert [await _is_closed(reader) for reader, _ in open_ones] == [True] * len(starts)
        for _, writer in open_ones:
            writer.close()


async def test_a_connection_that_finishes_its_requests_stays() -> None:
    """Also where each look finds another request begun."""
    async with _serving() as slow:
        reader, writer = await slow.connect(REQUEST + REQUEST[:20])
        for _ in range(3):
            slow.look()
            writer.write(REQUEST[20:] + REQUEST[:20])
            await asyncio.sleep(0.05)
        assert not await _is_closed(reader)
        writer.close()


async def test_a_head_without_end_is_refused() -> None:
    """It costs no more memory than the bound, and the answer says so."""
    async with _serving() as slow:
        for sent in (b"GET /" + b"a" * HEAD_BYTES_MAX, b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * (HEAD_BYTES_MAX // 6)):
            reader, writer = await slow.connect(sent)
            async with asyncio.timeout(5):
                answer = await reader.read()
            head, _, body = answer.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 431 ")
            assert msgspec.json.decode(body)["code"] == "head_too_large"
            writer.close()


async def test_long_bodies_and_many_requests_are_no_long_heads() -> None:
    """What was read before does not count."""
    async with _serving() as slow:
        body = b"x" * HEAD_BYTES_MAX * 2
        reader, writer = await slow.connect(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 204")
        for _ in range(3):
            writer.write(REQUEST[:-4] + b"\r\nA: %b\r\n\r\n" % (b"y" * (HEAD_BYTES_MAX // 2)))
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 204")
        writer.close()
