"""Who listens to /stream, and how news reaches them: each changed coin is encoded once, whoever listens.

A reader is a short list of bytes that all readers share; nothing else is kept per reader but what the server needs for a connection.
"""

import asyncio
from collections.abc import Collection, Iterable, Sequence

import msgspec

from kasparro.catalog.catalog import CatalogHolder
from kasparro.catalog.entries import Catalog, Entry
from kasparro.catalog.rows import entry_row
from kasparro.store.run_history import RunHead

READERS_MAX = 5_000
COINS_MAX = 100  # that one reader may follow
QUEUED_BYTES_MAX = 256_000  # several times the rows of so many coins
PART_BYTES = 16_000  # of what is handed to the server at once, so that what is queued there is bounded, too
HEARTBEAT_SECONDS = 15.0
RETRY_MILLISECONDS = 5_000
_TOLD_PER_PIECE = 50  # readers that wake at once: some milliseconds of work

HEARTBEAT = b": still here\n\n"
RESET = b'event: reset\ndata: {"detail":"too much is waiting to be read; connect anew for the present state"}\n\n'
_ENCODER = msgspec.json.Encoder()
_RETRY = b"retry: %d\n\n" % RETRY_MILLISECONDS


class Reader:
    """One open stream: what waits to be sent."""

    __slots__ = ("_bytes", "_ended", "_events", "_waiting", "ids", "keys")

    def __init__(self, ids: Sequence[str]) -> None:
        self.ids = ids  # as they were asked for
        self.keys: list[int] = []  # of the coins that they lead to
        self._events: list[bytes] = []
        self._bytes = 0
        self._ended = False
        self._waiting: asyncio.Future[None] | None = None

    def put(self, event: bytes, *, more: bool = False) -> None:
        """Queue an event, with `more` to be sent with what will follow at once.

        A reader that is too slow is told to start over instead, and its stream ends.
        """
        if self._ended:
            return
        if self._bytes + len(event) > QUEUED_BYTES_MAX:
            self._events, self._bytes, self._ended = [], 0, True
            event = RESET
        self._events.append(event)
        self._bytes += len(event)
        if self._ended or not more:
            self._wake()

    def end(self) -> None:
        """Let the stream end once what waits is sent."""
        self._ended = True
        self._wake()

    async def part(self) -> bytes:
        """What is to be sent next, once there is something; nothing where the stream ends."""
        if not self._events and not self._ended:
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
            self._waiting = None
        taken = size = 0
        while taken < len(self._events) and size < PART_BYTES:
            size += len(self._events[taken])
            taken += 1
        part = b"".join(self._events[:taken])
        del self._events[:taken]
        self._bytes -= size
        return part

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


class Readers:
    """All open streams. Follows the catalog and the runs as one of CatalogHolder's followers."""

    def __init__(self, catalog: CatalogHolder, heartbeat_seconds: float = HEARTBEAT_SECONDS) -> None:
        self._catalog = catalog
        self._heartbeat_seconds = heartbeat_seconds
        self._readers: set[Reader] = set()
        self._of_coin: dict[int, set[Reader]] = {}
        self._news = asyncio.Event()
        self._changed: set[int] = set()
        self._runs: list[RunHead] = []
        catalog.followers.append(self)

    def __len__(self) -> int:
        return len(self._readers)

    def swapped(self, coin_keys: Collection[int]) -> None:
        """See Follower."""
        if self._readers:
            self._changed.update(coin_keys)
            self._news.set()

    def run_ended(self, run: RunHead) -> None:
        """See Follower."""
        if self._readers:
            self._runs.append(run)
            self._news.set()

    def join(self, ids: Sequence[str], last_event_id: str | None) -> Reader:
        """A new reader of coins. It has their state before it, unless the last event that it has seen says that it missed nothing."""
        catalog, reader = self._catalog.current, Reader(ids)
        self._readers.add(reader)
        reader.put(_RETRY)
        told = last_event_id == _id(catalog).decode()
        self._follow(catalog, reader, told=told)
        if not told:
            reader.put(_version_event(catalog))
        return reader

    def leave(self, reader: Reader) -> None:
        """Forget a reader."""
        self._readers.discard(reader)
        for key in reader.keys:
            self._unfollow(key, reader)

    def end(self) -> None:
        """End all streams: the process stops."""
        for reader in self._readers:
            reader.end()

    async def work(self) -> None:
        """Hand on for ever what happens, and something now and then where nothing does, so that dead connections show."""
        while True:
            try:
                async with asyncio.timeout(self._heartbeat_seconds):
                    await self._news.wait()
            except TimeoutError:
                await self._tell(self._readers, HEARTBEAT)
                continue
            self._news.clear()
            changed, self._changed = self._changed, set()
            runs, self._runs = self._runs, []
            catalog = self._catalog.current
            if changed:
                # One write per reader: all that has changed for it, and the version that ends it.
                await self._queue_changed(catalog, changed)
                await self._tell(self._readers, _version_event(catalog))
            for run in runs:
                await self._tell(self._readers, _event(b"run", _id(catalog), _ENCODER.encode(run)))

    async def _queue_changed(self, catalog: Catalog, changed: Collection[int]) -> None:
        for key in changed:
            readers = self._of_coin.get(key)
            entry = catalog.living(key) if readers else None
            if readers and entry is not None:
                if entry.coin_key != key:  # it was merged into another coin
                    for reader in list(readers):
                        self._unfollow(key, reader)
                        reader.keys = [entry.coin_key if k == key else k for k in reader.keys]
                        self._of_coin.setdefault(entry.coin_key, set()).add(reader)
                    readers = self._of_coin[entry.coin_key]
                event = _price_event(catalog, entry)
                for reader in readers:
                    reader.put(event, more=True)
                await asyncio.sleep(0)
        # Before the first data no id leads anywhere.
        for reader in [reader for reader in self._readers if reader.ids and not reader.keys]:
            self._follow(catalog, reader, told=False)

    async def _tell(self, readers: Iterable[Reader], event: bytes) -> None:
        for count, reader in enumerate(list(readers), start=1):
            reader.put(event)
            if count % _TOLD_PER_PIECE == 0:
                await asyncio.sleep(0)

    def _follow(self, catalog: Catalog, reader: Reader, *, told: bool) -> None:
        found = [entry for entry in map(catalog.find, reader.ids) if entry is not None]
        if len(found) < len(reader.ids) and not catalog.complete:
            return  # the others may be known in a second; till then the reader waits as it does before the first data
        entries = {entry.coin_key: entry for entry in found}
        reader.keys = list(entries)
        for key, entry in entries.items():
            self._of_coin.setdefault(key, set()).add(reader)
            if not told:
                reader.put(_price_event(catalog, entry), more=True)

    def _unfollow(self, key: int, reader: Reader) -> None:
        readers = self._of_coin.get(key, set())
        readers.discard(reader)
        if not readers:
            self._of_coin.pop(key, None)


def _event(name: bytes, event_id: bytes, data: bytes) -> bytes:
    return b"event: %b\nid: %b\ndata: %b\n\n" % (name, event_id, data)


def _id(catalog: Catalog) -> bytes:
    return b"%d" % catalog.version


def _price_event(catalog: Catalog, entry: Entry) -> bytes:
    # Another id than the one that ends a version: whoever is cut off within one has not seen all of it.
    return _event(b"price", b"%d-part" % catalog.version, entry_row(entry))


def _version_event(catalog: Catalog) -> bytes:
    return _event(b"version", _id(catalog), _ENCODER.encode({"version": catalog.version, "published_at": catalog.published_at}))
