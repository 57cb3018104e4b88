"""Turns what was committed into what is served: judgements, coins and prices, under a new catalog version."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TypeVar

import asyncpg

from kasparro.clock import Clock, in_pieces
from kasparro.errors import DatabaseError
from kasparro.ingest.identity import Identity, Judged, Settledness
from kasparro.ingest.load import Written
from kasparro.pricing.choose import choose
from kasparro.pricing.staleness import STALE, STALE_AFTER
from kasparro.records import CoinQuote, Pieces, Price, Resolution
from kasparro.settings import Settings
from kasparro.store import changes, coins, listings, partitions, prices, quotes, runs
from kasparro.store.pool import Database
from kasparro.store.queries import batches

_COINS_AT_A_TIME = 1_000  # their rows are decoded in about 3 ms
_CHOSEN_PER_PIECE = 50
_BULK_ROWS = 5_000  # written at once, they change what the planner should do
# Twice the longest time between two quotes of a coin that the plan of calls allows, with room for an outage: docs/budget.md.
_QUIET_AFTER = timedelta(hours=48)
_ATTEMPTS_MAX = 5  # of judging, where somebody else published meanwhile

T = TypeVar("T")


class OutdatedError(DatabaseError):
    """Somebody else published since the state was read on which something was judged."""

    code = "outdated"

    def __init__(self) -> None:
        super().__init__("somebody else published while this was being judged; try again")


async def until_current(work: Callable[[], Awaitable[T]]) -> T:
    """The answer of work that is done again where somebody else published meanwhile. Raises OutdatedError after the fifth time."""
    for _ in range(_ATTEMPTS_MAX - 1):
        with suppress(OutdatedError):
            return await work()
    return await work()


class Publisher:
    """Publishes for one run. Only one publication is at work at a time."""

    def __init__(
        self,
        identity: Identity,
        database: Database,
        settings: Settings,
        clock: Clock,
        run_id: int,
        settledness: Callable[[], Settledness],
    ) -> None:
        self._identity, self._database, self._settings, self._clock, self._run_id = identity, database, settings, clock, run_id
        self._settledness = settledness
        self._lock = asyncio.Lock()
        self._since_run: int | None = None  # what runs from here on brought may not be published yet; None: not asked yet
        self._untold_since = run_id  # what runs from here on changed of listings is told at the end
        self._caught_up = False  # the quotes of earlier runs are in the prices
        self._quoted: set[int] = set()  # listings with another newest quote since the last publication
        self._news: set[int] = set()  # listings of which something changed since then that they are judged by
        self._redescribed: set[int] = set()  # listings of which this run changed what is shown of them, told at the end

    def note(self, done: Written) -> None:
        """Remember what a written page changed."""
        self._quoted.update(done.quoted)
        self._news.update(done.news)
        self._redescribed.update(done.redescribed)

    async def publish(self, *, final: bool) -> bool:
        """Publish what has changed since the last call; whether anything was. `final` marks the run as wholly published."""
        async with self._lock:
            quoted, self._quoted = self._quoted, set()
            news, self._news = self._news, set()
            redescribed, self._redescribed = self._redescribed, set()
            try:
                return await until_current(lambda: self._publish(quoted, news, redescribed, final=final))
            except BaseException:
                self._quoted |= quoted
                self._news |= news
                self._redescribed |= redescribed
                raise

    async def _publish(self, quoted: set[int], news: set[int], redescribed: set[int], *, final: bool) -> bool:
        if self._since_run is None:
            async with self._database.read() as conn:
                self._since_run = self._untold_since = (await coins.state(conn)).published_run_id + 1
        judged = await self._identity.judge(self._settledness(), self._since_run, self._run_id, news, quoted)
        async with self._database.write() as conn:
            unpriced = [] if self._caught_up else await quotes.coins_since_run(conn, self._since_run)
            # A source that is away brings no quote that would have its coins priced anew: time alone makes them stale.
            if final:
                unpriced += await prices.turned_stale(conn, self._clock.now() - STALE_AFTER, STALE)
            present = await changes.presence(conn, self._untold_since, self._clock.now(), _QUIET_AFTER) if final else []
            # With a new judgement a coin is read anew as it is.
            untold = redescribed if judged is None else redescribed - {j.listing_id for j in judged.resolution.judgements}
            if final and self._untold_since < self._run_id:
                untold = untold | await listings.news(conn, self._untold_since, self._run_id)
            if judged is None and not quoted and not unpriced and not present and not (final and untold):
                if final:
                    await runs.renew_lease(conn, self._run_id, self._settings.lease_seconds)
                    await coins.mark_published(conn, self._run_id)
                self._done(untold, final=final)
                return False
            publication = await Publication.begin(conn, self._settings, self._clock, judged)
            coin_keys = set(unpriced)
            if judged is not None:
                coin_keys |= await publication.write(judged)
            for some in batches(sorted(quoted), self._settings.statement_rows_max):
                coin_keys.update(await quotes.coins_of_listings(conn, some))
            await publication.price(coin_keys)
            if final and untold:
                await coins.touch(conn, untold, publication.version)
            await publication.tell(present)
            if final:
                await coins.mark_published(conn, self._run_id)
            await runs.renew_lease(conn, self._run_id, self._settings.lease_seconds)
        self._done(untold, final=final)
        return True

    def _done(self, untold: set[int], *, final: bool) -> None:
        self._caught_up = True
        if not final:
            self._redescribed |= untold
        self._since_run = self._run_id  # what earlier runs left is published; what this one brings is noted
        self._identity.written(self._run_id + final)


class Publication:
    """One catalog version while it is being written, in the caller's transaction."""

    def __init__(self, conn: asyncpg.Connection, settings: Settings, clock: Clock, now: datetime, version: int) -> None:
        self._conn, self._settings, self._clock, self.now, self.version = conn, settings, clock, now, version

    @classmethod
    async def begin(cls, conn: asyncpg.Connection, settings: Settings, clock: Clock, judged: Judged | None) -> "Publication":
        """Take the next version. Raises OutdatedError where what was judged rests on another state than the present one."""
        now = clock.now()
        version = await coins.next_version(conn, now)
        if judged is not None and judged.version != version - 1:
            raise OutdatedError
        today = now.date()
        await partitions.make(conn, ["prices"], [today, today + timedelta(days=1)])
        return cls(conn, settings, clock, now, version)

    async def write(self, judged: Judged) -> set[int]:
        """Write what was judged; the keys of the coins that it touches."""
        touched = await self._write_resolution(judged.resolution)
        if judged.rules is not None:
            await coins.set_rules(self._conn, judged.rules)
        return touched

    async def _write_resolution(self, resolution: Resolution) -> set[int]:
        conn, size = self._conn, self._settings.statement_rows_max
        touched: set[int] = set()
        for some_coins in batches(resolution.coins, size):
            await coins.mint(conn, some_coins, self.now, self.version)
        for some_coins in batches(resolution.coins, size):
            await coins.update(conn, some_coins, self.version)
        for some_ids in batches(resolution.superseded, size):
            touched |= await coins.supersede(conn, some_ids, self.now, self.version)
        for some in batches(resolution.judgements, size):
            touched |= (await coins.write_judgements(conn, some, self.now, self.version)).coin_keys
        if len(resolution.judgements) >= _BULK_ROWS:
            await coins.analyze(conn)
        return touched

    async def price(self, coin_keys: Collection[int]) -> None:
        """Choose and write the prices of coins."""
        for some in batches(sorted(coin_keys), _COINS_AT_A_TIME):
            await self._write_prices(some, await quotes.of_coins(self._conn, some))

    async def tell(self, present: Sequence[tuple[int, bool | None]] = ()) -> None:
        """Record what has become of coins, last of all. `present`: see changes.presence."""
        await changes.write(self._conn, self.version, self.now, present)

    async def _write_prices(self, coin_keys: Sequence[int], by_coin: dict[int, list[CoinQuote]]) -> None:
        """What is as it was is not written."""
        published = await prices.latest(self._conn, coin_keys)
        chosen, moved = await in_pieces(_chosen(coin_keys, by_coin, published, self.now), self._clock)
        if chosen:
            await prices.write(self._conn, chosen, moved, self.now, self.version)
        if gone := [key for key in published if key not in by_coin]:
            await prices.withdraw(self._conn, gone)


def _chosen(
    coin_keys: Sequence[int], by_coin: Mapping[int, Sequence[CoinQuote]], published: Mapping[int, Price], now: datetime
) -> Pieces[tuple[dict[int, Price], list[int]]]:
    """The prices of coins that are not as they were, and of which of these the value is another or another listing's."""
    chosen: dict[int, Price] = {}
    moved: list[int] = []
    for number, key in enumerate(coin_keys):
        if number % _CHOSEN_PER_PIECE == 0:
            yield
        old = published.get(key)
        new = choose(by_coin.get(key, ()), old, now)
        if new is None or new == old:
            continue
        chosen[key] = new
        if old is None or (new.value, new.listing_id) != (old.value, old.listing_id):
            moved.append(key)
    return chosen, moved
