"""The current catalog of this process: read from the database, followed once a second, swapped in one assignment."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Any, Protocol, TypeVar

import asyncpg
import msgspec

from kasparro import logs
from kasparro.catalog.build import Draft
from kasparro.catalog.entries import EMPTY, Catalog, Entry, Orders
from kasparro.catalog.remembered import RememberedOrders
from kasparro.catalog.search import indexed
from kasparro.catalog.staling import due_at, restale
from kasparro.clock import Clock, in_pieces
from kasparro.errors import DatabaseError
from kasparro.records import Pieces
from kasparro.store import catalog_rows, run_history
from kasparro.store.catalog_rows import Pulse
from kasparro.store.pool import Database
from kasparro.store.run_history import RunHead, Standing

log = logs.get()
RowsT = TypeVar("RowsT")

FOLLOW_SECONDS = 1.0
RESTALE_SECONDS = 15.0
PULSE_TIMEOUT_SECONDS = 2.0  # a database that takes longer to answer a poll counts as gone
COINS_PER_READ = 7_000  # for each the server reads whole tables once, and this process holds all its rows
PRICES_PER_READ = 1_000  # that come at once: about 3 ms of the event loop

_FREED_PER_PIECE = 500


class Follower(Protocol):
    """Hears of what happens. Called at once, so it must be quick and only take note."""

    def swapped(self, coin_keys: Collection[int]) -> None:
        """Another catalog is current; the coins with these keys are new, changed or gone."""

    def run_ended(self, run: RunHead) -> None:
        """The newest run has ended, in whichever process."""


class CatalogHolder:
    """The catalog that this process serves, with what every process keeps an eye on: the runs, and whether the database answers."""

    def __init__(self, database: Database, clock: Clock, sources: Sequence[str]) -> None:
        self.current: Catalog = EMPTY
        self.standing: Standing | None = None  # None: not read yet
        self.pulse: Pulse | None = None  # the last one; None: none yet
        self.database_error: str | None = None  # why the last poll failed; None: it did not, or there was none yet
        self.followers: list[Follower] = []
        self.complete = asyncio.Event()  # set while `current` is all that was published, as the database has said at least once
        self.looked = asyncio.Event()  # set once the first look at the database has brought something to serve, or nothing
        self._database = database
        self._clock = clock
        self._sources = list(sources)
        self._remembered = RememberedOrders()
        self._standing_of: tuple[int | None, int | None] | None = None
        self._refreshing = asyncio.Lock()
        self._due_of: Catalog = EMPTY  # of which catalog `_due_at` says when its next price turns stale
        self._due_at: datetime | None = None
        self._replaced: list[Entry] = []  # what the catalog before the current one had, to be let go of in pieces
        self._restale_from = 0.0  # not before this, monotonic seconds

    def orders(self, version: int) -> Orders | None:
        """The orders of the current version or of one that was current here within the last 15 minutes."""
        current = self.current
        if current.version == version:
            return current.orders
        return self._remembered.find(version, self._clock.monotonic())

    async def refresh(self) -> bool:
        """Take over what was published since, and how the sources have fared. True where the catalog was swapped.

        Raises DatabaseError or the driver's errors where the database does not answer; the current catalog then stays.
        """
        pulse = await self._read_pulse()
        swapped = await self._follow_catalog(pulse)
        await self._follow_runs(pulse)
        await self._follow_time()
        return swapped

    async def follow(self, interval: float = FOLLOW_SECONDS) -> None:
        """Refresh for ever. Survives outages of the database, which are logged when they begin and when they end."""
        tasks: dict[str, asyncio.Task[Any]] = {}
        try:
            while True:
                # A poll is not cancelled but left to end when it may: with a server that hangs, undoing it would hang, too.
                if "poll" not in tasks:
                    tasks["poll"] = asyncio.create_task(self._read_pulse())
                poll = tasks["poll"]
                await asyncio.wait([poll], timeout=PULSE_TIMEOUT_SECONDS)
                if poll.done():
                    del tasks["poll"]
                    self._polled(poll, tasks)
                else:
                    self._failed(TimeoutError())
                if "time" not in tasks or tasks["time"].done():
                    # Also while the database is away: what is served grows old all the same.
                    tasks["time"] = asyncio.create_task(self._guarded("time", self._follow_time()))
                await self._clock.sleep(interval)
        finally:
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)

    def _polled(self, poll: asyncio.Task[Pulse], tasks: dict[str, asyncio.Task[Any]]) -> None:
        """Take over what a poll has found, beside the polling: whether the database answers must not wait for a large refresh."""
        error = poll.exception()
        if error is None:
            self._answered()
            for name, take_over in (("runs", self._follow_runs), ("catalog", self._follow_catalog)):
                if name not in tasks or tasks[name].done():
                    tasks[name] = asyncio.create_task(self._guarded(name, take_over(poll.result())))
        elif isinstance(error, _TROUBLE):
            self._failed(error)
        else:
            self.looked.set()
            log.error("catalog.poll_failed", exc_info=error)

    async def _guarded(self, name: str, work: Coroutine[Any, Any, object]) -> None:
        try:
            await work
        except _TROUBLE as error:
            self._failed(error)
        except Exception:
            # What it did not take over stays as it was, and the next poll tries again; without this nobody would hear of it.
            log.exception("catalog.refresh_failed", what=name)
        finally:
            if name == "catalog":
                self.looked.set()

    async def _read_pulse(self) -> Pulse:
        async with self._database.read(timeout_seconds=PULSE_TIMEOUT_SECONDS) as conn:
            self.pulse = await catalog_rows.read_pulse(conn)
        return self.pulse

    async def _follow_catalog(self, pulse: Pulse) -> bool:
        async with self._refreshing:
            if pulse.version == self.current.version and self.current.complete:
                self.complete.set()
                return False
            started = self._clock.monotonic()
            coins = await self._read()
            await in_pieces(_let_go(self._replaced), self._clock)
            if coins is None:
                return False  # another refresh has taken over meanwhile what this pulse told of
            seconds = round(self._clock.monotonic() - started, 3)
            log.debug("catalog.swapped", version=self.current.version, coins_changed=coins, duration_seconds=seconds)
            # Served meanwhile: what the index does not know yet is found all the same, only more slowly.
            texts = await in_pieces(indexed(self.current.texts, self.current.entries), self._clock)
            if texts is not self.current.texts:
                self._take(msgspec.structs.replace(self.current, texts=texts), ())
            return True

    async def _read(self) -> int | None:
        """Take over what is published now; how many coins were read, None where nothing else is."""
        previous = self.current
        async with self._database.read(snapshot=True) as conn:
            version, published_at = await catalog_rows.read_published(conn)
            if version == previous.version and previous.complete:
                return None
            # A version that runs backwards is another database behind the same address: nothing of the old one holds.
            if not previous.version or not previous.complete or version < previous.version:
                return await self._read_all(conn, version, published_at)
            repriced, changed = await catalog_rows.read_changed_coin_keys(conn, previous.version)
            for key in repriced:
                entry = previous.entries.get(key)
                if entry is None or entry.price is None:  # with its first price comes all that is told of it
                    changed.append(key)
            draft = await self._drafted(conn, previous, changed)
            repriced = sorted(set(repriced).difference(changed))
            async with aclosing(_batches(conn, repriced, PRICES_PER_READ, catalog_rows.read_prices)) as batches:
                async for _, rows in batches:
                    await in_pieces(draft.reprice(rows), self._clock)
        self._remembered.replace(previous, self._clock.monotonic())
        await self._swap(draft, [*changed, *repriced], version, published_at, previous=previous)
        return len(changed) + len(repriced)

    async def _read_all(self, conn: asyncpg.Connection, version: int, published_at: datetime | None) -> int:
        """Take over everything: first what lists show of the coins with a price, so that these are served at once after a start."""
        self._remembered = RememberedOrders()
        draft = Draft(EMPTY)
        listed = await in_pieces(draft.begin(await catalog_rows.read_priced(conn)), self._clock)
        await self._swap(draft, listed, version, published_at, complete=False)
        others = await catalog_rows.read_other_coin_keys(conn, self.current.entries)
        draft = await self._drafted(conn, self.current, [*listed, *others])
        # Where there is no other coin, somebody may wait all the same for what an alias leads to.
        await self._swap(draft, others or listed, version, published_at)
        return len(listed) + len(others)

    async def _swap(
        self,
        draft: Draft,
        coin_keys: list[int],
        version: int,
        published_at: datetime | None,
        *,
        complete: bool = True,
        previous: Catalog | None = None,
    ) -> None:
        """Let a draft be the current catalog, with what is stale by now flagged: it is so on every replica.

        `previous` is the catalog that it differs from in these coins alone: the others were looked at, and are due when they were.
        """
        catalog, now = await in_pieces(draft.finish(version, published_at, complete=complete), self._clock), self._clock.now()
        due = self._due_at if previous is not None and previous is self._due_of else now
        keys = coin_keys if due is None or now < due else None
        catalog, stale = await in_pieces(restale(catalog, now, keys), self._clock)
        if keys is not None:
            times = [due, await in_pieces(due_at(catalog, keys), self._clock)]
            self._due_of, self._due_at = catalog, min((at for at in times if at is not None), default=None)
        else:
            self._due_of = EMPTY  # what was before may go
        self._replaced = draft.replaced
        self._take(catalog, [*coin_keys, *stale])

    def _take(self, catalog: Catalog, coin_keys: Collection[int]) -> None:
        self.current = catalog
        self.looked.set()
        (self.complete.set if catalog.complete else self.complete.clear)()
        for follower in self.followers:
            follower.swapped(coin_keys)

    async def _drafted(self, conn: asyncpg.Connection, base: Catalog, keys: list[int]) -> Draft:
        draft = Draft(base)
        async with aclosing(_batches(conn, keys, COINS_PER_READ, catalog_rows.read_coins)) as batches:
            async for some, rows in batches:
                await in_pieces(draft.add(some, rows), self._clock)
        return draft

    async def _follow_time(self) -> None:
        """Flag the prices that have turned stale, a few times a minute at most: each time is another catalog."""
        now = self._clock.now()
        async with self._refreshing:
            catalog = self.current
            if catalog is not self._due_of:
                self._due_of, self._due_at = catalog, await in_pieces(due_at(catalog), self._clock)
            if self._due_at is None or now < self._due_at or self._clock.monotonic() < self._restale_from:
                return
            catalog, coin_keys = await in_pieces(restale(catalog, now), self._clock)
            self._take(catalog, coin_keys)
            self._restale_from = self._clock.monotonic() + RESTALE_SECONDS
            log.debug("catalog.restaled", version=catalog.version, coins=len(coin_keys))

    async def _follow_runs(self, pulse: Pulse) -> None:
        state = (pulse.newest_run_id, pulse.open_run_id)
        if self.standing is not None and state == self._standing_of:
            return
        async with self._database.read() as conn:
            standing = await run_history.read_standing(conn, self._sources)
        before, self.standing, self._standing_of = self.standing, standing, state
        run = standing.last_run
        if run is not None and run.finished_at is not None and before is not None and run != before.last_run:
            for follower in self.followers:
                follower.run_ended(run)

    def _answered(self) -> None:
        if self.database_error is not None:
            log.info("catalog.database_back")
        self.database_error = None

    def _failed(self, error: BaseException) -> None:
        self.looked.set()
        reason = str(error) or f"no answer within {PULSE_TIMEOUT_SECONDS:g} s"
        if self.database_error is None:
            log.warning("catalog.database_lost", error=reason)
        self.database_error = reason


def _let_go(entries: list[Entry]) -> Pieces[None]:
    """Free entries that nobody else holds: all at once, 20,000 of them held the event loop for long."""
    while entries:
        del entries[-_FREED_PER_PIECE:]
        yield


async def _batches(
    conn: asyncpg.Connection, keys: list[int], size: int, read: Callable[[asyncpg.Connection, list[int]], Coroutine[Any, Any, RowsT]]
) -> AsyncGenerator[tuple[list[int], RowsT]]:
    """The rows of the coins, of so many at once. The next ones are on their way while the last are worked on."""
    batches = [keys[start : start + size] for start in range(0, len(keys), size)]
    coming = [asyncio.ensure_future(read(conn, some)) for some in batches[:1]]
    try:
        for number, some in enumerate(batches):
            rows = await coming.pop()
            coming += [asyncio.ensure_future(read(conn, following)) for following in batches[number + 1 : number + 2]]
            yield some, rows
    finally:
        # The connection goes back to its pool: nothing may be at work on it.
        for task in coming:
            task.cancel()
        await asyncio.gather(*coming, return_exceptions=True)


# What a database that is gone, starting, overloaded or restarting makes the driver raise.
_TROUBLE = (DatabaseError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
