"""`kasparro demo` as a process of its own, as a person sees it."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from kasparro.commands.demo import environment_for

pytestmark = pytest.mark.slow

TOKEN = "token-of-a-test"


class Demo:
    """The process and its API."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, http: aiohttp.ClientSession) -> None:
        self.process, self._url, self._http = process, f"http://127.0.0.1:{port}", http

    async def get(self, path: str) -> tuple[int, Any]:
        """Status and body; 0 where nobody answers."""
        try:
            async with self._http.get(self._url + path) as response:
                return response.status, await response.json(content_type=None)
        except aiohttp.ClientConnectionError:
            return 0, None

    async def until_ready(self) -> None:
        """Wait for the first prices."""
        async with asyncio.timeout(60):
            while (await self.get("/health/ready"))[0] != 200:
                assert self.process.returncode is None
                await asyncio.sleep(0.1)

    async def run(self) -> None:
        """Let it run now rather than when it is due, after the run that may be at work."""
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with asyncio.timeout(60):
            while True:
                async with self._http.post(f"{self._url}/admin/run-etl?wait=true", headers=headers) as response:
                    if response.status == 200:
                        return
                    assert response.status == 409
                await asyncio.sleep(0.1)

    async def health(self, status: str) -> Any:
        """What /health says, as soon as it has heard of the last run."""
        async with asyncio.timeout(10):
            while (said := (await self.get("/health"))[1])["status"] != status:
                await asyncio.sleep(0.1)
        return said


def taken_port() -> socket.socket:
    """A socket that holds a port of its own."""
    holder = socket.socket()
    holder.bind(("127.0.0.1", 0))
    return holder


@asynccontextmanager
async def _demo(folder: Path, *arguments: str) -> AsyncIterator[Demo]:
    with taken_port() as holder:
        port = holder.getsockname()[1]
    folder.mkdir(mode=0o711)
    environment = {"PATH": os.environ["PATH"], "TMPDIR": str(folder), "KASPARRO_PORT": str(port), "KASPARRO_ADMIN_TOKEN": TOKEN}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "kasparro", "demo", *arguments),
        env=environment | {"PYTHONPATH": os.pathsep.join(sys.path), "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with aiohttp.ClientSession() as http:
            yield Demo(process, port, http)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def processes_with(text: str) -> list[str]:
    """The command lines of processes that speak of something, zombies left out."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in line:
            found.append(line)
    return found


@pytest.mark.slow
async def test_a_person_sees_a_fault_come_and_go(session_folder: Path) -> None:
    """/health says what is wrong while /data is served on, then all is well again; Ctrl-C leaves nothing behind."""
    folder = session_folder / "demo"
    async with _demo(folder, "--fault", "rename") as demo:
        await demo.until_ready()
        await demo.run()
        degraded = await demo.health("degraded")
        _, data = await demo.get("/data?limit=3")
        await demo.run()
        await demo.run()
        await demo.health("ok")
        demo.process.send_signal(signal.SIGINT)
        async with asyncio.timeout(10):
            told, _ = await demo.process.communicate()

    assert degraded["reasons"][0].startswith("coingecko: ")
    assert degraded["sources"]["coinpaprika"]["status"] == "ok"
    assert [(row["id"], row["latest_price_usd"] > 0) for row in data] == [("bitcoin", True), ("ethereum", True), ("tether", True)]
    assert demo.process.returncode == 0
    said = told.decode()
    places = [said.index(words) for words in ("Run 1: succeeded", "/data?limit=3", "'rename'", "The fault is over", "Recovered", "Ended")]
    assert places == sorted(places)
    assert list(folder.iterdir()) == []
    assert processes_with(str(folder)) == []


@pytest.mark.slow
async def test_the_database_does_not_outlive_a_killed_demo(session_folder: Path) -> None:
    """Its server ends, though nobody could tell it to."""
    folder = session_folder / "killed"
    async with _demo(folder) as demo:
        await demo.until_ready()
        assert processes_with(str(folder))
        demo.process.kill()
        await demo.process.wait()
        async with asyncio.timeout(20):
            while processes_with(str(folder)):
                await asyncio.sleep(0.1)


async def test_a_taken_port_is_told_at_once(session_folder: Path) -> None:
    """The setting is named, and nothing is left behind."""
    folder = session_folder / "taken"
    folder.mkdir()
    with taken_port() as holder:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "kasparro", "demo"),
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": os.pathsep.join(sys.path),
                "TMPDIR": str(folder),
                "KASPARRO_PORT": str(holder.getsockname()[1]),
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        _, err = await process.communicate()

    assert process.returncode == 1
    assert "Address already in use; set KASPARRO_PORT" in err.decode()
    assert list(folder.iterdir()) == []


def test_what_belongs_to_the_real_service_is_left_alone() -> None:
    """Neither its database nor a key is known to the demo; where it listens is."""
    given = {
        "DATABASE_URL": "postgresql://x/y",
        "KASPARRO_DATABASE_POOLER": "transaction",
        "COINGECKO_API_KEY": "CG-x",
        "COINPAPRIKA_PLAN": "pro",
        "KASPARRO_PORT": "8001",
    }

    assert environment_for(given) == {"KASPARRO_PORT": "8001", "KASPARRO_LOG_LEVEL": "warning"}


async def test_a_terminal_that_is_closed_leaves_nothing_behind_either(session_folder: Path) -> None:
    """SIGHUP is a way to end like Ctrl-C."""
    folder = session_folder / "closed"
    async with _demo(folder) as demo:
        async with asyncio.timeout(60):
            while (await demo.get("/health/live"))[0] != 200:
                assert demo.process.returncode is None
                await asyncio.sleep(0.1)
        demo.process.send_signal(signal.SIGHUP)
        async with asyncio.timeout(20):
            await demo.process.communicate()

    assert demo.process.returncode == 0
    assert list(folder.iterdir()) == []
    assert processes_with(str(folder)) == []
