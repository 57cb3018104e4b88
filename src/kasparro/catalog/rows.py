"""A coin as a row of a list. Encoded once, when the entry is made."""

from datetime import datetime

import msgspec

from kasparro.catalog.entries import Entry, PriceEntry

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


def data_row(coin_id: str, symbol: str, name: str, sources: tuple[str, ...], price: PriceEntry | None) -> CoinRow:
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
