"""Judges listings: all of them while the sources' lists are incomplete, afterwards those that a change concerns."""

import asyncio
from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta

import asyncpg
import msgspec

from kasparro import logs
from kasparro.clock import Clock, in_pieces
from kasparro.records import Courses, Judgement, Record, Resolution
from kasparro.resolver import evidence
from kasparro.resolver.book import Book
from kasparro.resolver.gather import Missing
from kasparro.resolver.index import Index
from kasparro.resolver.keys import Keys, KeysDraft
from kasparro.resolver.naming import possible_ids
from kasparro.resolver.resolve import RULES_DIGEST, resolve, resolve_around
from kasparro.settings import Settings
from kasparro.store import coins, listings, quotes
from kasparro.store.pool import Database
from kasparro.store.queries import batches

log = logs.get()

# Prices of one coin that lie further apart than this are looked at again: from here on a rule speaks against it.
_APART = 6 * evidence.PRICE_TOLERANCE
_DRIFT = 6 * evidence.PRICE_DRIFT_PER_ROOT_HOUR
_HOURS_MAX = int(evidence.PRICE_GAP_MAX / 3600)

# How a price went is compared over this time, and judged again this often.
_COURSE = timedelta(hours=48)
_ASK_AGAIN = timedelta(hours=1)

_ROUNDS_MAX = 60  # of reading what a change concerns; everything is judged where they do not suffice
_KEYS_PUT_MAX = 5_000  # listings that changed after the keys were made; beyond it they are made again
_AFTER_ALL = 2**31 - 1  # a run that will never be
_NOTHING = Resolution(coins=[], judgements=[], superseded=[])
_LISTINGS_MAX = 20_000  # read around a change; everything is judged where they do not suffice


class Settledness(Record, frozen=True, kw_only=True):
    """What identity may rely on: which sources have said all that they will say for now."""

    listed: frozenset[str]  # their lists and contracts have been read once
    quoted: frozenset[str]  # every quote of theirs has been read once
    complete: bool  # all of this holds for every source


class Judged(Record, frozen=True, kw_only=True):
    """What judging changes, and on which state that rests."""

    resolution: Resolution
    version: int  # of the catalog that it was judged on: what is written to any other may be wrong
    rules: bytes | None  # to be noted: everything was judged by these


class Word(Record, frozen=True, kw_only=True):
    """What a person says: a new judgement, or that the one of an id no longer stands."""

    judgement: Judgement
    withdrawn: int | None = None


