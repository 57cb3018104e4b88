"""How long answers take at a fixed rate of requests: while nothing else happens, and while a full run works and is published.

Rates are kept whatever the server does (pacing.py). The clients share their core with the upstream and the database, which give way
to them; what is left of that shows as `client late`.
"""

import asyncio
import json
import sys
from asyncio.subprocess import Process
from contextlib import AsyncExitStack

from tests.benchmarks.processes import CLIENT_CORE, median, running, step_back
from tests.benchmarks.report import Bound, Line, Topic, say
from tests.benchmarks.serving import Filled, Service, serving

RATES = {"/data?limit=50": 1_000, "/health": 50}
SECONDS_MAX = 90  # of load: a server that can't keep the rate and work on a run as well gets to end it
_IDLE_SECONDS = 8
_DATA, _HEALTH = RATES
_DATA_MS_MAX, _HEALTH_MS_MAX = 10.0, 20.0

Figures = dict[str, float]


async def _paced(service: Service, during: "asyncio.Future[None] | asyncio.Task[None]") -> dict[str, Figures]:
    """Ask everything at its rate until something has come to its end; what came of it per target."""
    async with AsyncExitStack() as stack:
        clients: dict[str, Process] = {}
        for target, rate in RATES.items():
            command = [sys.executable, "-m", "tests.benchmarks.pacing", str(service.port), target, str(rate), str(SECONDS_MAX)]
            clients[target] = await stack.enter_async_context(running(*command, core=CLIENT_CORE))
        await during
        # No bytes, but an end: the clients stop then.
        return {target: json.loads((await client.communicate(b""))[0]) for target, client in clients.items()}


async def _full_run(service: Service) -> None:
    await asyncio.sleep(0.5)  # the clients are starting
    await asyncio.to_thread(service.start_run, full=True)
    await service.until_idle()


async def measure(filled: Filled, rounds: int) -> list[Topic]:
    """The table of latencies."""
    found: dict[str, list[dict[str, Figures]]] = {"idle": [], "during a full run": []}
    for pid in (filled.database_pid, *filled.market.pids):
        step_back(pid)  # for good: only root could take it back, so this benchmark comes after the others
    async with serving(filled.folder, filled.market.url) as service:
        await service.answering()
        await service.until_idle()
        for number in range(rounds):
            say(f"  round {number + 1}: latencies")
            found["idle"].append(await _paced(service, asyncio.create_task(asyncio.sleep(_IDLE_SECONDS))))
            filled.market.move()
            found["during a full run"].append(await _paced(service, asyncio.create_task(_full_run(service))))
    medians = {
        (target, when): {name: median(r[target][name] for r in results) for name in results[0][target]}
        for target in RATES
        for when, results in found.items()
    }
    idle, busy = medians[_DATA, "idle"]["p99"], medians[_DATA, "during a full run"]["p99"]
    bounds = {
        (_DATA, "during a full run"): Bound(busy, max(3 * idle, _DATA_MS_MAX), "p99: 3 x idle or 10 ms"),
        (_HEALTH, "during a full run"): Bound(medians[_HEALTH, "during a full run"]["p99"], _HEALTH_MS_MAX, "p99: 20 ms"),
    }
    lines = [
        Line(f"{target}, {RATES[target]:,}/s, {when}", _columns(f), [bounds[target, when]] if (target, when) in bounds else [])
        for (target, when), f in medians.items()
    ]
    errors = sum(r[target]["errors"] for results in found.values() for r in results for target in RATES)
    notes = [f"medians of {rounds} rounds, from when each request was due; {errors:.0f} errors; {filled.market.name}"]
    return [Topic("Latency at a fixed rate, milliseconds", lines, notes)]


def _columns(f: Figures) -> dict[str, float | None]:
    return {"p50": f["p50"], "p99": f["p99"], "p99.9": f["p99.9"], "max": f["max"], "client\nlate p99": f["late_p99"]}
