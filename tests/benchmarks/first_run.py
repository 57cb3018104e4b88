"""A first run of a new service, beside 200 requests of /health a second; service and database start together, as on a first `make run`."""

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.asking import ask_until
from tests.benchmarks.processes import cpu_seconds, median, megabytes, running
from tests.benchmarks.report import Bound, Line, Topic, say
from tests.benchmarks.serving import RUN_SECONDS_MAX, Filled, database_pid, serving

_RATE = 200
_HEALTH_MS_MAX = 20.0
_P99 = "/health p99, ms"


async def _round(upstream: str, folder: Path) -> dict[str, float]:
    found: dict[str, float] = {}
    began = time.perf_counter()
    async with serving(folder, upstream) as service:
        await asyncio.to_thread(ask_until, service.port, "/health")
        found["start to first answer, s"] = time.perf_counter() - began
        pacing = [sys.executable, "-m", "tests.benchmarks.pacing", str(service.port), "/health", str(_RATE), str(RUN_SECONDS_MAX)]
        async with running(*pacing) as client:
            await service.answering()
            found["start to first /data, s"] = time.perf_counter() - began
            run = await service.until_idle()
            found["first run served, s"] = time.perf_counter() - began
            health = json.loads((await client.communicate(b""))[0])  # no bytes, but an end: it stops then
        found["first run, CPU s"] = cpu_seconds(service.pid)
        found["first run, Postgres CPU s"] = cpu_seconds(database_pid(folder))
        found |= {"/health p50, ms": health["p50"], _P99: health["p99"], "/health max, ms": health["max"]}
        found["rows received"] = sum(s["rows_received"] for s in run["sources"].values())
        found["rows per CPU second"] = found["rows received"] / found["first run, CPU s"]
        found["peak memory (VmHWM), MB"] = megabytes(service.pid, "VmHWM")
    return found


async def measure(filled: Filled, rounds: int) -> list[Topic]:
    """The table of first runs."""
    results = []
    for number in range(rounds):
        say(f"  round {number + 1}: a first run")
        with tempfile.TemporaryDirectory(prefix="first-", dir=filled.folder) as folder:
            results.append(await _round(filled.market.url, Path(folder)))
    lines = []
    for what in results[0]:
        values = [r[what] for r in results]
        bounds = [Bound(median(values), _HEALTH_MS_MAX, f"{_HEALTH_MS_MAX:g}")] if what == _P99 else []
        lines.append(Line(what, {"median": median(values), "least": min(values), "most": max(values)}, bounds))
    return [Topic("A first run beside GET /health", lines, [f"{rounds} rounds; {filled.market.name}"])]
