"""What a plan's calls buy: the real planning over simulated days, beside two fixed schedules. `make bench ARGS=budget`.

Volumes are those of the made-up market, or with KASPARRO_TEST_MARKETS=folder those of the recorded one in its wide-2025/.
Nothing is sent and nothing stored: what decides is the service's own code, what answers is a few lines here.
"""

import bisect
import gzip
import json
import math
import os
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import msgspec
from rich.console import Console
from rich.table import Table

from kasparro.clock import FakeClock, month_of
from kasparro.demo.market import made_market
from kasparro.ingest import batches, plan
from kasparro.ingest.budget import Budget, budget_of
from kasparro.ingest.progress import Progress, known_after
from kasparro.records import Checkpoint, Page, Traded, Trigger
from kasparro.settings import load
from kasparro.sources.base import Source
from kasparro.sources.coingecko import MARKETS, PAGE_ROWS, CoinGecko
from kasparro.sources.coinpaprika import CONTRACTS, PLATFORMS, CoinPaprika

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)  # a month of thirty days
HOUR, DAY = 3_600.0, 86_400.0
SPACING = 1.02  # of a minute's even share, as calls leave
ANSWER_SECONDS = 0.4
PLATFORMS_COUNT = 30
TIERS = (("1-250", 0, 250), ("251-1,000", 250, 1_000), ("1,001-5,000", 1_000, 5_000), ("the rest", 5_000, 10**9))


class Market(msgspec.Struct):
    """Listings by market cap, with what they trade in a day; after them those without a price."""

    volumes: dict[str, float]
    unpriced: list[str]

    def traded(self) -> list[Traded]:
        """As the database gives them: by volume, falling, those without a price last."""
        ranked = sorted(self.volumes.items(), key=lambda item: (-item[1], item[0]))
        known = [Traded(source_id=i, volume=v, quoted=True) for i, v in ranked]
        return known + [Traded(source_id=i, volume=None, quoted=False) for i in self.unpriced]


def market() -> Market:
    """The recorded market if there is one, else the made-up one."""
    folder = Path(os.environ.get("KASPARRO_TEST_MARKETS", "/nonexistent")) / "wide-2025"
    if folder.is_dir():
        rows, listed = (
            json.loads(gzip.decompress((folder / f"{n}.json.gz").read_bytes())) for n in ("coingecko_markets", "coingecko_list")
        )
    else:
        made = made_market(gecko=19_500, coins=56_500, tickers=2_000)
        rows, listed = made.gecko_markets, made.gecko_list
    volumes = {r["id"]: float(r["total_volume"] or 0) for r in rows}
    return Market(volumes=volumes, unpriced=[r["id"] for r in listed if r["id"] not in volumes])


class Staleness:
    """How stale each group of listings was over the time watched."""

    def __init__(self) -> None:
        self.gaps: dict[tuple[str, ...], Counter[int]] = {}  # seconds between two refreshes -> how often
        self._last: dict[tuple[str, ...], float] = {}

    def refreshed(self, ids: tuple[str, ...], at: float) -> None:
        """A group was asked for; the first time its watch begins."""
        if ids in self._last:
            self.gaps.setdefault(ids, Counter())[round(at - self._last[ids])] += 1
        self._last[ids] = at

    def end(self, at: float) -> None:
        """The watch ends."""
        for ids in list(self._last):
            self.refreshed(ids, at)

    def mean(self, weights: dict[tuple[str, ...], float]) -> float:
        """Seconds, over time and groups by their weight."""
        total = sum(weights.values())
        means = {ids: sum(n * g * g / 2 for g, n in c.items()) / max(1, sum(n * g for g, n in c.items())) for ids, c in self.gaps.items()}
        return sum(w * means[ids] for ids, w in weights.items()) / total if total else 0.0

    def percentile(self, share: float, weights: dict[tuple[str, ...], float]) -> float:
        """Seconds that a quote was younger than for a share of the time and of the weight."""
        total = sum(weights.values())
        spans = {ids: sum(n * g for g, n in self.gaps[ids].items()) for ids in weights}

        def younger(seconds: int) -> float:
            return sum(w * sum(n * min(g, seconds) for g, n in self.gaps[ids].items()) / max(1, spans[ids]) for ids, w in weights.items())

        longest = max((max(self.gaps[ids]) for ids in weights), default=0)
        return float(bisect.bisect_left(range(longest), share * total, key=younger))

    def longest(self, weights: dict[tuple[str, ...], float]) -> float:
        """Seconds that a listing went without refresh at most."""
        return float(max(max(self.gaps[ids]) for ids in weights))


