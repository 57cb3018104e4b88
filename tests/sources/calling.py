"""A client with a clock of its own, asking the fake upstream."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from kasparro.clock import FakeClock
from kasparro.errors import KasparroError
from kasparro.records import Request
from kasparro.settings import Settings, load
from kasparro.sources import http
from kasparro.sources.base import Fetched
from kasparro.sources.coingecko import MARKETS, CoinGecko
from kasparro.sources.coinpaprika import CoinPaprika

PAGE = "/coins/markets"


class Caller:
    """A client with a clock of its own, asking the fake upstream."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock = FakeClock()
        self.client = http.HttpClient(settings, self.clock, random.Random(1))
        self.gecko = CoinGecko(settings.sources["coingecko"])
        self.paprika = CoinPaprika(settings.sources["coinpaprika"])
        self.calls: list[tuple[str, int]] = []

    async def page(self, number: int = 1, **options: Any) -> Fetched:
        """Fetch a page of markets."""
        return await self.fetch(self.gecko.request(MARKETS, f"page:{number}"), **options)

    async def fetch(self, request: Request, **options: Any) -> Fetched:
        """Fetch any part."""
        source = self.gecko if request.source == "coingecko" else self.paprika
        return await self.client.fetch(
            source, self.settings.sources[source.name], request, on_call=lambda *call: self.calls.append(call), **options
        )

    @property
    def waited(self) -> float:
        """Seconds that were slept so far."""
        return self.clock.monotonic()


@asynccontextmanager
async def calling(environment: dict[str, str], **bounds: Any) -> AsyncIterator[Caller]:
    """A caller under an environment, with other bounds than the default."""
    settings = msgspec.structs.replace(load({"KASPARRO_DATA_DIR": "/nonexistent", **environment}), **bounds)
    caller = Caller(settings)
    try:
        yield caller
    finally:
        await caller.client.close()


async def failing(caller: Caller, **options: Any) -> KasparroError:
    """The error that a fetch of the first page ends in; no wait for it takes time."""
    with pytest.raises(KasparroError) as caught:
        await caller.page(**options)
    return caught.value
