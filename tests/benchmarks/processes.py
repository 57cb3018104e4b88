"""What processes cost, read from /proc, and how those of a benchmark are started: each on its core, all ended with it."""

import asyncio
import os
import socket
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).parents[2]
_TICKS = os.sysconf("SC_CLK_TCK")
_STOP_SECONDS = 20.0

# The measured server has a core of its own; clients, databases and upstreams share the other. With one core all share that.
_CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, CLIENT_CORE = _CORES[0], _CORES[-1]


def tree(pid: int) -> list[int]:
    """A process and all that it has started and that live."""
    found = [pid]
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += tree(int(child))
    return found


def cpu_seconds(pid: int) -> float:
    """CPU seconds of a process and of all that it has started, those that have ended and been waited for included."""
    ticks = 0
    for one in tree(pid):
        with suppress(OSError):
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(int(field) for field in fields[11:15])
    return ticks / _TICKS


def megabytes(pid: int, name: str) -> float:
    """A figure of a process's memory in MB (1,000,000 bytes): `VmRSS`, `VmHWM` (the peak), `Pss` (shared pages in shares)."""
    file = "smaps_rollup" if name == "Pss" else "status"
    lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1]) * 1_024 / 1e6


def busy_cores(seconds: float = 2.0) -> float:
    """How many cores are busy now, all processes together."""
    before = _busy_ticks()
    time.sleep(seconds)
    return (_busy_ticks() - before) / _TICKS / seconds


def _busy_ticks() -> int:
    user, nice, system, _idle, _iowait, irq, softirq, steal = (int(n) for n in Path("/proc/stat").read_text().split()[1:9])
    return user + nice + system + irq + softirq + steal


def step_back(pid: int) -> None:
    """Let a process and all that it has started give way to the clients that share their core: latencies are the server's then."""
    for one in tree(pid):
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, one, 10)


def free_port() -> int:
    """A port of loopback that is free now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def python_path() -> str:
    """Where the modules of this process come from, for the next one."""
    return os.pathsep.join(dict.fromkeys([str(ROOT / "src"), str(ROOT), *(p for p in sys.path if p)]))


@asynccontextmanager
async def running(
    *command: str, core: int = CLIENT_CORE, env: Mapping[str, str] | None = None, log: Path | None = None
) -> AsyncIterator[Process]:
    """A process on a core, asked to end after the block and killed where it does not. Its stdout is a pipe, its stderr a file."""
    environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "PYTHONPATH": python_path()} | dict(env or {})
    errors = os.open(log or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            env=environment,
            cwd=ROOT,
            stdin=PIPE,
            stdout=PIPE if log is None else DEVNULL,
            stderr=errors,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )
    finally:
        os.close(errors)
    try:
        yield process
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), _STOP_SECONDS)
            except TimeoutError:
                process.kill()
                await process.wait()


async def output(*command: str, env: Mapping[str, str] | None = None) -> str:
    """What a program prints. Raises where it fails."""
    async with running(*command, env=env) as process:
        printed, _ = await process.communicate()
        if process.returncode:
            message = f"{command[0]} ended with {process.returncode}: {printed.decode(errors='replace')[-500:]}"
            raise RuntimeError(message)
        return printed.decode()


def median(values: Iterable[float]) -> float:
    """The middle value; the mean of the two middle ones."""
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
