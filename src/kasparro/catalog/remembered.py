"""The orders of past versions, so that a reader's walk over all pages shows each coin once though ranks move."""

from array import array
from collections import deque

import msgspec

from kasparro.catalog.entries import Catalog, Orders

ORDERS_SECONDS = 15 * 60.0
ORDERS_MAX = 120  # more than a publication every 15 s makes in that time


class _Kept(msgspec.Struct, frozen=True):
    version: int
    orders: Orders
    replaced_at: float  # monotonic seconds


class RememberedOrders:
    """The orders of the versions that were current within the last 15 minutes."""

    def __init__(self) -> None:
        self._kept: deque[_Kept] = deque(maxlen=ORDERS_MAX)

    def replace(self, catalog: Catalog, now: float) -> None:
        """Remember the orders of a catalog that is current no more. `now` in monotonic seconds."""
        self._forget(now)
        orders = msgspec.structs.replace(catalog.orders, rank_by=array("d"), volume_by=array("d"))
        self._kept.append(_Kept(catalog.version, orders, now))

    def find(self, version: int, now: float) -> Orders | None:
        """The orders of a past version, or None where it was never current here or is too long ago."""
        self._forget(now)
        for kept in reversed(self._kept):
            if kept.version == version:
                return kept.orders
        return None

    def _forget(self, now: float) -> None:
        while self._kept and now - self._kept[0].replaced_at > ORDERS_SECONDS:
            self._kept.popleft()
