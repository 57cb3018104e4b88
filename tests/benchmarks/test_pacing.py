"""The open-loop client, against a server that stalls."""

import asyncio
import os
import time
from collections.abc import AsyncIterator

import pytest

from tests.benchmarks.pacing import Pacer, at

STALL_SECONDS = 0.3


class Stalling:
    """Answers at once, but that from one request on it answers nobody for a while."""

    def __init__(self) -> None:
        self.answered = 0
        self.stalls_at = 0
        self._until = 0.0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        now = asyncio.get_running_loop().time
        while await reader.readuntil(b"\r\n\r\n"):
            self.answered += 1
            if self.answered == self.stalls_at:
                self._until = now() + STALL_SECONDS
            await asyncio.sleep(max(0.0, self._until - now()))
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")


@pytest.fixture
async def stalling() -> AsyncIterator[tuple[Stalling, int]]:
    """The server and its port."""
    made = Stalling()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await made.serve(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield made, server.sockets[0].getsockname()[1]


@pytest.mark.slow
async def test_a_stall_is_charged_with_all_who_were_due_meanwhile(stalling: tuple[Stalling, int]) -> None:
    """Two connections at 200 requests a second: a stall of 0.3 s delays some sixty requests, not the two that are on the way."""
    server, port = stalling
    server.stalls_at = 40
    pacer = Pacer(port, "/", connections=2)
    await asyncio.to_thread(pacer.run, 200, 1.0)
    pacer.close()
    assert len(pacer.latencies) == 200
    assert not pacer.errors
    assert sum(seconds > STALL_SECONDS / 6 for seconds in pacer.latencies) > 30
    assert at(pacer.latencies, 0.99) > STALL_SECONDS * 0.8


async def test_it_stops_when_it_is_told_to(stalling: tuple[Stalling, int]) -> None:
    """The end of its input ends the sending long before the time is up, and every answer is still waited for."""
    _, port = stalling
    told, teller = os.pipe()
    asyncio.get_running_loop().call_later(0.2, os.close, teller)
    pacer, began = Pacer(port, "/"), time.perf_counter()
    await asyncio.to_thread(pacer.run, 100, 30.0, stop=told)
    pacer.close()
    os.close(told)
    assert time.perf_counter() - began < 10
    assert 0 < len(pacer.latencies) < 1_000
    assert not pacer.errors
