"""Stands before an upstream and passes everything on, until it is told how many more batches CoinGecko's limit allows.

`python -m tests.benchmarks.gate UPSTREAM` prints its address. POST /_allow {"batches": 1}: after one more answer of /coins/markets
the next is refused as by a limit that is spent, so that a run ends there and the following one goes on; null: no limit.
"""

import asyncio
import sys
from contextlib import suppress

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

_KEPT = ("Content-Type", "Content-Encoding", "ETag", "Retry-After")


class Gate:
    """The handler of every request."""

    def __init__(self, upstream: str, session: aiohttp.ClientSession) -> None:
        self._upstream, self._session = upstream, session
        self._batches: int | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Pass on or refuse."""
        if request.path == "/_allow":
            self._batches = (await request.json())["batches"]
            return web.json_response({})
        if request.path.endswith("/coins/markets") and self._batches is not None:
            if not self._batches:
                body = {"status": {"error_code": 429, "error_message": "the limit that was agreed on is spent"}}
                return web.json_response(body, status=429, headers={"Retry-After": "86400"})
            self._batches -= 1
        url = self._upstream + request.raw_path
        async with self._session.request(request.method, url, data=await request.read() or None) as answer:
            headers = {name: answer.headers[name] for name in _KEPT if name in answer.headers}
            return web.Response(body=await answer.read(), status=answer.status, headers=headers)


async def main() -> None:
    """Print the address, then serve."""
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        app = web.Application()
        app.router.add_route("*", "/{anything:.*}", Gate(sys.argv[1], session).handle)
        server = TestServer(app, host="127.0.0.1")
        await server.start_server()
        print(f"http://127.0.0.1:{server.port}", flush=True)  # noqa: T201  # the parent reads it
        await asyncio.Event().wait()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
