"""The unpacked image as a container would have it: its own processes and mounts, no privilege, and a root that nobody can write."""

import asyncio
import os
import signal
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import aiohttp

from tests.image.building import Image

# In a mount namespace of its own: what is done here ends with the process. $1: the root, $2: uid and gid, $3: the data folder or nothing.
_ENTER = """
root=$1 user=$2 data=$3 folder=$4
shift 4
mount --bind "$root" "$root"
mount --options remount,bind,ro "$root"
mount --types proc proc "$root/proc"
mount --rbind /dev "$root/dev"
[ -z "$data" ] || mount --bind "$data" "$root/data"
exec setpriv --no-new-privs chroot --userspec="$user" --groups= "$root" /usr/bin/env -C "$folder" -i "$@"
"""


class Container:
    """One process of the image."""

    def __init__(self, image: Image, *, uid: int, data: Path | None = None, **environment: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{free.getsockname()[1]}"
        self.image, self.uid, self.data = image, uid, data
        # Of what the image sets, the address alone is changed: a check must not be reachable from outside.
        here = {"KASPARRO_HOST": "127.0.0.1", "KASPARRO_PORT": self.url.rpartition(":")[2]}
        self.environment = image.environment | here | environment
        self.process: asyncio.subprocess.Process | None = None

    async def start(self, command: Sequence[str] | None = None) -> None:
        """Start the image's command, or another, and come back once its process is in the image or has ended."""
        config = self.image.config
        self.process = await asyncio.create_subprocess_exec(
            *("unshare", "--mount", "--propagation=private", "--pid", "--fork", "--kill-child", "sh", "-ec", _ENTER, "sh"),
            *(str(self.image.root), f"{self.uid}:{self.uid}", str(self.data or ""), config.get("WorkingDir") or "/"),
            *(f"{name}={value}" for name, value in self.environment.items()),
            *(command or config["Cmd"]),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={"PATH": os.environ["PATH"]},
        )
        async with asyncio.timeout(30):
            while self.process.returncode is None and not self._is_inside():
                await asyncio.sleep(0.02)

    def _is_inside(self) -> bool:
        with suppress(OSError, IndexError):
            return str(Path(f"/proc/{self.main_pid()}/root").readlink()) != "/"
        return False

    async def ends(self, seconds: float = 30.0) -> tuple[int, str]:
        """Its exit code and what it printed, once it has ended."""
        assert self.process is not None
        async with asyncio.timeout(seconds):
            said, _ = await self.process.communicate()
        return self.process.returncode or 0, said.decode()

    def main_pid(self) -> int:
        """Its first process, by this machine's count."""
        assert self.process is not None
        pid = self.process.pid
        return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])

    async def stop(self) -> tuple[int, str]:
        """SIGTERM, as engines stop containers; its exit code and what it printed."""
        os.kill(self.main_pid(), signal.SIGTERM)
        return await self.ends()

    async def kill(self) -> None:
        """End it, if it lives."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    async def execute(self, command: Sequence[str], *, uid: int | None = None, environment: Mapping[str, str] | None = None) -> int:
        """Run another program in it, as `docker exec` does, and its exit code."""
        user = str(self.uid if uid is None else uid)
        values = self.environment if environment is None else environment
        process = await asyncio.create_subprocess_exec(
            *("nsenter", f"--target={self.main_pid()}", "--mount", "--pid", "--root", f"--setuid={user}", f"--setgid={user}"),
            *("/usr/bin/env", "-i", *(f"{name}={value}" for name, value in values.items()), *command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(30):
            return await process.wait()

    async def until_answers(self, path: str, seconds: float = 60.0) -> bytes:
        """The body with which a path first answers 200."""
        assert self.process is not None
        async with asyncio.timeout(seconds), aiohttp.ClientSession() as session:
            while True:
                assert self.process.returncode is None, await self.ends()
                try:
                    async with session.get(self.url + path) as answer:
                        if answer.status == 200:
                            return await answer.read()
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.1)
