"""Turns what was committed into what is served: judgements, coins and prices, under a new catalog version."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta

import asyncpg

from kasparro.clock import Clock
from kasparro.ingest.pieces import in_pieces
from kasparro.pricing.choose import choose
from kasparro.records import Coin, CoinQuote, EvidenceRow, Judgement, Price, Resolution
from kasparro.resolver.resolve import resolve_all
from kasparro.settings import Settings
from kasparro.store import coins, listings, prices, quotes, runs
from kasparro.store.pool import Database

_COINS_AT_A_TIME = 500
_BULK_ROWS = 5_000  # written at once, they change what the planner should do


class Settledness:
    """What identity may rely on, as answered by the run: which sources have said all that they will say for now."""

    def __init__(self, *, listed: frozenset[str], quoted: frozenset[str], provisional: bool) -> None:
        self.listed = listed  # their lists and contracts have been read once
        self.quoted = quoted  # every quote of theirs has been read once
        self.provisional = provisional  # some source's first sweep is not done


class Publisher:
    """Publishes for one run. Only one publication is at work at a time."""

    def __init__(self, database: Database, settings: Settings, clock: Clock, run_id: int, settledness: Callable[[], Settledness]) -> None:
        self._database, self._settings, self._clock, self._run_id = database, settings, clock, run_id
        self._settledness = settledness
        self._lock = asyncio.Lock()
        self._since_run: int | None = None  # quotes of runs from here on may not be in the prices yet; None: not asked yet
        self._caught_up = False  # the quotes of earlier runs are in the prices
        self._identity_changed = False
        self._listing_ids: set[int] = set()

    def note(self, listing_ids: Iterable[int], *, identity_changed: bool) -> None:
        """Remember what a committed part changed."""
        self._listing_ids.update(listing_ids)
        self._identity_changed |= identity_changed

    async def publish(self, *, final: bool) -> bool:
        """Publish what has changed since the last call; whether anything was. `final` marks the run as wholly published."""
        async with self._lock:
            settled = self._settledness()
            listing_ids, self._listing_ids = self._listing_ids, set()
            identity_changed, self._identity_changed = self._identity_changed, False
            try:
                return await self._publish(settled, listing_ids, identity_changed=identity_changed, final=final)
            except BaseException:
                self.note(listing_ids, identity_changed=identity_changed)
                raise

    async def _publish(self, settled: Settledness, listing_ids: set[int], *, identity_changed: bool, final: bool) -> bool:
        if self._since_run is None:
            async with self._database.read() as conn:
                self._since_run = await coins.published_run(conn) + 1
            # An earlier run that did not end its publication may have left listings unjudged.
            identity_changed |= self._since_run < self._run_id
        resolution = await self._resolve(settled) if identity_changed or settled.provisional or await self._any_unjudged() else None
        async with self._database.write() as conn:
            unpriced = [] if self._caught_up else await quotes.coins_since_run(conn, self._since_run)
            if resolution is None and not listing_ids and not unpriced:
                if final:
                    await coins.mark_published(conn, self._run_id)
                self._caught_up = True
                return False
            now = self._clock.now()
            version = await coins.next_version(conn, now)
            today = now.date()
            await quotes.make_partitions(conn, "prices", [today, today + timedelta(days=1)])
            coin_keys = set(unpriced)
            if resolution is not None:
                coin_keys |= await self._write_resolution(conn, resolution, version)
            for some in _chunks(sorted(listing_ids), _COINS_AT_A_TIME):
                coin_keys.update(await quotes.coins_of_listings(conn, some))
            await self._price(conn, sorted(coin_keys), version)
            if final:
                await coins.mark_published(conn, self._run_id)
            await runs.renew_lease(conn, self._run_id, self._settings.lease_seconds)
        self._caught_up = True
        return True

    async def _any_unjudged(self) -> bool:
        """Whether a listing has waited for evidence: it may be in by now, whichever run brought it."""
        async with self._database.read() as conn:
            return await listings.any_unjudged(conn)

    async def _resolve(self, settled: Settledness) -> Resolution | None:
        """What identity changes; None where it changes nothing."""
        rows: list[EvidenceRow] = []
        judged: list[Judgement] = []
        minted: dict[str, Coin] = {}
        async with self._database.read(snapshot=True, timeout_seconds=self._settings.command_timeout_seconds) as conn:
            async for some_rows in listings.evidence(conn, settled.listed, settled.quoted):
                rows += some_rows
            async for some_judgements in coins.live_judgements(conn):
                judged += some_judgements
            async for some_coins in coins.coins(conn):
                minted.update((c.coin_id, c) for c in some_coins)
        found = await in_pieces(resolve_all(rows, judged, minted, provisional=settled.provisional), self._clock)
        return found if found.coins or found.judgements or found.superseded else None

    async def _write_resolution(self, conn: asyncpg.Connection, resolution: Resolution, version: int) -> set[int]:
        """Write what resolving changed; the keys of the coins that it touches."""
        now, size = self._clock.now(), self._settings.statement_rows_max
        touched: set[int] = set()
        for some_coins in _chunks(resolution.coins, size):
            await coins.mint(conn, some_coins, now, version)
        for some_coins in _chunks(resolution.coins, size):
            await coins.update(conn, some_coins, version)
        for some_ids in _chunks(resolution.superseded, size):
            touched |= await coins.supersede(conn, some_ids, now, version)
        for some in _chunks(resolution.judgements, size):
            touched |= await coins.write_judgements(conn, some, now, version)
        if len(resolution.judgements) >= _BULK_ROWS:
            await coins.analyze(conn)
        return touched

    async def _price(self, conn: asyncpg.Connection, coin_keys: Sequence[int], version: int) -> None:
        for some in _chunks(coin_keys, _COINS_AT_A_TIME):
            await self._write_prices(conn, some, await quotes.of_coins(conn, some), version)

    async def _write_prices(
        self, conn: asyncpg.Connection, coin_keys: Sequence[int], by_coin: dict[int, list[CoinQuote]], version: int
    ) -> None:
        """Choose and publish the prices of some coins; what is as it was is not written."""
        now = self._clock.now()
        published = await prices.latest(conn, coin_keys)
        chosen: dict[int, Price] = {}
        moved: list[int] = []
        for key in coin_keys:
            old = published.get(key)
            new = choose(by_coin.get(key, ()), old, now)
            if new is None or new == old:
                continue
            chosen[key] = new
            if old is None or (new.value, new.listing_id) != (old.value, old.listing_id):
                moved.append(key)
        if chosen:
            await prices.write(conn, chosen, moved, now, version)
        if gone := [key for key in published if key not in by_coin]:
            await prices.withdraw(conn, gone)


def _chunks(rows: Sequence, size: int) -> list[Sequence]:  # type: ignore[type-arg]  # of anything
    return [rows[i : i + size] for i in range(0, len(rows), size)]
