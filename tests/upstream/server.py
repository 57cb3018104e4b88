"""The fake upstream: both providers' APIs on one loopback port, serving a made-up market, failing on request."""

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.upstream.faults import Fault, answer
from tests.upstream.market import Market, Row, made_market

GECKO, PAPRIKA = "/api/v3", "/v1"
RATES = {"btc": 1.0, "eth": 28.4, "usd": 91_234.5, "eur": 78_400.25, "jpy": 14_100_000.0}


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


class Upstream:
    """The server and its controls. Prices stand still, and bodies stay byte for byte the same, until `tick`."""

    def __init__(self, market: Market | None = None) -> None:
        self.market = market or made_market()
        self.faults: list[Fault] = []
        self.requests: list[Seen] = []
        self.minutes = 0
        self.observed_at = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=2)
        self.renamed: dict[str, str] = {}  # id -> the name that it has now
        self.removed: set[str] = set()  # ids that are in no answer any more
        self.symbols: dict[str, str] = {}  # id -> the symbol that it has now
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
        self.minutes += minutes
        self.observed_at += timedelta(minutes=minutes)

    def changed(self) -> None:
        """Say that `market`, `renamed`, `removed` or `symbols` was changed: answers are made anew."""
        self._bodies.clear()

    def count(self, path: str = "", *, page: int | None = None) -> int:
        """How many requests came for a path (exactly this one; any, if empty), of any or of one page."""
        return sum((not path or r.path == path) and (page is None or r.page == str(page)) for r in self.requests)

    def price(self, listing: str) -> float:
        """What a listing costs now, by its id at either provider."""
        row = next(r for r in self.market.gecko_markets + self.market.paprika_tickers if r["id"] == listing)
        first = row["current_price"] if "current_price" in row else row["quotes"]["USD"]["price"]
        return float(first * self._factor(row["symbol"]))

    # -- answers -----------------------------------------------------------------------------------------------------

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        is_gecko = request.path.startswith(GECKO + "/")
        path = request.path.removeprefix(GECKO if is_gecko else PAPRIKA)
        headers = {name.lower(): value for name, value in request.headers.items()}
        seen = Seen(source="coingecko" if is_gecko else "coinpaprika", path=path, query=dict(request.query), headers=headers)
        self.requests.append(seen)
        status, body = self._body(seen)
        for fault in self.faults:
            if fault.fits(path, seen.page):
                return await answer(fault, request, body, self.observed_at)
        return web.Response(body=body, status=status, content_type="application/json")

    async def _handle_tick(self, request: web.Request) -> web.Response:
        self._bodies.clear()
        self.tick((await request.json())["minutes"])
        return web.json_response({"minutes": self.minutes})

    def _body(self, seen: Seen) -> tuple[int, bytes]:
        key = (seen.source + seen.path, f"{sorted(seen.query.items())} {self.minutes} {self.observed_at}")
        if key not in self._bodies:
            found = self._gecko(seen) if seen.source == "coingecko" else self._paprika(seen)
            if found is None:
                return 404, b'{"error":"coin not found"}' if seen.source == "coingecko" else b'{"error":"id not found"}'
            self._bodies[key] = json.dumps(found, separators=(",", ":")).encode()
        return 200, self._bodies[key]

    def _gecko(self, seen: Seen) -> Any:
        match seen.path:
            case "/ping":
                return {"gecko_says": "(V3) To the Moon!"}
            case "/coins/list":
                return self._present(self.market.gecko_list)
            case "/exchange_rates":
                return {"rates": {c: {"name": c.upper(), "unit": c, "value": v, "type": "fiat"} for c, v in RATES.items()}}
            case "/coins/markets":
                size, page = int(seen.query.get("per_page", "100")), int(seen.page)
                rows = self._present(self.market.gecko_markets)[(page - 1) * size : page * size]
                stamp = f"{self.observed_at:%Y-%m-%dT%H:%M:%S}.{self.observed_at.microsecond // 1000:03d}Z"
                return [dict(r, current_price=r["current_price"] * self._factor(r["symbol"]), last_updated=stamp) for r in rows]
            case _:
                return None

    def _paprika(self, seen: Seen) -> Any:
        match seen.path:
            case "/global":
                return {"cryptocurrencies_number": len(self.market.paprika_coins), "last_updated": int(self.observed_at.timestamp())}
            case "/coins":
                return self._present(self.market.paprika_coins)
            case "/tickers":
                return [self._ticker(r) for r in self._present(self.market.paprika_tickers)]
            case "/contracts":
                return sorted(self.market.paprika_contracts)
            case path:
                rows = self.market.paprika_contracts.get(path.removeprefix("/contracts/"))
                return None if rows is None else [r for r in rows if r["id"] not in self.removed]

    def _ticker(self, row: Row) -> Row:
        usd = row["quotes"]["USD"]
        moved = dict(usd, price=usd["price"] * self._factor(row["symbol"]))
        return dict(row, last_updated=f"{self.observed_at:%Y-%m-%dT%H:%M:%SZ}", quotes={"USD": moved})

    def _present(self, rows: list[Row]) -> list[Row]:
        return [
            dict(r, name=self.renamed.get(r["id"], r["name"]), symbol=self.symbols.get(r["id"], r["symbol"]))
            for r in rows
            if r["id"] not in self.removed
        ]

    def _factor(self, symbol: str) -> float:
        """How far the prices of a symbol have walked: by a per mille or so a minute, in one course for both providers."""
        if not self.minutes:
            return 1.0
        return math.exp(0.02 * math.sin(self.minutes / 31 + sum(symbol.upper().encode())) + 0.001 * math.sin(self.minutes * 7.0))
