"""How coins' prices went in the last week, small: one question to the database for a page of coins, at most once a minute."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from math import inf

import msgspec

from kasparro import logs
from kasparro.catalog.entries import Entry
from kasparro.serving.dependencies import Dependencies
from kasparro.serving.problems import DATABASE_TROUBLE
from kasparro.store import history

log = logs.get()

SPAN = timedelta(days=7)
_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)
_DAY_AGO_SLACK = timedelta(hours=2)  # an hour without a quote has no candle: the one before it does as well
_KEPT_SECONDS = 60.0
_KEPT_MAX = 2_000
_WAITED_SECONDS = 1.0  # for the database: the page is good without
_WIDTH, _HEIGHT, _POINTS = 100.0, 26.0, 56


class Spark(msgspec.Struct, frozen=True):
    """A coin's last week."""

    line: str  # the points of an SVG polyline, 100 wide and 26 high; empty where there are too few
    rose: bool  # over the week
    day_ago: float | None  # US dollars, what it cost a day ago


NOTHING = Spark("", rose=False, day_ago=None)


class Sparks:
    """Keeps what was read, for a minute."""

    def __init__(self, services: Dependencies) -> None:
        self._services = services
        self._kept: dict[int, tuple[float, Spark]] = {}

    async def of(self, entries: Sequence[Entry]) -> dict[int, Spark]:
        """By coin key; where the database does not answer, what is known."""
        clock = self._services.clock
        since = clock.monotonic() - _KEPT_SECONDS
        missing = [e for e in entries if self._kept.get(e.coin_key, (-inf, NOTHING))[0] < since]
        if missing:
            try:
                await self._read(missing, clock.now())
            except DATABASE_TROUBLE as error:
                log.info("web.sparks_missing", error=str(error))
        return {e.coin_key: self._kept.get(e.coin_key, (0.0, NOTHING))[1] for e in entries}

    async def _read(self, entries: Iterable[Entry], now: datetime) -> None:
        listings = [(n.listing_id, e.coin_key) for e in entries for n in e.listings]
        async with self._services.database.read(timeout_seconds=_WAITED_SECONDS) as conn:
            found = await history.recent_closes(conn, listings, now - SPAN)
        at = self._services.clock.monotonic()
        if len(self._kept) > _KEPT_MAX:
            self._kept.clear()
        for entry in entries:
            times, closes = found.get(entry.coin_key, ([], []))
            self._kept[entry.coin_key] = (at, Spark(line(times, closes, now), closes[-1:] > closes[:1], day_ago(times, closes, now)))


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
