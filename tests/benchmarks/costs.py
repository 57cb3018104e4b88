"""What keeping the market served costs: CPU of refreshes until they are served, memory, and the time from start to the first answer."""

import asyncio
import time
from collections.abc import Awaitable
from typing import Any
from urllib.parse import quote

from tests.benchmarks.asking import ask
from tests.benchmarks.processes import cpu_seconds, median, megabytes
from tests.benchmarks.report import Bound, Line, Topic, say
from tests.benchmarks.serving import Filled, Service, serving

_MOST = {
    "ordinary refresh, CPU s": 0.25,
    "full refresh, CPU s": 2.5,
    "most memory while served (VmRSS), MB": 250.0,
    "start to first /data, database too, s": 2.0,
    "start to first /data, database up, s": 2.0,
}


class _Found:
    """Figures by name, one per round."""

    def __init__(self) -> None:
        self.values: dict[str, list[float]] = {}

    def add(self, what: str, value: float) -> None:
        self.values.setdefault(what, []).append(value)

    async def refresh(self, filled: Filled, what: str, work: Awaitable[tuple[float, dict[str, Any]]]) -> None:
        """What a run costs the service and the database."""
        before = cpu_seconds(filled.database_pid)
        spent, run = await work
        self.add(f"{what}, CPU s", spent)
        self.add(f"{what}, Postgres CPU s", cpu_seconds(filled.database_pid) - before)
        self.add(f"{what}, rows received", sum(s["rows_received"] for s in run["sources"].values()))


async def _round(filled: Filled, found: _Found) -> None:
    market = filled.market
    began = time.perf_counter()
    async with serving(filled.folder, market.url) as service:
        await service.answering()
        found.add("start to first /data, database up, s", time.perf_counter() - began)
        await service.until_idle()
        resident = [_memory(service, found, "after start")]
        found.add("start until idle, CPU s", cpu_seconds(service.pid))
        found.add("idle, CPU ms per s", 1_000 * await service.idle_cpu(5.0))
        # One batch of CoinGecko's prices, then its limit is spent: what a keyless run of every five minutes amounts to.
        market.move()
        market.allow(1)
        await found.refresh(filled, "first refresh after start", service.cost())
        market.move()
        market.allow(1)
        await found.refresh(filled, "ordinary refresh", service.cost())
        resident.append(_memory(service, found, "after refreshes"))
        market.allow(None)
        market.move()
        await found.refresh(filled, "full refresh", service.cost(full=True))
        resident.append(_memory(service, found, "after a full run"))
        await asyncio.to_thread(_ask_for_every_coin, service)
        resident.append(_memory(service, found, "after every coin was asked for"))
        found.add("most memory while served (VmRSS), MB", max(resident))
        found.add("peak memory (VmHWM), MB", megabytes(service.pid, "VmHWM"))


def _ask_for_every_coin(service: Service) -> None:
    for coin_id in service.ids():
        ask(service.port, f"/coins/{quote(coin_id, safe='')}")


def _memory(service: Service, found: _Found, when: str) -> float:
    resident = megabytes(service.pid, "VmRSS")
    found.add(f"memory {when} (VmRSS), MB", resident)
    found.add(f"memory {when} (Pss), MB", megabytes(service.pid, "Pss"))
    return resident


async def _cold_start(filled: Filled, found: _Found) -> None:
    await filled.close_database()
    try:
        began = time.perf_counter()
        async with serving(filled.folder, filled.market.url) as service:
            await service.answering()
            found.add("start to first /data, database too, s", time.perf_counter() - began)
            await service.until_idle()
    finally:
        await filled.open_database()


async def measure(filled: Filled, rounds: int) -> list[Topic]:
    """The table of costs."""
    found = _Found()
    for number in range(rounds):
        say(f"  round {number + 1}: costs of runs and of a start")
        try:
            await _round(filled, found)
        finally:
            await asyncio.to_thread(filled.market.allow, None)
        await _cold_start(filled, found)
    lines = []
    for what, values in sorted(found.values.items(), key=lambda item: item[0].partition(",")[0]):
        middle = median(values)
        bounds = [Bound(middle, _MOST[what], f"{_MOST[what]:g}")] if what in _MOST else []
        lines.append(Line(what, {"median": middle, "least": min(values), "most": max(values)}, bounds))
    notes = [
        f"{rounds} rounds; {filled.market.name}; the service has one core, the database and the upstream share the other",
        "a refresh counts until it is served, what the process spends idle taken off",
        "ordinary: CoinPaprika's tickers and one batch of CoinGecko",
    ]
    return [Topic("Costs", lines, notes)]
