"""`kasparro` as processes of its own, and what of them can be seen from outside."""

import asyncio
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import aiohttp

from tests.upstream.server import Upstream


class Service:
    """One `kasparro` process at a time, always with the same settings, port and log file."""

    def __init__(self, upstream: Upstream, log: Path, **environment: str) -> None:
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = log
        self.process: asyncio.subprocess.Process | None = None
        self._environment = upstream.environment(
            KASPARRO_PORT=str(self.port),
            KASPARRO_LOG_FORMAT="json",
            KASPARRO_LOG_LEVEL="debug",
            PYTHONPATH=os.pathsep.join(sys.path),
            PATH=os.environ["PATH"],
            **environment,
        )

    async def start(self, *arguments: str) -> None:
        """Start it: `serve`, unless other arguments are given. It is not waited for."""
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "kasparro", *(arguments or ("serve",))),
                env=self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A signal of a terminal goes to the tests, which then end it.
                start_new_session=True,
            )

    @property
    def alive(self) -> bool:
        """Whether the process lives."""
        return self.process is not None and self.process.returncode is None

    async def kill(self) -> None:
        """Give it no time for anything; without effect where it has ended."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    async def end(self, seconds: float = 10.0) -> int:
        """SIGTERM; its exit code. Raises TimeoutError where it does not end in time."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(seconds):
            return await self.process.wait()

    async def run(self, *arguments: str, seconds: float = 60.0) -> int:
        """Start it with arguments, and its exit code."""
        await self.start(*arguments)
        assert self.process is not None
        async with asyncio.timeout(seconds):
            return await self.process.wait()

    async def get(self, path: str) -> tuple[int, Any]:
        """Status and decoded body of a GET."""
        async with aiohttp.ClientSession() as session, session.get(self.url + path) as response:
            return response.status, await response.json(content_type=None)

    async def until_answers(self, path: str = "/health/live", status: int = 200, seconds: float = 30.0) -> Any:
        """The body with which a path first answers with a status."""
        async with asyncio.timeout(seconds):
            while True:
                assert self.alive, self.said()[-5:]
                try:
                    answered, body = await self.get(path)
                except aiohttp.ClientError:
                    answered, body = 0, None
                if answered == status:
                    return body
                await asyncio.sleep(0.05)

    def said(self, *events: str) -> list[dict[str, Any]]:
        """The lines of its log, those of some events or all; what is no JSON comes as the event `text`."""
        found = [_line(line) for line in self.log.read_text(errors="replace").splitlines()]
        return [line for line in found if not events or line.get("event") in events]


def _line(text: str) -> dict[str, Any]:
    try:
        line = json.loads(text)
    except ValueError:
        line = None
    return line if isinstance(line, dict) and "event" in line else {"event": "text", "text": text}


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class ServerProcesses:
    """The embedded server's processes of a data folder, from what the keeper wrote down and from /proc."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir

    def keeper(self) -> int | None:
        """The keeper's process id, where it lives."""
        return self._kept("keeper")

    def postmaster(self) -> int | None:
        """The server's process id, where it lives."""
        return self._kept("server")

    def backends(self) -> list[int]:
        """The children of the server: sessions and what works in the background."""
        server = self.postmaster()
        return [pid for pid in _pids() if server is not None and _stat(pid)[1:2] == [str(server)]]

    def all(self) -> dict[int, str]:
        """Every process that has to do with the folder, with its command line."""
        name, found = str(self.data_dir), dict[int, str]()
        for pid in _pids():
            try:
                command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                environment = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
                works_in = str(Path(f"/proc/{pid}/cwd").readlink())
            except OSError:
                continue
            is_of_it = name in command or f"={name}" in environment or works_in.startswith(name)
            if is_of_it and pid != os.getpid() and _stat(pid)[:1] not in (["Z"], []):
                found[pid] = command
        return found

    async def until_gone(self, seconds: float = 20.0) -> None:
        """Wait until no process has to do with the folder. Raises AssertionError naming those that stay."""
        deadline = asyncio.get_running_loop().time() + seconds
        while left := self.all():
            assert asyncio.get_running_loop().time() < deadline, f"left behind: {left}"
            await asyncio.sleep(0.05)

    def _kept(self, who: str) -> int | None:
        try:
            pid = int(json.loads((self.data_dir / "postgres" / "keeper.json").read_text())[who])
        except (OSError, ValueError, KeyError):
            return None
        # The number may be another program's by now.
        return pid if pid in self.all() else None


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _stat(pid: int) -> list[str]:
    """State, parent and more; empty where there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def strike(pid: int | None, number: signal.Signals = signal.SIGKILL) -> bool:
    """Send a signal to a process that may have ended; whether it was there."""
    try:
        os.kill(pid or 0, number) if pid else None
    except ProcessLookupError:
        return False
    return pid is not None
