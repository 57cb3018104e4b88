"""A coin with everything that is known of it."""

import msgspec

from kasparro.catalog.entries import Catalog, Contract, Entry, Judgement, Price, Quote
from kasparro.catalog.find import wrapped_coin, wrapping_coins

WRAPPED_BY_MAX = 100

_ENCODER = msgspec.json.Encoder()


class Listing(msgspec.Struct, frozen=True, gc=False):
    """A listing that is judged the same as the coin."""

    source: str
    source_id: str
    symbol: str
    name: str
    active: bool


class CoinDetail(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One coin with everything that is known of it."""

    id: str
    symbol: str
    name: str
    sources: tuple[str, ...]
    latest_price_usd: float | None
    price: Price | None
    quotes: list[Quote]
    listings: list[Listing]
    contracts: list[Contract]
    judgements: list[Judgement]
    aliases: tuple[str, ...]
    wraps: str | None  # the coin that it stands for: Bitcoin for a wrapped one
    wrapped_by: list[str]  # the coins that stand for it, largest first


def detail(catalog: Catalog, entry: Entry) -> bytes:
    """Everything that is known of a coin, as JSON: see CoinDetail.

    Encoded when it is asked for: prepared pieces of every coin took a quarter of the catalog's memory. api/hot.py keeps what was made.
    """
    wraps, wrapped_by = None, list[str]()
    if entry.wraps is not None or entry.coin_key in catalog.wrapped:
        original = wrapped_coin(catalog, entry)
        wraps = None if original is None else original.coin_id
        wrapped_by = [other.coin_id for other in wrapping_coins(catalog, entry)[:WRAPPED_BY_MAX]]
    price, listings = entry.price, entry.listings
    return _ENCODER.encode(
        CoinDetail(
            id=entry.coin_id,
            symbol=entry.symbol,
            name=entry.name,
            sources=entry.sources,
            latest_price_usd=None if price is None else price.value,
            price=price,
            quotes=[n.quote for n in listings if n.quote is not None],
            listings=[Listing(n.source, n.source_id, n.symbol, n.name, n.active) for n in listings],
            contracts=[contract for n in listings for contract in n.contracts],
            judgements=[*[n.judgement for n in listings], *entry.others],
            aliases=entry.aliases,
            wraps=wraps,
            wrapped_by=wrapped_by,
        )
    )
