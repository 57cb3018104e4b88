"""`make bench`: identity, runs, and what the calls of each plan buy.

How well listings are told apart; what /health answers while a full run works, and what a run costs; a month of each plan.
`make bench ARGS=identity`, `ARGS=runs` and `ARGS=budget` print one of them alone. KASPARRO_TEST_MARKETS may name a folder of recorded
markets for the first. The market of the runs is our own made-up one, or with KASPARRO_TEST_UPSTREAM=http://host:port one that is
served there already. Machines are shared: take the ratios and the CPU seconds, not the wall-clock figures.
"""

import asyncio
import os
import socket
import sys
import tempfile
import time
from pathlib import Path

import aiohttp
from rich.console import Console
from rich.table import Table

from tests.benchmarks import budget, identity

ROUNDS = 3
ANSWERS = 2_000
SECONDS_MAX = 100.0
_TICKS = os.sysconf("SC_CLK_TCK")


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _database_cpu(folder: str) -> float:
    """CPU seconds of the embedded server's processes, those that have ended and been waited for included."""
    total = 0.0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            command = (entry / "cmdline").read_bytes()
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if b"postgres" in command and b"keeper.py" not in command and (folder.encode() in command or command.startswith(b"postgres:")):
            total += (int(fields[11]) + int(fields[12])) / _TICKS
    return total


def _peak_megabytes(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


async def _round(upstream: str) -> dict[str, float]:
    """One fresh service: its first run under 2,000 /health requests, then a second and a full one."""
    port, answer = _free_port(), {}
    with tempfile.TemporaryDirectory(prefix="kasparro-bench-") as folder:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": folder,
            "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
            "KASPARRO_DATA_DIR": folder + "/data",
            "KASPARRO_PORT": str(port),
            "KASPARRO_REFRESH_SECONDS": "0",
            "KASPARRO_ADMIN_TOKEN": "bench",
            "COINGECKO_BASE_URL": f"{upstream}/api/v3",
            "COINPAPRIKA_BASE_URL": f"{upstream}/v1",
            "COINGECKO_CALLS_PER_MINUTE": "600000",
            "COINPAPRIKA_CALLS_PER_MINUTE": "600000",
        }
        started = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "kasparro", "serve"), env=environment, stderr=asyncio.subprocess.DEVNULL
        )
        try:
            async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:
                await _answering(client)
                answer["serve to first answer, s"] = time.perf_counter() - started
                before = _cpu_seconds(process.pid)
                latencies = await _health_while_running(client)
                answer["first run, s"] = time.perf_counter() - started - answer["serve to first answer, s"]
                answer["first run, CPU s"] = _cpu_seconds(process.pid) - before
                answer["Postgres, CPU s"] = _database_cpu(folder)
                latencies.sort()
                answer["/health answers"] = len(latencies)
                answer["/health p50, ms"] = latencies[len(latencies) // 2] * 1000
                answer["/health p99, ms"] = latencies[int(len(latencies) * 0.99)] * 1000
                answer["/health max, ms"] = latencies[-1] * 1000
                rows = await _rows(client)
                answer["rows received"] = rows
                answer["rows per CPU second"] = rows / answer["first run, CPU s"]
                for what, body in (("second run, CPU s", {}), ("full run, CPU s", {"full": True})):
                    before = _cpu_seconds(process.pid)
                    headers = {"Authorization": "Bearer bench"}
                    async with client.post("/admin/run-etl", params={"wait": "true"}, json=body, headers=headers) as response:
                        assert response.status == 200, await response.text()
                    answer[what] = _cpu_seconds(process.pid) - before
                answer["peak memory, MB"] = _peak_megabytes(process.pid)
        finally:
            process.terminate()
            await process.wait()
    return answer


async def _answering(client: aiohttp.ClientSession) -> None:
    for _ in range(2_000):
        try:
            async with client.get("/health") as response:
                await response.read()
                return
        except aiohttp.ClientError:
            await asyncio.sleep(0.01)
    raise TimeoutError


async def _health_while_running(client: aiohttp.ClientSession) -> list[float]:
    """Ask /health every 5 ms until there are enough answers and the first run has ended; seconds per answer while it worked."""
    latencies: list[float] = []
    deadline = time.perf_counter() + SECONDS_MAX
    while time.perf_counter() < deadline:
        began = time.perf_counter()
        async with client.get("/health") as response:
            health = await response.json()
        latencies.append(time.perf_counter() - began)
        last = health["last_run"]
        if last is not None and last["finished_at"] is not None:
            return latencies
        await asyncio.sleep(0.005)
    raise TimeoutError


async def _rows(client: aiohttp.ClientSession) -> int:
    async with client.get("/runs", params={"limit": "1"}) as response:
        runs = await response.json()
    return sum(s["rows_received"] for s in runs[0]["sources"].values())


async def main() -> None:
    """Print one table, a column per round."""
    upstream, server = os.environ.get("KASPARRO_TEST_UPSTREAM", ""), None
    if not upstream:
        server = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.benchmarks.market_server"),
            env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
            stdout=asyncio.subprocess.PIPE,
        )
        assert server.stdout is not None
        upstream = (await server.stdout.readline()).decode().strip()
    try:
        rounds = [await _round(upstream) for _ in range(ROUNDS)]
    finally:
        if server is not None:
            server.terminate()
            await server.wait()
    table = Table(title="A first full run beside GET /health")
    for name in ("", *(f"round {n + 1}" for n in range(ROUNDS)), "best"):
        table.add_column(name, justify="right")
    for what in rounds[0]:
        values = [r[what] for r in rounds]
        best = max(values) if what.startswith("rows") or what.endswith("answers") else min(values)
        table.add_row(what, *(f"{v:,.1f}" for v in values), f"{best:,.1f}")
    Console().print(table)


if __name__ == "__main__":
    wanted = sys.argv[1:] or ["identity", "runs", "budget"]
    if "identity" in wanted:
        identity.main()
    if "runs" in wanted:
        asyncio.run(main())
    if "budget" in wanted:
        budget.main()
