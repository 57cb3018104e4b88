"""Closed-loop load by wrk, and what it costs the server per request."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.processes import cpu_seconds, output

CONNECTIONS = 32
_MISSING = "wrk is missing (apt-get install wrk): reads are not measured"
# Requests are formatted before the clock runs; the client must not be what is measured.
_SCRIPT = """\
local requests, number = {}, 0
function init(args)
    for target in io.lines("%s") do requests[#requests + 1] = wrk.format("GET", target) end
end
function request()
    number = number %% #requests + 1
    return requests[number]
end
"""
_ONCE = """\
local answers = 0
function response()
    answers = answers + 1
    if answers == #requests then wrk.thread:stop() end
end
"""


class Cost(NamedTuple):
    """What one measurement found."""

    microseconds: float  # of CPU of the server per request
    per_second: float  # requests
    megabytes: float  # received per second of the server's CPU


def missing() -> str | None:
    """Why nothing can be measured, or None."""
    return None if shutil.which("wrk") else _MISSING


class Wrk:
    """Sends load. Its scripts are kept in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def cycle(self, name: str, targets: Sequence[str], *, once: bool = False) -> Path:
        """The script that asks for one target after the other, over and over or until each was answered."""
        listed, script = self._folder / f"{name}.targets", self._folder / f"{name}.lua"
        listed.write_text("\n".join(targets) + "\n", encoding="utf-8")
        script.write_text(_SCRIPT % listed + (_ONCE if once else ""), encoding="utf-8")
        return script

    async def measure(
        self,
        pid: int,
        port: int,
        target: str,
        *,
        seconds: float,
        headers: dict[str, str] | None = None,
        script: Path | None = None,
        connections: int = CONNECTIONS,
    ) -> Cost:
        """Load the server for some seconds. Raises where any answer is an error."""
        options = [f"-H{name}: {value}" for name, value in (headers or {}).items()] + ([f"-s{script}"] if script else [])
        before = cpu_seconds(pid)
        printed = await output(
            "wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout=30", *options, f"http://127.0.0.1:{port}{target}"
        )
        spent = cpu_seconds(pid) - before
        found = re.search(r"(\d+) requests in ([\d.]+)(m?s|m), ([\d.]+)([KMG]?)B read", printed)
        if found is None or "Non-2xx" in printed or "Socket errors" in printed or not int(found[1]):
            message = f"wrk on {target}:\n{printed}"
            raise RuntimeError(message)
        requests, lasted = int(found[1]), float(found[2]) * {"ms": 0.001, "s": 1, "m": 60}[found[3]]
        received = float(found[4]) * {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}[found[5]]
        return Cost(spent / requests * 1e6, requests / lasted, received / 1e6 / spent if spent else 0.0)
