"""Serves the made-up market on a free port of this machine, as an ASGI application beside the service."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from kasparro.app import Server
from kasparro.clock import Clock
from kasparro.demo.answers import Answers
from kasparro.demo.faults import Answer, plain, struck

GECKO, PAPRIKA = "/api/v3", "/v1"
STEP_SECONDS = 10.0  # in which the market walks a minute on, so that a person sees it move
_STOP_SECONDS = 2.0


class MarketServer:
    """The application. While `fault` is set, every answer of CoinGecko's side has it."""

    def __init__(self, answers: Answers, clock: Clock) -> None:
        self.answers, self._clock = answers, clock
        self.fault: str | None = None
        self._walked_to = clock.monotonic()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401  # as ASGI has it
        """Answer one request."""
        self._walk()
        await _send(self._answer(scope), scope, receive, send)

    def _walk(self) -> None:
        steps = int((self._clock.monotonic() - self._walked_to) / STEP_SECONDS)
        self._walked_to += steps * STEP_SECONDS
        self.answers.move(steps, steps * STEP_SECONDS)

    def _answer(self, scope: Any) -> Answer:  # noqa: ANN401  # see above
        path: str = scope["path"]
        is_gecko = path.startswith(f"{GECKO}/")
        query = dict(parse_qsl(scope["query_string"].decode()))
        found = self.answers.gecko(path.removeprefix(GECKO), query) if is_gecko else self.answers.paprika(path.removeprefix(PAPRIKA), query)
        if found is None:
            return plain(b'{"error":"not found"}', 404)
        body = msgspec.json.encode(found)
        return struck(self.fault, body, self.answers.observed_at) if self.fault and is_gecko else plain(body)


async def _send(answer: Answer, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401  # as ASGI has it
    """Send an answer, with what is wrong with it, until the other side has gone."""
    gone = asyncio.create_task(_gone(receive))
    try:
        if answer.status:
            headers = answer.headers if answer.length is None else answer.headers | {"Content-Length": str(answer.length)}
            raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
            await send({"type": "http.response.start", "status": answer.status, "headers": raw})
        for part in answer.parts:
            await asyncio.wait([gone], timeout=answer.pause_seconds)
            if gone.done():
                return
            await send({"type": "http.response.body", "body": part, "more_body": True})
        if not answer.is_cut:
            await send({"type": "http.response.body", "body": b""})
            return
        transport = scope["transport"]
        # What was written still goes out before it is closed. Without an answer the other side shall see a reset and no end.
        (transport.close if answer.status else transport.abort)()
        await gone
    finally:
        gone.cancel()


async def _gone(receive: Any) -> None:  # noqa: ANN401  # as ASGI has it
    """Wait until the connection has ended."""
    while (await receive())["type"] != "http.disconnect":
        pass


class _Protocol(HttpToolsProtocol):
    """uvicorn's own, with a way for the application to end the connection in mid-answer."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["transport"] = self.transport  # type: ignore[typeddict-unknown-key]  # an extra key of ours


@asynccontextmanager
async def served(app: MarketServer) -> AsyncIterator[str]:
    """The scheme, host and port at which the market answers for as long as this block."""
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:  # asyncio sends at once on what says that it is TCP
        listener.bind(("127.0.0.1", 0))
        server = Server(app, http=_Protocol)
        serving = asyncio.create_task(server.serve(sockets=[listener]), name="market")
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = server.force_exit = True  # an answer that is being dripped need not end
            await asyncio.wait([serving], timeout=_STOP_SECONDS)
