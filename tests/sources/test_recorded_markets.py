"""Recorded markets, where their folder is given: every row is used, but for the prices of zero that were recorded."""

import gzip
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from kasparro.records import Page
from kasparro.sources import coingecko, coinpaprika, drift
from kasparro.sources.expected import EXPECTED
from tests.sources.parsing import gecko, paprika, parsed

FOLDER = Path(os.environ.get("KASPARRO_TEST_MARKETS", "/nonexistent"))
MARKETS = sorted(p.name for p in FOLDER.iterdir() if p.is_dir()) if FOLDER.is_dir() else []


@pytest.mark.skipif(not MARKETS, reason="KASPARRO_TEST_MARKETS names no folder of recorded markets")
@pytest.mark.parametrize("market", MARKETS or ["none"])
def test_a_recorded_market_is_read_whole(market: str) -> None:
    """No listing is lost, and the only rejects are prices of zero."""

    def recorded(name: str) -> Any:
        return json.loads(gzip.decompress((FOLDER / market / f"{name}.json.gz").read_bytes()))

    pages = [
        parsed(gecko(), coingecko.LIST, "all", recorded("coingecko_list")),
        parsed(paprika(), coinpaprika.COINS, "all", recorded("coinpaprika_coins")),
        parsed(paprika(), coinpaprika.TICKERS, "all", recorded("coinpaprika_tickers")),
    ]
    rows = recorded("coingecko_markets")
    pages += [parsed(gecko(), coingecko.MARKETS, "page:1", rows[place : place + 250]) for place in range(0, len(rows), 250)]
    assert all(len(p.listings) == p.rows_received for p in pages)
    contracts = [parsed(paprika(), coinpaprika.CONTRACTS, p, rows) for p, rows in recorded("coinpaprika_contracts").items()]
    assert all(len(p.contracts) == p.rows_received for p in contracts)
    assert reasons(pages + contracts) <= {"price is not above zero"}
    assert sum(len(p.quotes) for p in pages) + sum(p.rows_without_price for p in pages) == len(rows) + pages[2].rows_received


@pytest.mark.skipif(not MARKETS, reason="KASPARRO_TEST_MARKETS names no folder of recorded markets")
@pytest.mark.parametrize("market", MARKETS or ["none"])
def test_a_recorded_market_has_the_fields_that_are_expected(market: str) -> None:
    """None is missing or of another type; what is new in an old recording is known by another name."""
    files = {
        "coingecko_list": "coingecko.list", "coingecko_markets": "coingecko.markets", "coinpaprika_coins": "coinpaprika.coins",
        "coinpaprika_tickers": "coinpaprika.tickers",
    }  # fmt: skip
    for name, stream in files.items():
        rows = json.loads(gzip.decompress((FOLDER / market / f"{name}.json.gz").read_bytes()))
        assert [d for d in drift.examine(EXPECTED[stream], rows) if d.verdict != "accept"] == []


def reasons(pages: list[Page]) -> set[str]:
    """Why rows were rejected."""
    return set(Counter(r.reason for p in pages for r in p.rejects))
