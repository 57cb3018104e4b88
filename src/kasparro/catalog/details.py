"""A coin with everything that is known of it. Coins with a price have it encoded when their entry is made."""

from collections.abc import Sequence
from datetime import datetime
from itertools import chain

import msgspec

from kasparro.catalog.entries import Catalog, Entry, JudgementEntry, ListingEntry, PriceEntry
from kasparro.catalog.find import wrapped_coin, wrapping_coins
from kasparro.records import Verdict

WRAPPED_BY_MAX = 100

_ENCODER = msgspec.json.Encoder()
_GAP = b"\x01"  # stands where evidence belongs: no JSON text has this byte
_NOT_WRAPPED = b',"wraps":null,"wrapped_by":[]}'


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """A listing that is judged the same as the coin."""

    source: str
    source_id: str
    symbol: str
    name: str
    active: bool


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """A contract address of one of the coin's listings; the platform as the source names it."""

    source: str
    source_id: str
    platform: str
    address: str


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """The newest quote of one of the coin's listings."""

    source: str
    source_id: str
    price_usd: float
    market_cap_usd: float | None
    volume_24h_usd: float | None
    observed_at: datetime
    fetched_at: datetime


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """What the service says the coin costs, and why."""

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


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a listing is the coin, and why."""

    id: int
    source: str
    source_id: str
    verdict: Verdict
    rule: str
    confidence: float
    evidence: msgspec.Raw
    decided_by: str
    note: str | None
    created_at: datetime


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What a coin's own rows say of it."""

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


class CoinDetail(Told, frozen=True, kw_only=True):
    """One coin with everything that is known of it."""

    wraps: str | None  # the coin that it stands for: Bitcoin for a wrapped one
    wrapped_by: list[str]  # the coins that stand for it, largest first


def prepared(
    *,
    coin_id: str,
    symbol: str,
    name: str,
    sources: tuple[str, ...],
    price: PriceEntry | None,
    listings: Sequence[ListingEntry],
    others: Sequence[JudgementEntry],
    aliases: tuple[str, ...],
) -> tuple[bytes, ...]:
    """What a coin's own rows say of it, as JSON in pieces.

    Between the pieces belongs the evidence of its judgements, which the entry keeps anyway and two listings share; behind the last one,
    which lacks its brace, what other coins say of it.
    """
    told = Told(
        id=coin_id,
        symbol=symbol,
        name=name,
        sources=sources,
        latest_price_usd=None if price is None else price.value,
        price=None if price is None else _price(price, next(n for n in listings if n.listing_id == price.listing_id)),
        quotes=[quote for quote in map(quote_shape, listings) if quote is not None],
        listings=[Listing(source=n.source, source_id=n.source_id, symbol=n.symbol, name=n.name, active=n.active) for n in listings],
        contracts=[contract for n in listings for contract in contract_shapes(n)],
        judgements=[judgement_shape(j, _GAP) for j in (*(n.judgement for n in listings), *others)],
        aliases=aliases,
    )
    return tuple(_ENCODER.encode(told)[:-1].split(_GAP))


def detail(catalog: Catalog, entry: Entry) -> bytes:
    """Everything that is known of a coin, as JSON: see CoinDetail."""
    told = entry.told
    if told is None:
        told = prepared(
            coin_id=entry.coin_id,
            symbol=entry.symbol,
            name=entry.name,
            sources=entry.sources,
            price=entry.price,
            listings=entry.listings,
            others=entry.others,
            aliases=entry.aliases,
        )
    parts = [told[0]]
    for judgement, piece in zip(chain((n.judgement for n in entry.listings), entry.others), told[1:], strict=True):
        parts += (judgement.evidence, piece)
    if entry.wraps is None and entry.coin_key not in catalog.wrapped:
        parts.append(_NOT_WRAPPED)
        return b"".join(parts)
    original = wrapped_coin(catalog, entry)
    wrapping = [other.coin_id for other in wrapping_coins(catalog, entry)[:WRAPPED_BY_MAX]]
    tail = _ENCODER.encode({"wraps": None if original is None else original.coin_id, "wrapped_by": wrapping})
    return b"".join((*parts, b",", tail[1:]))


def _price(price: PriceEntry, chosen: ListingEntry) -> Price:
    return Price(
        value_usd=price.value,
        source=chosen.source,
        source_id=chosen.source_id,
        method=price.method,
        sources_used=price.sources_used,
        spread_pct=price.spread_pct,
        observed_at=price.observed_at,
        published_at=price.published_at,
        confidence=price.confidence,
        flags=price.flags,
        market_cap_usd=price.market_cap,
        volume_24h_usd=price.volume_24h,
    )


def contract_shapes(listing: ListingEntry) -> list[Contract]:
    """A listing's contracts as they are shown."""
    return [
        Contract(source=listing.source, source_id=listing.source_id, platform=platform, address=address)
        for platform, address in listing.contracts
    ]


def quote_shape(listing: ListingEntry) -> Quote | None:
    """A listing's newest quote as it is shown."""
    quote = listing.quote
    if quote is None:
        return None
    return Quote(
        source=listing.source,
        source_id=listing.source_id,
        price_usd=quote.price,
        market_cap_usd=quote.market_cap,
        volume_24h_usd=quote.volume_24h,
        observed_at=quote.observed_at,
        fetched_at=quote.fetched_at,
    )


def judgement_shape(judgement: JudgementEntry, evidence: bytes | None = None) -> Judgement:
    """A judgement as it is shown, with its own evidence unless other bytes are to stand in its place."""
    return Judgement(
        id=judgement.judgement_id,
        source=judgement.source,
        source_id=judgement.source_id,
        verdict=judgement.verdict,
        rule=judgement.rule,
        confidence=judgement.confidence,
        evidence=msgspec.Raw(judgement.evidence if evidence is None else evidence),
        decided_by=judgement.decided_by,
        note=judgement.note,
        created_at=judgement.created_at,
    )