class Identity:
    """Judges listings from what the database says. Keeps the keys of all listings between calls, a few megabytes."""

    def __init__(self, database: Database, settings: Settings, clock: Clock) -> None:
        self._database, self._settings, self._clock = database, settings, clock
        self._keys: Keys | None = None
        self._keys_since = 0  # runs from here on may have changed listings of which the keys do not know yet
        self._at_work = asyncio.Lock()  # the keys are told of changes in pieces: a run and a person take turns
        self._courses: Courses = {}  # of the listings on which judgements are unsure, as last asked for
        self._asked_at: datetime | None = None
        self._concerned: set[int] = set()  # listings that share a key with one that changed, until what is judged of them is written

    async def judge(
        self, settled: Settledness, since_run: int, run_id: int, news: Collection[int], quoted: Collection[int]
    ) -> Judged | None:
        """Judge what has changed in runs from `since_run` to before `run_id`, and in this one.

        `news`: the listings of which this run changed something that they are judged by. `quoted`: those with new quotes, whose
        prices may have parted from those of their coins' other listings.
        Judges everything where it was never judged with all lists complete, or by other rules. None where nothing changes.
        """
        started = self._clock.monotonic()
        async with self._at_work, self._snapshot() as conn:
            state = await coins.state(conn)
            if state.rules == RULES_DIGEST:
                moved = await self._parted(conn, quoted) | await self._open(conn) if quoted else set[int]()
                changed = moved | await self._changed(conn, since_run, run_id, news)
                if not changed:
                    return None
                index = Index(await self._known_keys(conn, run_id))
                resolution = await self._judge_around(conn, index, Book({}), changed)
                if resolution is not None:
                    seconds = round(self._clock.monotonic() - started, 3)
                    log.debug("identity.judged", run_id=run_id, changed=len(changed), listings=len(index.listed), duration_seconds=seconds)
                    return _judged(resolution, state, None)
            index, book = await self._read_everything(conn, settled)
        return await self._judge_everything(index, book, state, settled, run_id)

    async def hear(self, word: Word, settled: Settledness) -> Judged:
        """Judge what a person's word changes. The word itself is not written yet."""
        async with self._at_work, self._snapshot() as conn:
            state = await coins.state(conn)
            if state.rules == RULES_DIGEST:
                await self._changed(conn, state.published_run_id + 1, None, ())
                index, book = Index(await self._known_keys(conn, state.published_run_id + 1)), Book({})
                listing_id, coin_id = word.judgement.listing_id, word.judgement.coin_id
                await self._load(conn, index, book, {listing_id}, (coin_id,))
                concerned = {listing_id, *book.together(listing_id), *book.members.get(coin_id, ())}
                await self._load(conn, index, book, concerned - {listing_id})
                _apply(word, book)
                resolution = await self._judge_around(conn, index, book, concerned)
                if resolution is not None:
                    return Judged(resolution=resolution, version=state.version, rules=None)
            index, book = await self._read_everything(conn, settled)
        _apply(word, book)
        # Whom a person speaks of need not wait for what another page may bring.
        spoken_of = word.judgement.listing_id
        index.listed[spoken_of] = msgspec.structs.replace(index.listed[spoken_of], settled=True)
        return await self._judge_everything(index, book, state, settled, state.published_run_id + 1) or Judged(
            resolution=_NOTHING, version=state.version, rules=None
        )

    def written(self, next_run: int) -> None:
        """What was judged is in the database, and of what runs before `next_run` changed there is no more to come."""
        self._concerned.clear()
        self._keys_since = max(self._keys_since, next_run)

    def _snapshot(self) -> AbstractAsyncContextManager[asyncpg.Connection]:
        return self._database.read(snapshot=True, timeout_seconds=self._settings.command_timeout_seconds)

    async def _changed(self, conn: asyncpg.Connection, since_run: int, run_id: int | None, news: Collection[int]) -> set[int]:
        """The listings that runs from `since_run` to before `run_id` (None: every run) changed, `news`, and whom this concerns.

        The keys then know of all of these.
        """
        since = since_run if self._keys is None else min(since_run, self._keys_since)
        told = await listings.news(conn, since, _AFTER_ALL if run_id is None else run_id) | set(news)
        for some in batches(sorted(told), self._settings.statement_rows_max):
            keys = await self._known_keys(conn, since_run if run_id is None else run_id)
            rows = await listings.evidence_of(conn, some, {})
            self._concerned |= await in_pieces(keys.put(rows), self._clock)
        if run_id is not None:
            self._keys_since = max(self._keys_since, run_id)
        return self._concerned | told

    async def _known_keys(self, conn: asyncpg.Connection, since: int) -> Keys:
        """The keys of all listings, made where they are not kept yet. What runs from `since` on change is not known to be in them."""
        if self._keys is None or self._keys.put_since > _KEYS_PUT_MAX:
            draft = KeysDraft()
            async for names in listings.names(conn):
                await in_pieces(draft.add_names(names), self._clock)
            for source in draft.sources:
                await in_pieces(draft.add_addresses(source, await listings.addresses(conn, source)), self._clock)
            self._keys = await in_pieces(draft.finish(), self._clock)
            self._keys_since = since
        return self._keys

    async def _parted(self, conn: asyncpg.Connection, quoted: Collection[int]) -> set[int]:
        found: set[int] = set()
        for some in batches(sorted(quoted), self._settings.statement_rows_max):
            found |= await listings.parted(conn, some, apart=_APART, drift_per_root_hour=_DRIFT, hours_max=_HOURS_MAX)
        return found

    async def _open(self, conn: asyncpg.Connection) -> set[int]:
        """Once an hour, whom a judgement leaves open and whose prices have gone on since, with the course that they took."""
        now = self._clock.now()
        if self._asked_at is not None and timedelta(0) <= now - self._asked_at < _ASK_AGAIN:
            return set()
        self._asked_at = now
        since = now - _COURSE
        found = await coins.open_questions(conn, since)
        self._courses = await quotes.courses(conn, found, since)
        return set(found)

    async def _judge_around(self, conn: asyncpg.Connection, index: Index, book: Book, changed: Collection[int]) -> Resolution | None:
        """What judging anew some listings, and what hangs together with them, changes; None where that is too much."""
        missing: Collection[int] = set(changed) - index.listed.keys()
        for _ in range(_ROUNDS_MAX):
            if len(index.listed) + len(missing) > _LISTINGS_MAX:
                return None
            await self._load(conn, index, book, missing)
            found = await in_pieces(resolve_around(index, book, changed), self._clock)
            if isinstance(found, Resolution):
                return found
            if not isinstance(found, Missing):
                return None
            missing = found.listing_ids
        return None

    async def _load(self, conn: asyncpg.Connection, index: Index, book: Book, ids: Collection[int], coin_ids: Sequence[str] = ()) -> None:
        """Take over the features of some listings, what stands on them, and the coins that matter where they are judged."""
        rows = await listings.evidence_of(conn, list(ids), self._courses)
        await in_pieces(index.apply(rows), self._clock)
        names = [name for row in rows for name in possible_ids(row.source_id)]
        found, judgements = await coins.around(conn, list(ids), [*names, *coin_ids])
        for coin in found:
            book.put_coin(coin)
        await in_pieces(book.load(judgements), self._clock)

    async def _read_everything(self, conn: asyncpg.Connection, settled: Settledness) -> tuple[Index, Book]:
        index, book = Index(), Book({})
        async for rows in listings.evidence(conn, settled.listed, settled.quoted):
            await in_pieces(index.apply(rows), self._clock)
        async for some_coins in coins.coins(conn):
            for coin in some_coins:
                book.put_coin(coin)
        async for judgements in coins.live_judgements(conn):
            await in_pieces(book.load(judgements), self._clock)
        return index, book

    async def _judge_everything(self, index: Index, book: Book, state: coins.State, settled: Settledness, run_id: int) -> Judged | None:
        """With what rules said before counting for nothing while the lists were never complete, so that their order does not matter."""
        from_nothing = state.rules is None
        resolution = await in_pieces(resolve(index, book, provisional=from_nothing), self._clock)
        keys = await in_pieces(index.close(), self._clock)
        await in_pieces(index.clear(), self._clock)
        if from_nothing and not settled.complete:
            return _judged(resolution, state, None)
        self._keys = keys
        self._keys_since = run_id
        return _judged(resolution, state, RULES_DIGEST)


def _judged(resolution: Resolution, state: coins.State, rules: bytes | None) -> Judged | None:
    """None where there is nothing to write."""
    if not (rules or resolution.coins or resolution.judgements or resolution.superseded):
        return None
    return Judged(resolution=resolution, version=state.version, rules=rules)


def _apply(word: Word, book: Book) -> None:
    """Let a book be as it will be with a person's word."""
    if word.withdrawn is None:
        book.hear(word.judgement)
    else:
        book.retire(word.judgement.listing_id, word.withdrawn)
