"""The current catalog of this process: read from the database, followed once a second, swapped in one assignment."""

import asyncio
from collections.abc import AsyncGenerator, Collection, Coroutine, Sequence
from contextlib import aclosing
from typing import Any, Protocol

import asyncpg
import msgspec

from kasparro import logs
from kasparro.catalog.build import Draft
from kasparro.catalog.entries import EMPTY, Catalog, Orders
from kasparro.catalog.remembered import RememberedOrders
from kasparro.catalog.search import indexed
from kasparro.clock import Clock, in_pieces
from kasparro.errors import DatabaseError
from kasparro.store import catalog_rows, run_history
from kasparro.store.catalog_rows import CoinRows, Pulse
from kasparro.store.pool import Database
from kasparro.store.run_history import RunHead, Standing

log = logs.get()

FOLLOW_SECONDS = 1.0
PULSE_TIMEOUT_SECONDS = 2.0  # a database that takes longer to answer a poll counts as gone
COINS_PER_READ = 1_000


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
        self._database = database
        self._clock = clock
        self._sources = list(sources)
        self._remembered = RememberedOrders()
        self._standing_of: tuple[int | None, int | None] | None = None
        self._refreshing = asyncio.Lock()

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
            log.error("catalog.poll_failed", exc_info=error)

    async def _guarded(self, name: str, work: Coroutine[Any, Any, object]) -> None:
        try:
            await work
        except _TROUBLE as error:
            self._failed(error)
        except Exception:
            # What it did not take over stays as it was, and the next poll tries again; without this nobody would hear of it.
            log.exception("catalog.refresh_failed", what=name)

    async def _read_pulse(self) -> Pulse:
        async with self._database.read(timeout_seconds=PULSE_TIMEOUT_SECONDS) as conn:
            self.pulse = await catalog_rows.read_pulse(conn)
        return self.pulse

    async def _follow_catalog(self, pulse: Pulse) -> bool:
        async with self._refreshing:
            previous = self.current
            if pulse.version == previous.version:
                return False
            started = self._clock.monotonic()
            catalog, coin_keys = await self._read(previous)
            now = self._clock.monotonic()
            if catalog.version == previous.version:
                return False  # another refresh has taken over meanwhile what this pulse told of
            if catalog.version > previous.version:
                self._remembered.replace(previous, now)
            else:
                self._remembered = RememberedOrders()
            self.current = catalog
            for follower in self.followers:
                follower.swapped(coin_keys)
            log.debug("catalog.swapped", version=catalog.version, coins_changed=len(coin_keys), duration_seconds=round(now - started, 3))
            # Served meanwhile: what the index does not know yet is found all the same, only more slowly.
            texts = await in_pieces(indexed(catalog.texts, catalog.entries), self._clock)
            self.current = msgspec.structs.replace(catalog, texts=texts) if texts is not catalog.texts else catalog
            return True

    async def _read(self, previous: Catalog) -> tuple[Catalog, list[int]]:
        """The catalog as it is published now, and the keys of the coins that were read; `previous` where that still stands."""
        async with self._database.read(snapshot=True) as conn:
            version, published_at = await catalog_rows.read_published(conn)
            if version == previous.version:
                return previous, []
            # A version that runs backwards is another database behind the same address: nothing of the old one holds.
            base = previous if version > previous.version else EMPTY
            draft = Draft(base)
            keys = await catalog_rows.read_coin_keys(conn, base.version or None)
            async with aclosing(_batches(conn, keys)) as batches:
                async for some, rows in batches:
                    await in_pieces(draft.add(some, rows), self._clock)
        return await in_pieces(draft.finish(version, published_at), self._clock), keys

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
        reason = str(error) or f"no answer within {PULSE_TIMEOUT_SECONDS:g} s"
        if self.database_error is None:
            log.warning("catalog.database_lost", error=reason)
        self.database_error = reason


async def _batches(conn: asyncpg.Connection, keys: list[int]) -> AsyncGenerator[tuple[list[int], CoinRows]]:
    """The rows of the coins, some thousand at once. The next ones are on their way while the last are worked on."""
    batches = [keys[start : start + COINS_PER_READ] for start in range(0, len(keys), COINS_PER_READ)]
    coming = [asyncio.ensure_future(catalog_rows.read_coins(conn, some)) for some in batches[:1]]
    try:
        for number, some in enumerate(batches):
            rows = await coming.pop()
            coming += [asyncio.ensure_future(catalog_rows.read_coins(conn, following)) for following in batches[number + 1 : number + 2]]
            yield some, rows
    finally:
        # The connection goes back to its pool: nothing may be at work on it.
        for task in coming:
            task.cancel()
        await asyncio.gather(*coming, return_exceptions=True)


# What a database that is gone, starting, overloaded or restarting makes the driver raise.
_TROUBLE = (DatabaseError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
