"""From a coin's quotes one price, with where it comes from and how far it can be trusted."""

from collections.abc import Collection, Sequence
from datetime import datetime

from kasparro.pricing.staleness import STALE, is_stale
from kasparro.records import CoinQuote, Price


def choose(quotes: Sequence[CoinQuote], previous: Price | None, now: datetime) -> Price | None:  # noqa: ARG001  # the interface stays, the rule grows
    """The newest quote among the sources; None where there is none. Of two quotes of one moment the first source by name wins."""
    if not quotes:
        return None
    ordered = sorted(quotes, key=lambda q: (-q.observed_at.timestamp(), q.source, q.listing_id))
    newest = ordered[0]
    sources = {q.source for q in quotes}
    low, high = min(q.price for q in quotes), max(q.price for q in quotes)
    spread_pct = (high - low) / low * 100 if len(quotes) > 1 else None
    return Price(
        value=newest.price,
        observed_at=newest.observed_at,
        method="newest",
        sources_used=(newest.source,),
        listing_id=newest.listing_id,
        spread_pct=spread_pct,
        confidence=_confidence(len(sources), spread_pct),
        flags=_flags(sources, newest.observed_at, now),
        market_cap=next((q.market_cap for q in ordered if q.market_cap is not None), None),
        volume_24h=next((q.volume_24h for q in ordered if q.volume_24h is not None), None),
    )


def _flags(sources: Collection[str], observed_at: datetime, now: datetime) -> tuple[str, ...]:
    single = ("single_source",) if len(sources) == 1 else ()
    return (*single, STALE) if is_stale(observed_at, now) else single


def _confidence(sources: int, spread_pct: float | None) -> float:
    """0.5 for one source alone, 1 for two that agree, falling to 0.1 as they come to differ by a tenth or more."""
    if sources == 1 or spread_pct is None:
        return 0.5
    return max(0.1, 1.0 - 0.09 * spread_pct)
