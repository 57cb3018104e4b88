"""Coins, their prices and their listings as rows. A coin's row is encoded once, when the entry is made."""

from datetime import datetime

import msgspec

from kasparro.catalog.entries import Entry, Price

_ENCODER = msgspec.json.Encoder()


class CoinRow(msgspec.Struct, frozen=True, gc=False):
    """A row of /data."""

    symbol: str
    name: str
    sources: tuple[str, ...]
    latest_price_usd: float | None
    id: str
    observed_at: datetime | None
    confidence: float | None
    flags: tuple[str, ...]
    market_cap_usd: float | None
    volume_24h_usd: float | None


def data_row(coin_id: str, symbol: str, name: str, sources: tuple[str, ...], price: Price | None) -> CoinRow:
    """A coin's row from what it is made of."""
    if price is None:
        return CoinRow(symbol, name, sources, None, coin_id, None, None, (), None, None)
    return CoinRow(
        symbol,
        name,
        sources,
        price.value,
        coin_id,
        price.observed_at,
        price.confidence,
        price.flags,
        price.market_cap,
        price.volume_24h,
    )


def coin_row(entry: Entry) -> CoinRow:
    """An entry's row."""
    return data_row(entry.coin_id, entry.symbol, entry.name, entry.sources, entry.price)


def encoded_row(row: CoinRow) -> bytes:
    """A row as JSON."""
    return _ENCODER.encode(row)


def entry_row(entry: Entry) -> bytes:
    """The JSON of an entry's row, prepared or made now."""
    return entry.row or _ENCODER.encode(coin_row(entry))


class PriceRow(msgspec.Struct, frozen=True, gc=False):
    """A price with where it comes from, in US dollars."""

    coin_id: str
    symbol: str
    value_usd: float
    source: str
    source_id: str  # the listing whose quote was chosen
    method: str
    sources_used: tuple[str, ...]
    spread_pct: float | None
    observed_at: datetime
    published_at: datetime
    confidence: float
    flags: tuple[str, ...]
    market_cap_usd: float | None
    volume_24h_usd: float | None


class MappingRow(msgspec.Struct, frozen=True, gc=False):
    """A listing that has a coin."""

    coin_id: str
    source: str
    source_id: str
    symbol: str
    name: str
    rule: str
    confidence: float


def price_rows(entry: Entry) -> list[PriceRow]:
    """An entry's price, where it has one."""
    price = entry.price
    if price is None:
        return []
    return [
        PriceRow(
            entry.coin_id,
            entry.symbol,
            price.value,
            price.source,
            price.source_id,
            price.method,
            price.sources_used,
            price.spread_pct,
            price.observed_at,
            price.published_at,
            price.confidence,
            price.flags,
            price.market_cap,
            price.volume_24h,
        )
    ]


def mapping_rows(entry: Entry) -> list[MappingRow]:
    """An entry's listings."""
    return [
        MappingRow(entry.coin_id, n.source, n.source_id, n.symbol, n.name, n.judgement.rule, n.judgement.confidence) for n in entry.listings
    ]
