"""Which listings are asked for together. Pure.

A page of a market is torn by every change of rank, and its last places hold coins that nobody trades beside some that many do.
A batch names its listings: those that trade most are together, and no change of rank moves one out of sight.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from kasparro.records import Checkpoint, Pieces, Traded
from kasparro.sources.base import Stream

LAID_FOR = timedelta(days=1)  # volumes move slowly; a batch that stands is also one whose answers can be compared
IDS_CHARACTERS_MAX = 6_000  # of the ids in a URL: servers take 8,190 for a line
_PER_PIECE = 2_000


def lay_due(parts: Sequence[Checkpoint], now: datetime) -> bool:
    """Whether a stream's listings should be laid into batches, or laid anew."""
    laid = [c.laid_at for c in parts if c.laid_at is not None]
    if not laid:
        return bool(parts) and all(c.sweep > 0 for c in parts)  # every page was committed once
    return not timedelta(0) <= now - min(laid) < LAID_FOR


def lay(stream: Stream, traded: Iterable[Traded], parts: Sequence[Checkpoint], now: datetime) -> Pieces[list[Checkpoint]]:
    """Lay listings, given by falling volume, into batches that take the place of `parts`.

    First those for which the source had a price when it was asked last, then those for which it had none, then those that it
    was never asked for. A batch counts as asked for when the first of its listings was, so that none waits longer than before.
    """
    origins = {source_id: c for c in parts for source_id in c.ids}
    absent = {source_id for c in parts for source_id in c.absent}
    # The pages of a first sweep hold everything that had a price; which page held what is forgotten.
    swept = min((c for c in parts if not c.ids and c.committed_at), key=_committed, default=None)
    priced, unpriced, never = list[Traded](), list[Traded](), list[Traded]()
    for number, listing in enumerate(traded):
        if number % _PER_PIECE == 0:
            yield
        origin = origins.get(listing.source_id, swept)
        if origin is None or not origin.committed_at:
            never.append(listing)
        elif listing.quoted and listing.source_id not in absent:
            priced.append(listing)
        else:
            unpriced.append(listing)
    laid: list[Checkpoint] = []
    for some in _cut(priced, stream.batch_listings):
        ids = tuple(t.source_id for t in some)
        oldest = _oldest(ids, origins, swept)
        weight = sum(t.volume or 0.0 for t in some)
        laid.append(_batch(stream, len(laid), ids, now, oldest=oldest, rows=len(ids), weight=weight))
        yield
    for some in _cut(unpriced, stream.batch_listings):
        ids = tuple(t.source_id for t in some)
        laid.append(_batch(stream, len(laid), ids, now, oldest=_oldest(ids, origins, swept)))
    for some in _cut(never, stream.batch_listings):
        laid.append(_batch(stream, len(laid), tuple(t.source_id for t in some), now))
    return laid


def join(stream: Stream, newcomers: Sequence[str], parts: Sequence[Checkpoint], now: datetime) -> list[Checkpoint]:
    """Batches for listings that are in none yet, after those that there are."""
    first = 1 + max(c.ordinal for c in parts)
    listings = [Traded(source_id=source_id, volume=None, quoted=False) for source_id in newcomers]
    return [
        _batch(stream, first + n, tuple(t.source_id for t in some), now) for n, some in enumerate(_cut(listings, stream.batch_listings))
    ]


def _committed(part: Checkpoint) -> float:
    return part.committed_at.timestamp() if part.committed_at else 0.0


def _oldest(ids: Iterable[str], origins: dict[str, Checkpoint], swept: Checkpoint | None) -> Checkpoint | None:
    """Of the parts that listings were in, the one that was asked for longest ago."""
    parts = {id(c): c for c in (origins.get(source_id, swept) for source_id in ids) if c is not None}
    return min(parts.values(), key=_committed)


def _batch(
    stream: Stream,
    ordinal: int,
    ids: tuple[str, ...],
    now: datetime,
    *,
    oldest: Checkpoint | None = None,
    rows: int = 0,
    weight: float = 0.0,
) -> Checkpoint:
    return Checkpoint(
        stream=stream.name,
        part=f"batch:{ordinal}",
        ordinal=ordinal,
        sweep=oldest.sweep if oldest else 0,
        committed_at=oldest.committed_at if oldest else None,
        rows=rows,
        peak_rows=rows,
        ids=ids,
        absent=() if rows else ids,
        weight=weight,
        laid_at=now,
    )


def _cut(listings: Sequence[Traded], size: int) -> Iterator[list[Traded]]:
    """At most `size` listings at a time, and no more than a URL holds."""
    some: list[Traded] = []
    characters = 0
    for listing in listings:
        ident = listing.source_id
        length = 1 + (len(ident) if ident.isascii() else 3 * len(ident.encode()))
        if some and (len(some) == size or characters + length > IDS_CHARACTERS_MAX):
            yield some
            some, characters = [], 0
        some.append(listing)
        characters += length
    if some:
        yield some