class Figures(msgspec.Struct):
    """What came of it. Seconds."""

    calls: Counter[str]  # by month
    per_minute: int  # at most, in any sixty seconds
    per_run: int  # at most
    staleness: Staleness
    groups: list[tuple[str, ...]]  # priced, by volume

    def weights(self, volumes: dict[str, float]) -> dict[tuple[str, ...], float]:
        """The volume of each group."""
        return {ids: sum(volumes[i] for i in ids) for ids in self.groups}

    def tier(self, first: int, last: int) -> dict[tuple[str, ...], float]:
        """The groups of a tier, each listing alike."""
        place, found = 0, {}
        for ids in self.groups:
            if first <= place < last:
                found[ids] = float(len(ids))
            place += len(ids)
        return found


class Simulation:
    """One source under one plan."""

    def __init__(
        self,
        environment: dict[str, str],
        market: Market,
        *,
        source: str = "coingecko",
        refresh: float = 300.0,
        outages: Sequence[tuple[float, float]] = (),
        begin: datetime = BEGIN,
        seed: int = 1,
    ) -> None:
        self.settings = load({"KASPARRO_DATA_DIR": "/nonexistent", **environment}).sources[source]
        self.source: Source = CoinGecko(self.settings) if source == "coingecko" else CoinPaprika(self.settings)
        self.market, self.refresh, self.outages = market, refresh, outages
        self.clock = FakeClock(begin)
        self.used: Counter[str] = Counter()
        self.times: list[float] = []  # of calls
        self.staleness = Staleness()
        self.per_run: list[int] = []
        self.progress = Progress(self.source.streams, ())
        self._traded = market.traded()
        self._capped = list(market.volumes)
        self._random = Random(seed)

    def over(self, days: float) -> Figures:
        """Run by run, as the schedule fires."""
        number = 0
        while self.clock.monotonic() < days * DAY:
            self.run("schedule" if number else "start")
            number += 1
            start = number * self.refresh + self._random.uniform(0, self.refresh / 60)
            self.clock.advance(max(0.0, start - self.clock.monotonic()))
        self.staleness.end(self.clock.monotonic())
        return self.figures()

    def figures(self) -> Figures:
        """What came of it so far."""
        groups = [c.ids for s in self.source.streams if s.batch_listings for c in self.progress.parts(s.name) if not plan.is_unpriced(c)]
        return Figures(calls=self.used, per_minute=_densest(self.times), per_run=max(self.per_run), staleness=self.staleness, groups=groups)

    def budget(self) -> Budget:
        """What the database would say."""
        return budget_of(self.settings, self.used[str(month_of(self.clock.now()))])

    def run(self, trigger: Trigger) -> None:
        """One run; scheduled ones end before the next one begins."""
        now = self.clock.now()
        deadline = self.clock.monotonic() + (math.inf if trigger == "command" else max(60.0, 0.9 * self.refresh))
        for stream in self.source.streams:
            parts = self.progress.parts(stream.name)
            if stream.batch_listings and batches.lay_due(parts, now):
                self._lay(stream.name, parts, now)
        planned = plan.plan(self.progress, self.budget(), now, trigger, refresh=timedelta(seconds=self.refresh))
        queue, calls = plan.Queue(planned), 0
        spacing = 60 / self.settings.calls_per_minute * SPACING
        while (due := queue.pop()) is not None and (planned.calls_most is None or calls < planned.calls_most):
            turn = max(self.clock.monotonic(), (self.times[-1] if self.times else -spacing) + spacing)
            if turn > deadline:
                break
            self.clock.advance(turn - self.clock.monotonic())
            self.times.append(turn)
            self.clock.advance(ANSWER_SECONDS)
            if any(begin <= turn < end for begin, end in self.outages):
                break
            calls += 1
            self.used[str(month_of(self.clock.now()))] += 1
            self._commit(due, queue)
        self.per_run.append(calls)

    def _lay(self, stream: str, parts: list[Checkpoint], now: datetime) -> None:
        pieces = batches.lay(self.progress.streams[stream], self._traded, parts, now)
        while True:
            try:
                next(pieces)
            except StopIteration as stop:
                laid: list[Checkpoint] = stop.value
                break
        self.progress.lay(stream, laid, [c.part for c in parts])
        for c in laid:
            if c.ids not in self.staleness.gaps and c.committed_at:
                self.staleness.refreshed(c.ids, self.clock.monotonic() - (now - c.committed_at).total_seconds())

    def _commit(self, due: plan.Due, queue: plan.Queue) -> None:
        c = due.checkpoint
        done = msgspec.structs.replace(c, sweep=due.sweep, committed_at=self.clock.now(), rows=len(c.ids))
        if c.ids:
            self.progress.commit(done, (), ())
            self.staleness.refreshed(c.ids, self.clock.monotonic())
            return
        known, gone = known_after(self.progress, c, self._page(c))
        self.progress.commit(done, known, gone)
        queue.update(due, known, gone)

    def _page(self, part: Checkpoint) -> Page:
        if part.stream == MARKETS:
            number = int(part.part.removeprefix("page:"))
            rows = len(self._capped[(number - 1) * PAGE_ROWS : number * PAGE_ROWS])
            last = rows < PAGE_ROWS
            return Page(rows_received=rows, is_last=last, next_parts=() if last else (f"page:{number + 1}",))
        if (part.stream, part.part) == (CONTRACTS, PLATFORMS):
            return Page(rows_received=PLATFORMS_COUNT, next_parts=tuple(f"platform-{n}" for n in range(PLATFORMS_COUNT)), is_index=True)
        return Page(rows_received=1, is_last=part.ordinal == 0)


