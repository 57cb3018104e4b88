"""A command in a terminal of so many columns, and what stands on it in the end."""

import asyncio
import fcntl
import os
import pty
import re
import struct
import sys
import termios
from collections.abc import Mapping

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


async def in_terminal(environment: Mapping[str, str], columns: int, *arguments: str, seconds: float = 60.0) -> tuple[int, str]:
    """(exit code, everything that was written to the terminal, without colours and movements of the cursor)."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "kasparro", *arguments),
        env={
            "PATH": os.environ["PATH"],
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
            "PYTHONPATH": os.pathsep.join(sys.path),
            **environment,
        },
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    said = asyncio.create_task(asyncio.to_thread(_read_all, ours))
    try:
        async with asyncio.timeout(seconds):
            code = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
    text = await said
    os.close(ours)
    return code, _ESCAPES.sub("", text).replace("\r", "")


def _read_all(descriptor: int) -> str:
    parts = []
    try:
        while part := os.read(descriptor, 65_536):
            parts.append(part)
    except OSError:  # so Linux says that the other end is closed
        pass
    return b"".join(parts).decode(errors="replace")
