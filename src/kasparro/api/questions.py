"""Judgements as they are put to a person, and as a person says them."""

from typing import Annotated, Literal

import msgspec

from kasparro.catalog.entries import Contract, Entry, Judgement, ListingEntry, Quote
from kasparro.catalog.judged import Judged
from kasparro.records import Verdict
from kasparro.serving.operations import Shape


class JudgedListing(Shape, frozen=True, kw_only=True):
    """A listing as a person needs it to judge. What is null but the quote is not known while the listing waits for a coin."""

    source: str
    source_id: str
    symbol: str | None = None
    name: str | None = None
    active: bool | None = None
    contracts: tuple[Contract, ...] = ()
    quote: Quote | None = None
    coin_id: str | None = None  # the coin that it is now


class JudgedCoin(Shape, frozen=True, kw_only=True):
    """A coin as a person needs it to judge."""

    id: str
    symbol: str
    name: str
    latest_price_usd: float | None
    market_cap_usd: float | None
    listings: list[JudgedListing]


class Question(Shape, frozen=True, kw_only=True):
    """A judgement with its listing and the coin in question, and how much depends on it."""

    judgement: Judgement
    market_cap_at_stake_usd: float | None  # the smaller of the two sides' market caps, or the one that is known
    listing: JudgedListing
    coin: JudgedCoin


class JudgementSaid(Shape, frozen=True, kw_only=True):
    """A person's judgement that now stands, or stands no more, and what the listing is after it."""

    id: int
    coin_id: str
    verdict: Verdict
    note: str | None
    decided_by: str
    now_coin_id: str
    listing: JudgedListing | None  # as the catalog has it now
    catalog_version: int


_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]


class ListingName(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which listing is meant."""

    source: str
    source_id: _Name


class JudgementRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person judges."""

    listing: ListingName
    coin_id: _Name
    verdict: Literal["same", "different"]
    note: Annotated[str, msgspec.Meta(max_length=2_000, pattern=r"^[^\x00]*$")] | None = None


def question(row: Judged) -> Question:
    """A judgement as it is put to a person."""
    coin, price = row.coin, row.coin.price
    source, source_id = row.judgement.source, row.judgement.source_id
    return Question(
        judgement=row.judgement,
        market_cap_at_stake_usd=row.at_stake,
        listing=JudgedListing(source=source, source_id=source_id)
        if row.listing is None or row.now is None
        else judged_listing(row.listing, row.now),
        coin=JudgedCoin(
            id=coin.coin_id,
            symbol=coin.symbol,
            name=coin.name,
            latest_price_usd=None if price is None else price.value,
            market_cap_usd=None if price is None else price.market_cap,
            listings=[judged_listing(listing, coin) for listing in coin.listings],
        ),
    )


def judged_listing(listing: ListingEntry, coin: Entry) -> JudgedListing:
    """A listing of a coin as it is shown to a person who judges."""
    return JudgedListing(
        source=listing.source,
        source_id=listing.source_id,
        symbol=listing.symbol,
        name=listing.name,
        active=listing.active,
        contracts=listing.contracts,
        quote=listing.quote,
        coin_id=coin.coin_id,
    )
