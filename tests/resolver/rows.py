"""Rows as the tests of single rules need them: one coin, "Alpha Beta" with the symbol ALB, unless something else is said."""

from datetime import UTC, datetime, timedelta
from typing import Any

from kasparro.records import EvidenceRow
from kasparro.resolver.features import Features, features_of, listed

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
ONE = "0x" + "1a" * 20
OTHER = "0x" + "2B" * 20
ETHEREUM = {"coingecko": "ethereum", "coinpaprika": "eth-ethereum"}


def row(source: str, listing_id: int, name: str, symbol: str, **given: Any) -> EvidenceRow:
    """One listing; `contract` is an address on Ethereum, `ago` the age of its price in hours."""
    slug = "-".join(name.lower().split())
    made: dict[str, Any] = {
        "source_id": slug if source == "coingecko" else f"{symbol.lower()}-{slug}",
        "active": True,
        "settled": True,
        "contracts": ((ETHEREUM[source], given.pop("contract")),) if "contract" in given else (),
    }
    if "price" in given or "ath_price" in given:
        made["observed_at"] = NOW - timedelta(hours=given.pop("ago", 0))
    return EvidenceRow(source=source, listing_id=listing_id, name=name, symbol=symbol, **{**made, **given})


def gecko(listing_id: int = 1, name: str = "Alpha Beta", symbol: str = "ALB", **given: Any) -> EvidenceRow:
    """A listing of CoinGecko."""
    return row("coingecko", listing_id, name, symbol, **given)


def paprika(listing_id: int = 2, name: str = "Alpha Beta", symbol: str = "ALB", **given: Any) -> EvidenceRow:
    """A listing of CoinPaprika."""
    return row("coinpaprika", listing_id, name, symbol, **given)


def two(a: dict[str, Any], b: dict[str, Any]) -> tuple[Features, Features]:
    """Two listings of different sources, ready to be compared."""
    return features_of(1, listed(gecko(**a), {})), features_of(2, listed(paprika(**b), {}))


def course(*prices: float, start: float = 0.0, step: float = 3600.0) -> tuple[tuple[float, float], ...]:
    """Prices as observed one after the other, times and steps in seconds."""
    return tuple((start + n * step, price) for n, price in enumerate(prices))
