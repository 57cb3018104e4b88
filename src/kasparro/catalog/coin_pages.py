"""The pages of coins with a price: each made when it is first asked for, and kept for as long as its coin stays as it is."""

from collections.abc import Iterable

from lz4.block import compress, decompress

from kasparro.catalog.details import detail
from kasparro.catalog.entries import Catalog

# Pages of 20,000 coins take 45 MB as they are. A quarter of them stays so; of the others, packed, all fit.
OPEN_BYTES = 12_000_000
PACKED_BYTES = 10_000_000

_APIECE = 200  # bytes that the objects around a page take


class _Shelf:
    """Pages by the id in their address, as many as fit."""

    def __init__(self, bytes_max: int) -> None:
        self.pages: dict[bytes, bytes] = {}
        self._room = bytes_max

    @property
    def is_full(self) -> bool:
        return self._room <= 0

    def put(self, coin_id: bytes, page: bytes) -> None:
        self.pages[coin_id] = page
        self._room -= len(page) + _APIECE

    def drop(self, coin_id: bytes) -> None:
        page = self.pages.pop(coin_id, None)
        if page is not None:
            self._room += len(page) + _APIECE


class CoinPages:
    """What was made of coins. Who comes first is kept as it is, who comes later packed, and for whom there is no room is made each time.

    Room comes with every run, since coins change: no page has to go for another, and whoever walks through all of them finds what is kept.
    """

    def __init__(self, open_bytes: int = OPEN_BYTES, packed_bytes: int = PACKED_BYTES) -> None:
        self._open, self._packed = _Shelf(open_bytes), _Shelf(packed_bytes)
        self._ids: dict[int, bytes] = {}  # of both, by coin key
        self._first = b""  # what pages have in common with the first one is not packed with each

    def page(self, catalog: Catalog, coin_id: bytes) -> bytes | None:
        """See `detail`. None where it is no coin's own id, or the coin wraps another or is wrapped: its page then tells of others."""
        page = self._open.pages.get(coin_id)
        if page is not None:
            return page
        packed = self._packed.pages.get(coin_id)
        if packed is not None:
            opened: bytes = decompress(packed, dict=self._first)
            return opened
        key = catalog.keys.get(coin_id.decode("latin-1"))
        entry = None if key is None else catalog.entries.get(key)
        if entry is None or entry.wraps is not None or entry.coin_key in catalog.wrapped or not catalog.complete:
            return None
        page = detail(catalog, entry)
        if entry.price is not None:
            self._keep(entry.coin_key, coin_id, page)
        return page

    def renew(self, catalog: Catalog, changed: Iterable[int]) -> None:
        """Forget the pages that are other ones in a catalog in which the coins with these keys are new, changed or gone."""
        # Of an incomplete catalog, another database's, none stays. What is wrapped now may not have been so.
        for coin_keys in (changed, catalog.wrapped) if catalog.complete else (list(self._ids),):
            for key in coin_keys if self._ids else ():
                coin_id = self._ids.pop(key, None)
                if coin_id is not None:
                    self._open.drop(coin_id)
                    self._packed.drop(coin_id)

    def _keep(self, key: int, coin_id: bytes, page: bytes) -> None:
        if not self._open.is_full:
            self._open.put(coin_id, page)
        elif not self._packed.is_full:
            self._first = self._first or page
            self._packed.put(coin_id, compress(page, dict=self._first))
        else:
            return
        self._ids[key] = coin_id
