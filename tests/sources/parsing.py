"""Parsing as the tests of the sources do it."""

import json
from datetime import UTC, datetime
from typing import Any

from kasparro.records import Page
from kasparro.settings import load
from kasparro.sources.base import Source
from kasparro.sources.coingecko import CoinGecko
from kasparro.sources.coinpaprika import CoinPaprika

FETCHED_AT = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)
KEY = "key-of-no-one-0123456789"


def gecko(**environment: str) -> CoinGecko:
    """The source under an environment."""
    return CoinGecko(load({"KASPARRO_DATA_DIR": "/nonexistent", **environment}).sources["coingecko"])


def paprika(**environment: str) -> CoinPaprika:
    """The source under an environment."""
    return CoinPaprika(load({"KASPARRO_DATA_DIR": "/nonexistent", **environment}).sources["coinpaprika"])


def parsed(source: Source, stream: str, part: str, answer: Any) -> Page:
    """The page that an answer amounts to: JSON of anything, or bytes as they are."""
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    pieces = source.parse(source.request(stream, part), body, FETCHED_AT)
    while True:
        try:
            next(pieces)
        except StopIteration as stop:
            page: Page = stop.value
            return page


def reasons(page: Page) -> list[str]:
    """Why rows were rejected, in order."""
    return [r.reason for r in page.rejects]
