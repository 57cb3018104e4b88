"""How coins' prices went in the last week, small: one question to the database for a page of coins, at most once a minute."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from math import inf

import msgspec

from kasparro import logs
from kasparro.catalog.entries import Entry, ListingEntry
from kasparro.serving.dependencies import Dependencies
from kasparro.serving.problems import DATABASE_TROUBLE, trouble
from kasparro.sources.day_change import PATHS
from kasparro.store import history, quotes

log = logs.get()

SPAN = timedelta(days=7)
_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)
_DAY_AGO_SLACK = timedelta(hours=2)  # an hour without a quote has no candle: the one before it does as well
_ALL = 100.0  # per cent
_KEPT_SECONDS = 60.0
_KEPT_MAX = 2_000
_WAITED_SECONDS = 1.0  # for the database: the page is good without
_WIDTH, _HEIGHT, _POINTS = 100.0, 26.0, 56


class Spark(msgspec.Struct, frozen=True):
    """A coin's last week."""

    line: str  # the points of an SVG polyline, 100 wide and 26 high; empty where there are too few
    rose: bool  # over the week
    day_ago: float | None  # US dollars, what it cost a day ago
    told_by: str | None  # the source that says so; None: it was stored here then


NOTHING = Spark("", rose=False, day_ago=None, told_by=None)


class Sparks:
    """Keeps what was read, for a minute."""

    def __init__(self, services: Dependencies) -> None:
        self._services = services
        self._kept: dict[int, tuple[float, Spark]] = {}

    async def of(self, entries: Sequence[Entry]) -> dict[int, Spark]:
        """By coin key; where the database does not answer, what is known."""
        clock = self._services.clock
        since = clock.monotonic() - _KEPT_SECONDS
        # In the first seconds of a process a coin's listings are not known: nothing is drawn of it yet.
        missing = [e for e in entries if e.listings and self._kept.get(e.coin_key, (-inf, NOTHING))[0] < since]
        if missing:
            try:
                await self._read(missing, clock.now())
            except DATABASE_TROUBLE as error:
                log.info("web.sparks_missing", error=trouble(error))
        return {e.coin_key: self._kept.get(e.coin_key, (0.0, NOTHING))[1] for e in entries}

    async def _read(self, entries: Sequence[Entry], now: datetime) -> None:
        listings = [(n.listing_id, e.coin_key) for e in entries for n in e.listings]
        chosen = {e.coin_key: n for e in entries if (n := e.chosen) is not None}
        paths = [(n.listing_id, PATHS[n.source]) for n in chosen.values() if n.source in PATHS]
        async with asyncio.timeout(_WAITED_SECONDS), self._services.database.read(timeout_seconds=_WAITED_SECONDS) as conn:
            found = await history.recent_closes(conn, listings, now - SPAN)
            told = await quotes.told_numbers(conn, paths)
        at = self._services.clock.monotonic()
        if len(self._kept) > _KEPT_MAX:
            self._kept.clear()
        for entry in entries:
            listing = chosen.get(entry.coin_key)
            percent = None if listing is None else told.get(listing.listing_id)
            self._kept[entry.coin_key] = (at, _spark(*found.get(entry.coin_key, ([], [])), listing, percent, now))


def _spark(times: Sequence[datetime], closes: Sequence[float], listing: ListingEntry | None, percent: float | None, now: datetime) -> Spark:
    before, told_by = day_ago(times, closes, now), None
    # On a service's first day nothing was stored a day ago: the source knows.
    if before is None and percent is not None and percent > -_ALL and listing is not None and listing.quote is not None:
        before, told_by = listing.quote.price / (1 + percent / _ALL), listing.source
    return Spark(line(times, closes, now), len(closes) > 1 and closes[-1] > closes[0], before, told_by)


def line(times: Sequence[datetime], closes: Sequence[float], now: datetime) -> str:
    """The points of a polyline; the week from left to right, the lowest close at the bottom. Empty with fewer than three closes."""
    if len(closes) < 3:  # noqa: PLR2004  # two make no course
        return ""
    step = max(1, len(closes) // _POINTS)
    low, high = min(closes), max(closes)
    begin = now - SPAN
    points = []
    for at, close in list(zip(times, closes, strict=True))[::-step][::-1]:
        x = (at + _HOUR - begin) / SPAN * _WIDTH
        y = _HEIGHT / 2 if high == low else (high - close) / (high - low) * _HEIGHT
        points.append(f"{min(x, _WIDTH):.1f},{y:.1f}")
    return " ".join(points)


def day_ago(times: Sequence[datetime], closes: Sequence[float], now: datetime) -> float | None:
    """The close of the last hour that had ended a day ago; None where none had shortly before."""
    wanted = now - _DAY
    ended = [(at + _HOUR, close) for at, close in zip(times, closes, strict=True) if at + _HOUR <= wanted]
    if not ended or wanted - ended[-1][0] > _HOUR + _DAY_AGO_SLACK:
        return None
    return ended[-1][1]
