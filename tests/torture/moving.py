"""A market that does not hold still: between any two requests ranks change places and prices move on."""

import asyncio
import json
import random
from datetime import UTC, datetime

import msgspec
from aiohttp import web

from kasparro.demo.market import made_market
from tests.upstream.server import Seen, Upstream

Told = tuple[str, str, datetime]  # source, source_id, observed_at


class MovingUpstream(Upstream):
    """A small market of the torture's own. It stands still while `moving` is off; `served` is every price that it ever told."""

    def __init__(self, seed: int, *, seconds_max: float = 0.3) -> None:
        made = made_market(gecko=600, coins=200, tickers=120, seed=seed % 1_000)
        # The made market is shared by all tests: its lists are copied before they are put in another order.
        super().__init__(msgspec.structs.replace(made, gecko_markets=list(made.gecko_markets), paprika_tickers=list(made.paprika_tickers)))
        self.moving = True
        self.seconds_max = seconds_max  # what an answer takes at most, so that a run lasts long enough to be struck
        self.served: dict[Told, set[float]] = {}
        self._random = random.Random(seed)

    def move(self) -> None:
        """Let a tenth of the ranks change places, over the borders of pages too, and prices move: at a new time, or as a correction."""
        for rows in (self.market.gecko_markets, self.market.paprika_tickers):
            for _ in range(len(rows) // 10):
                here = self._random.randrange(len(rows))
                there = min(len(rows) - 1, here + self._random.randrange(30))
                rows[here], rows[there] = rows[there], rows[here]
        if self._random.random() < 0.5:
            self.minutes += 1
        if self._random.random() < 0.8:
            self.observed_at = max(self.observed_at, datetime.now(UTC).replace(microsecond=0))
        self.changed()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(self._random.uniform(0, self.seconds_max))
        return await super()._handle(request)

    def _body(self, seen: Seen) -> tuple[int, bytes]:
        if self.moving:
            self.move()
        status, body = super()._body(seen)
        if status == 200 and seen.path == "/coins/markets":
            for row in json.loads(body):
                self._tell(seen.source, row["id"], row["last_updated"], row["current_price"])
        elif status == 200 and seen.path == "/tickers":
            for row in json.loads(body):
                self._tell(seen.source, row["id"], row["last_updated"], row["quotes"]["USD"]["price"])
        return status, body

    def _tell(self, source: str, source_id: str, at: str, price: float) -> None:
        self.served.setdefault((source, source_id, datetime.fromisoformat(at)), set()).add(price)