def _densest(times: Sequence[float]) -> int:
    """The most calls in any sixty seconds."""
    most = first = 0
    for last, at in enumerate(times):
        while at - times[first] >= 60:
            first += 1
        most = max(most, last - first + 1)
    return most


def fixed(market: Market, days: float, calls_most: int, pages_of_run: Callable[[int, int], Sequence[int]], every: float) -> Figures:
    """A schedule that asks for the same pages by market cap until the month is spent."""
    ids = list(market.volumes)
    pages = [tuple(ids[n : n + PAGE_ROWS]) for n in range(0, len(ids), PAGE_ROWS)]
    staleness, used, run = Staleness(), 0, 0
    for page in pages:
        staleness.refreshed(page, 0.0)
    while run * every < days * DAY:
        for number in pages_of_run(run, len(pages)):
            if used < calls_most:
                used += 1
                staleness.refreshed(pages[number], run * every)
        run += 1
    staleness.end(days * DAY)
    return Figures(calls=Counter({"": used}), per_minute=0, per_run=0, staleness=staleness, groups=pages)


PLANS: dict[str, dict[str, str]] = {
    "keyless, 5 a minute": {},
    "keyless, 10 a minute": {"COINGECKO_CALLS_PER_MINUTE": "10"},
    **{name: {"COINGECKO_PLAN": name, "COINGECKO_API_KEY": "none"} for name in ("demo", "basic", "analyst", "lite")},
}
OUTAGES = {"an hour": (20 * DAY, 20 * DAY + HOUR), "six hours": (20 * DAY, 20 * DAY + 6 * HOUR), "a day": (20 * DAY, 21 * DAY)}


def main(days: float = 30.0) -> None:
    """Print the table."""
    listings = market()
    table = Table(
        title=f"CoinGecko's quotes over {days:g} days, {len(listings.volumes):,} coins; staleness in minutes, mean / 95th percentile"
    )
    for name in ("", "calls", "a minute", "by volume", *(name for name, _, _ in TIERS), "longest, h"):
        table.add_column(name, justify="right")
    for name, environment in PLANS.items():
        _add(table, name, Simulation(environment, listings).over(days), listings)
    some_days = min(days, 4.0)  # five times as many runs
    for name in ("demo", "analyst", "lite"):
        _add(table, f"{name}, every minute, {some_days:g} days", Simulation(PLANS[name], listings, refresh=60.0).over(some_days), listings)
    for name, outage in OUTAGES.items():
        _add(table, f"demo, an outage of {name}", Simulation(PLANS["demo"], listings, outages=[outage]).over(days), listings)
    _add(table, "fixed: 4 pages, 5 min", fixed(listings, days, 10_000, lambda _run, _pages: range(4), 300.0), listings)
    every = 30 * DAY / 9_500
    _add(table, "fixed: sweeps, even", fixed(listings, days, 9_500, lambda run, pages: [run % pages], every), listings)
    console = Console(width=180)
    console.print(table)
    for refresh in (300.0, 60.0):
        figures = Simulation({}, listings, source="coinpaprika", refresh=refresh).over(days)
        console.print(
            f"CoinPaprika, free, runs every {refresh:g} s: {figures.calls.total():,} calls of 20,000, {figures.per_minute} a minute at most"
        )


def _add(table: Table, name: str, figures: Figures, listings: Market) -> None:
    staleness, weights = figures.staleness, figures.weights(listings.volumes)

    def cell(of: dict[tuple[str, ...], float]) -> str:
        return f"{staleness.mean(of) / 60:,.1f} / {staleness.percentile(0.95, of) / 60:,.0f}" if of else ""

    table.add_row(
        name,
        f"{figures.calls.total():,}",
        str(figures.per_minute or ""),
        cell(weights),
        *(cell(figures.tier(first, last)) for _, first, last in TIERS),
        f"{staleness.longest(weights) / HOUR:,.1f}",
    )
