"""One service for all pages, as the documents assume it: two runs old, in the home of who reads them, beside a made-up market."""

import asyncio
import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.conftest import Cluster
from tests.docs.blocks import all_blocks
from tests.tidy import tree
from tests.torture.processes import Service
from tests.upstream.server import Upstream

TOKEN = "token-of-a-test-that-nobody-guesses"
_SHIMS = {
    # serve and demo never end by themselves: they are asked to as soon as they serve.
    "kasparro": """case "${1-}" in
    serve|demo) exec "$PYTHON" "$REPOSITORY/tests/docs/until_ready.py" "$@" ;;
    *) exec "$PYTHON" -m kasparro "$@" ;;
esac""",
    # The target is there and its recipe can be read. The check itself runs `make test`; test_clone.py runs `make env` and `make run`.
    "make": 'exec "$MAKE" --dry-run --silent --directory "$REPOSITORY" "$@" >/dev/null',
    # A stream has no end: two seconds of it show that it is there.
    "curl": """case "$1" in
    -*N*) "$CURL" --fail-with-body --max-time 2 "$@"; code=$?; [ $code = 28 ] && exit 0; exit $code ;;
    *) exec "$CURL" --fail-with-body --max-time 20 "$@" ;;
esac""",
}


class Scene:
    """Where the blocks are run."""

    def __init__(self, folder: Path, environment: dict[str, str], port: int, other_database: str) -> None:
        self.folder, self._environment = folder, environment
        # What a document names and a test has elsewhere.
        self._instead = {
            "127.0.0.1:8000": f"127.0.0.1:{port}",
            "postgresql://kasparro:password@db.example.com:5432/kasparro": shlex.quote(other_database),
        }

    async def run(self, script: str, home: Path | None = None, seconds: float = 180.0) -> tuple[int, str]:
        """Exit code and output of a script, which ends at its first failure. `home` is another home than the service's."""
        for name, real in self._instead.items():
            script = script.replace(name, real)
        process = await asyncio.create_subprocess_exec(
            *("bash", "-euo", "pipefail", "-c", script),
            cwd=self.folder,
            env=self._environment | ({} if home is None else {"HOME": str(home)}),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(seconds):
            out, _ = await process.communicate()
        return process.returncode or 0, out.decode(errors="replace")


def _make_shims(folder: Path) -> Path:
    """`.venv` as `make env` makes it where the blocks are run: its programs are those above, its packages the real ones."""
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name, script in _SHIMS.items():
        path = programs / name
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        path.chmod(0o755)
    (programs / "python").symlink_to(sys.executable)
    (folder / ".venv" / "lib").symlink_to(Path(sys.prefix) / "lib")
    return programs


def _write_what_is_assumed(folder: Path) -> None:
    """The files that commands of the documents name, and the price file that docs/files.md shows, seen now."""
    now = datetime.now(UTC)
    for year, days in (("2025", 300), ("2026", 30)):
        points = [[int((now - timedelta(days=days + n)).timestamp() * 1000), 1.5 + n] for n in range(3)]
        (folder / f"market_chart-{year}.json").write_text(json.dumps({"prices": points}), encoding="utf-8")
    (example,) = [b for b in all_blocks() if b.page == "docs/files.md" and b.first.startswith("id,symbol,name")]
    rows = re.sub(r"\d{4}-\d\d-\d\dT[\d:]+Z", f"{now:%Y-%m-%dT%H:%M:%SZ}", example.text)
    (folder / "prices").mkdir()
    (folder / "prices" / "example.csv").write_text(rows + "\n", encoding="utf-8")


@pytest.fixture(scope="session")
async def scene(session_folder: Path, postgres: Cluster) -> AsyncIterator[Scene]:
    """The service, and where commands are typed that speak to it."""
    curl, make = shutil.which("curl"), shutil.which("make")
    if curl is None or make is None:
        pytest.skip("curl or make is not installed")
    folder = session_folder / "docs"
    folder.mkdir(mode=0o711)
    _write_what_is_assumed(folder)
    upstream = Upstream()
    await upstream.start()
    own = {"HOME": str(folder), "KASPARRO_ADMIN_TOKEN": TOKEN, "KASPARRO_FILES_DIR": str(folder / "prices")}
    service = Service(upstream, folder / "serve.log", KASPARRO_REFRESH_SECONDS="3600", **own)
    await service.start()
    try:
        await service.until_answers("/health/ready")
        environment = upstream.environment(
            **own,
            PATH=f"{_make_shims(folder)}:{os.environ['PATH']}",
            PYTHONPATH=os.pathsep.join(str(tree.ROOT / name) for name in ("src", ".")),
            PYTHON=sys.executable,
            CURL=curl,
            MAKE=make,
            REPOSITORY=str(tree.ROOT),
            SERVICE_URL=service.url,
            COLUMNS="200",
        )
        scene = Scene(folder, environment, service.port, postgres.url(await postgres.create("template0")))
        # Two runs, so that there is something to compare, the second one with other prices.
        while (await service.get("/runs?limit=1"))[1][0]["finished_at"] is None:
            await asyncio.sleep(0.05)
        upstream.tick()
        code, said = await scene.run("kasparro run-etl --full")
        assert code == 0, said
        yield scene
        await service.end()
    finally:
        await service.kill()
        await upstream.stop()
