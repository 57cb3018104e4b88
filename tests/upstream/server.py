"""The fake upstream: both providers' APIs on one loopback port, serving a made-up market, failing on request."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.test_utils import TestServer

from kasparro.demo.answers import Answers
from kasparro.demo.market import Market, made_market
from tests.upstream.faults import Fault, answer

GECKO, PAPRIKA = "/api/v3", "/v1"


class Seen(msgspec.Struct, kw_only=True):
    """A request as it arrived."""

    source: str
    path: str  # below the base URL
    query: dict[str, str]
    headers: dict[str, str]  # names in lower case

    @property
    def page(self) -> str:
        """The page of /coins/markets; "1" where none is named."""
        return self.query.get("page", "1")


class Upstream(Answers):
    """The server and its controls. Prices stand still, and bodies stay byte for byte the same, until `tick`."""

    def __init__(self, market: Market | None = None) -> None:
        super().__init__(market or made_market(), datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=2))
        self.faults: list[Fault] = []
        self.requests: list[Seen] = []
        self.etags = False  # send ETags, and no body to who has it already
        self._bodies: dict[tuple[str, str], bytes] = {}
        self._server: TestServer | None = None

    # -- controls ----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen on a free port."""
        app = web.Application()
        app.router.add_get("/{anything:.*}", self._handle)
        app.router.add_post("/_tick", self._handle_tick)  # for those whose market is another process
        self._server = TestServer(app, host="127.0.0.1")
        await self._server.start_server()

    async def stop(self) -> None:
        """Refuse connections from now on."""
        if self._server is not None:
            await self._server.close()

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.port}"

    def environment(self, **more: str) -> dict[str, str]:
        """The settings under which the service asks here, without waiting between two calls."""
        return {
            "COINGECKO_BASE_URL": self.url + GECKO,
            "COINPAPRIKA_BASE_URL": self.url + PAPRIKA,
            "COINGECKO_CALLS_PER_MINUTE": "600000",
            "COINPAPRIKA_CALLS_PER_MINUTE": "600000",
        } | more

    def strike(self, mode: str, path: str = "", **options: Any) -> Fault:
        """Let requests fail; see Fault. `upstream.faults.clear()` ends all faults."""
        fault = Fault(mode=mode, path=path, **options)
        self.faults.append(fault)
        return fault

    def tick(self, minutes: int = 1) -> None:
        """Move the prices, and the time at which they were seen, on. Set `observed_at` before to keep within a clock."""
        self.move(minutes, minutes * 60)

    def changed(self) -> None:
        """Say that `market`, `renamed`, `removed` or `symbols` was changed: answers are made anew."""
        self._bodies.clear()

    def count(self, path: str = "", *, page: int | None = None) -> int:
        """How many requests came for a path (exactly this one; any, if empty), of any or of one page."""
        return sum((not path or r.path == path) and (page is None or r.page == str(page)) for r in self.requests)

    # -- answers -----------------------------------------------------------------------------------------------------

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        is_gecko = request.path.startswith(GECKO + "/")
        path = request.path.removeprefix(GECKO if is_gecko else PAPRIKA)
        headers = {name.lower(): value for name, value in request.headers.items()}
        seen = Seen(source="coingecko" if is_gecko else "coinpaprika", path=path, query=dict(request.query), headers=headers)
        self.requests.append(seen)
        status, body = self._body(seen)
        for fault in self.faults:
            if fault.fits(seen.source, path, seen.page):
                return await answer(fault, request, body, self.observed_at)
        etag = f'W/"{hashlib.sha256(body).hexdigest()[:16]}"' if self.etags and status == HTTPStatus.OK else ""
        if etag and headers.get("if-none-match") == etag:
            return web.Response(status=HTTPStatus.NOT_MODIFIED, headers={"ETag": etag})
        return web.Response(body=body, status=status, content_type="application/json", headers={"ETag": etag} if etag else {})

    async def _handle_tick(self, request: web.Request) -> web.Response:
        self._bodies.clear()
        self.tick((await request.json())["minutes"])
        return web.json_response({"minutes": self.minutes})

    def _body(self, seen: Seen) -> tuple[int, bytes]:
        key = (seen.source + seen.path, f"{sorted(seen.query.items())} {self.minutes} {self.observed_at}")
        if key not in self._bodies:
            found = self.gecko(seen.path, seen.query) if seen.source == "coingecko" else self.paprika(seen.path, seen.query)
            if found is None:
                return 404, b'{"error":"coin not found"}' if seen.source == "coingecko" else b'{"error":"id not found"}'
            self._bodies[key] = json.dumps(found, separators=(",", ":")).encode()
        return 200, self._bodies[key]
