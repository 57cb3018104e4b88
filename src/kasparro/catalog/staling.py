"""Prices turn stale by time alone: the catalog flags them when they fall due, without a run. Pure."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from kasparro.catalog.entries import Catalog, Entry, Price
from kasparro.catalog.rows import data_row, encoded_row
from kasparro.pricing.staleness import STALE, STALE_AFTER, is_stale, less_certain
from kasparro.records import Pieces

SLICE = 2_000  # entries looked at between two chances for others: about 1 ms
ENCODED_SLICE = 50  # entries made anew likewise


def is_flagged(price: Price | None) -> bool:
    """Whether there is a price and it is flagged as stale."""
    return price is not None and STALE in price.flags


def due_at(catalog: Catalog, keys: Sequence[int] | None = None) -> Pieces[datetime | None]:
    """When the next price turns stale, of all coins or those with these keys; None where none will."""
    oldest: datetime | None = None
    for n, key in enumerate(catalog.orders.rank if keys is None else keys):
        if n % SLICE == SLICE - 1:
            yield
        price = _price(catalog, key)
        if price is not None and STALE not in price.flags and (oldest is None or price.observed_at < oldest):
            oldest = price.observed_at
    return None if oldest is None else oldest + STALE_AFTER


def restale(catalog: Catalog, now: datetime, keys: Sequence[int] | None = None) -> Pieces[tuple[Catalog, list[int]]]:
    """The catalog with every price flagged that is stale by now, and the keys of the coins where that is new.

    With `keys` only these coins are looked at: where no other price was due yet.
    """
    due: list[int] = []
    for n, key in enumerate(catalog.orders.rank if keys is None else keys):
        if n % SLICE == SLICE - 1:
            yield
        price = _price(catalog, key)
        if price is not None and STALE not in price.flags and is_stale(price.observed_at, now):
            due.append(key)
    entries = catalog.entries
    if due:
        entries = dict(entries)
        for n, key in enumerate(due):
            if n % ENCODED_SLICE == ENCODED_SLICE - 1:
                yield
            entries[key] = _flagged(entries[key])
    return msgspec.structs.replace(catalog, entries=entries, stale=catalog.stale + len(due)), due


def _price(catalog: Catalog, key: int) -> Price | None:
    entry = catalog.entries.get(key)
    return None if entry is None else entry.price


def _flagged(entry: Entry) -> Entry:
    assert entry.price is not None  # noqa: S101  # only priced coins fall due
    price = msgspec.structs.replace(entry.price, flags=(*entry.price.flags, STALE), confidence=less_certain(entry.price.confidence))
    row = encoded_row(data_row(entry.coin_id, entry.symbol, entry.name, entry.sources, price))
    return msgspec.structs.replace(entry, price=price, row=row)
