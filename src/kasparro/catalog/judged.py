"""The judgements that stand, in the order in which a person should look at them."""

from collections.abc import Iterator
from math import inf

import msgspec

from kasparro.catalog.entries import Catalog, Entry, Judgement, ListingEntry
from kasparro.catalog.sorting import sort_in_pieces
from kasparro.records import Pieces, Verdict

_COINS_PER_PIECE = 1_000

# (market value at stake, the largest first; judgement id; key of the coin in question)
Queued = tuple[float, int, int]


class Judged(msgspec.Struct, frozen=True, gc=False):
    """A judgement with both its sides."""

    judgement: Judgement
    coin: Entry  # the coin in question
    listing: ListingEntry | None  # None: it waits for a coin
    now: Entry | None  # the coin that the listing is
    at_stake: float | None


def queued(catalog: Catalog, verdict: Verdict, decided_by: str | None) -> Pieces[list[Queued]]:
    """The judgements of a verdict, most market value at stake first; those where it is not known last."""
    found: list[Queued] = []
    for number, entry in enumerate(catalog.entries.values()):
        for judgement, listing in _of(catalog, entry, verdict):
            if decided_by in (None, judgement.decided_by):
                at_stake = _at_stake(entry, listing)
                found.append((inf if at_stake is None else -at_stake, judgement.judgement_id, entry.coin_key))
        if number % _COINS_PER_PIECE == 0:
            yield
    return (yield from sort_in_pieces(found))


def judged(catalog: Catalog, place: Queued) -> Judged:
    """What stands at a place of the queue of the same catalog."""
    _, judgement_id, key = place
    entry = catalog.entries[key]
    judgement = next(j for j in (*entry.others, *(n.judgement for n in entry.listings)) if j.judgement_id == judgement_id)
    now = catalog.find_listing(judgement.source, judgement.source_id)
    listing = catalog.listing(judgement.source, judgement.source_id)
    return Judged(judgement, entry, listing, now, _at_stake(entry, listing))


def _of(catalog: Catalog, entry: Entry, verdict: Verdict) -> Iterator[tuple[Judgement, ListingEntry | None]]:
    """A coin's judgements of a verdict, each with its listing."""
    if verdict == "same":
        yield from ((listing.judgement, listing) for listing in entry.listings)
    elif entry.others:
        yield from (
            (judgement, catalog.listing(judgement.source, judgement.source_id))
            for judgement in entry.others
            if judgement.verdict == verdict
        )


def _at_stake(entry: Entry, listing: ListingEntry | None) -> float | None:
    """US dollars: the smaller of the two sides' market caps, or the one that is known: so much is shown twice or wrongly."""
    sides = (None if listing is None else listing.quote, entry.price)
    return min((side.market_cap for side in sides if side is not None and side.market_cap is not None), default=None)
