"""Recorded markets as evidence: their folder comes from KASPARRO_TEST_MARKETS, a market is a folder in it with its known pairs."""

import csv
import gzip
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from kasparro.records import EvidenceRow, Page
from kasparro.sources import coingecko, coinpaprika
from tests.sources.parsing import gecko, paprika, parsed

# A service asks both sources within minutes: what was recorded counts as seen at one time.
SEEN_AT = datetime(2025, 1, 1, tzinfo=UTC)
PAGE = 250


class Recorded(NamedTuple):
    """One market: what both sources list, and the pairs of (CoinGecko id, CoinPaprika id) that are known to be one coin."""

    name: str
    rows: list[EvidenceRow]
    pairs: list[tuple[str, str]]


def folders() -> list[Path]:
    """The folders of markets that have known pairs; empty where KASPARRO_TEST_MARKETS names none."""
    folder = Path(os.environ.get("KASPARRO_TEST_MARKETS") or "/nonexistent")
    return sorted(p.parent for p in folder.glob("*/pairs.csv"))


def read(folder: Path) -> Recorded:
    """A market as the service's own parsers read it."""

    def recorded(name: str) -> Any:
        return json.loads(gzip.decompress((folder / f"{name}.json.gz").read_bytes()))

    markets = recorded("coingecko_markets")
    of_gecko = [parsed(gecko(), coingecko.LIST, "all", recorded("coingecko_list"))]
    of_gecko += [parsed(gecko(), coingecko.MARKETS, "page:1", markets[place : place + PAGE]) for place in range(0, len(markets), PAGE)]
    of_paprika = [parsed(paprika(), coinpaprika.COINS, "all", recorded("coinpaprika_coins"))]
    of_paprika.append(parsed(paprika(), coinpaprika.TICKERS, "all", recorded("coinpaprika_tickers")))
    contracts = recorded("coinpaprika_contracts").items()
    of_paprika += [parsed(paprika(), coinpaprika.CONTRACTS, platform, rows) for platform, rows in contracts]
    rows: list[EvidenceRow] = []
    for source, pages in (("coingecko", of_gecko), ("coinpaprika", of_paprika)):
        _add(rows, source, pages)
    with (folder / "pairs.csv").open(newline="") as file:
        pairs = [(row["coingecko_id"], row["coinpaprika_id"]) for row in csv.DictReader(file)]
    return Recorded(folder.name, rows, pairs)


def _add(rows: list[EvidenceRow], source: str, pages: list[Page]) -> None:
    quotes = {quote.source_id: quote for page in pages for quote in page.quotes}
    contracts: dict[str, set[tuple[str, str]]] = {}
    for contract in [c for page in pages for c in page.contracts]:
        contracts.setdefault(contract.source_id, set()).add((contract.platform, contract.address))
    # What a list says of a listing goes before what a page of prices says of it.
    listings = {listing.source_id: listing for page in reversed(pages) for listing in page.listings}
    for source_id, listing in listings.items():
        quote = quotes.get(source_id)
        rows.append(
            EvidenceRow(
                listing_id=len(rows) + 1,
                source=source,
                source_id=source_id,
                symbol=listing.symbol,
                name=listing.name,
                active=listing.active is not False,
                contracts=tuple(sorted(contracts.get(source_id, ()))),
                settled=True,
                price=quote.price if quote else None,
                observed_at=SEEN_AT if quote else None,
                market_cap=quote.market_cap if quote else None,
                volume_24h=quote.volume_24h if quote else None,
                ath_price=quote.ath_price if quote else None,
                ath_at=quote.ath_at if quote else None,
            )
        )
