"""What the service is compared with: nginx with the same bytes in files, and the usual stack on the same database."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.asking import ask_until
from tests.benchmarks.processes import ROOT, SERVER_CORE, free_port, running
from tests.benchmarks.serving import Filled

BENCH_PYTHON = ROOT / ".venv-bench" / "bin" / "python"
_NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
# What nginx says itself, or what says nothing of the answer's content.
_NGINX_SAYS = frozenset({"connection", "content-length", "content-type", "date", "etag", "server", "transfer-encoding", "x-request-id"})
_CONFIGURATION = """\
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    server_tokens off;
    sendfile on;
    keepalive_requests 100000000;
    open_file_cache max=10000;
    types {{ }}
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location = /health {{ return 200; }}
{locations}
    }}
}}
"""
# Rank is by market cap; without an index on it the usual stack would sort all prices for each request.
_INDEX = "CREATE INDEX usual_stack_rank ON latest_prices (market_cap DESC NULLS LAST)"
_NO_INDEX = "DROP INDEX IF EXISTS usual_stack_rank"


class Peer(NamedTuple):
    """A server that is measured."""

    pid: int
    port: int


class Files:
    """Answers of the service as files of nginx, and the configuration that sends them with the service's own headers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._locations: list[str] = []
        (folder / "www").mkdir(parents=True)

    def add(self, name: str, headers: dict[str, str], body: bytes) -> str:
        """Put one answer in; its target."""
        self._write(name, body)
        self._locate(f"= /{name}", headers)
        return f"/{name}"

    def add_all(self, name: str, headers: dict[str, str], bodies: dict[str, bytes]) -> list[str]:
        """Put many answers in, which have the headers of one in common; their targets."""
        for key, body in bodies.items():
            self._write(f"{name}/{key}", body)
        self._locate(f"/{name}/", headers)
        return [f"/{name}/{key}" for key in bodies]

    def configuration(self, port: int) -> Path:
        """The file that nginx starts with."""
        file = self._folder / "nginx.conf"
        file.write_text(_CONFIGURATION.format(folder=self._folder, port=port, locations="\n".join(self._locations)), encoding="utf-8")
        return file

    def _write(self, name: str, body: bytes) -> None:
        path = self._folder / "www" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(body)

    def _locate(self, location: str, headers: dict[str, str]) -> None:
        said = {name: _quoted(value) for name, value in headers.items() if name not in _NGINX_SAYS} | {"X-Request-ID": "$request_id"}
        lines = [f"root {_quoted(str(self._folder / 'www'))};", f"default_type {_quoted(headers['content-type'])};"]
        lines += [f"add_header {name} {value};" for name, value in said.items()]
        self._locations.append(f"        location {location} {{\n" + "".join(f"            {line}\n" for line in lines) + "        }")


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def nginx_missing() -> str | None:
    """Why there is nothing to compare with, or None."""
    return None if _NGINX else "nginx is missing (apt-get install nginx-light): its column stays empty"


def usual_stack_missing() -> str | None:
    """See nginx_missing."""
    if BENCH_PYTHON.exists():
        return None
    return "the environment .venv-bench is missing (make bench makes it from requirements/bench.txt): the usual stack's column stays empty"


@asynccontextmanager
async def nginx(files: Files, folder: Path) -> AsyncIterator[Peer | None]:
    """One worker; nothing where it is missing."""
    if not _NGINX:
        yield None
        return
    port = free_port()
    # As root the worker would be another user, who has no way into our folder.
    options = ["-p", str(folder), "-e", str(folder / "error.log"), "-c", str(files.configuration(port))]
    command = [_NGINX, *options, "-g", "user root;"] if _is_root() else [_NGINX, *options]
    async with running(*command, core=SERVER_CORE, log=folder / "nginx.log") as process:
        await asyncio.to_thread(ask_until, port, "/health", seconds=10)
        yield Peer(process.pid, port)


def _dialect(url: str) -> str:
    """An address of a database as SQLAlchemy writes it; asyncpg takes the folder of the socket only by that name."""
    return url.replace("postgresql://", "postgresql+asyncpg://", 1).partition("&port=")[0]


def _is_root() -> bool:
    return Path("/proc/self").stat().st_uid == 0


@asynccontextmanager
async def usual_stack(filled: Filled, folder: Path) -> AsyncIterator[Peer | None]:
    """usual_stack.py, one process; nothing where its environment is missing."""
    if not BENCH_PYTHON.exists():
        yield None
        return
    port = free_port()
    await filled.execute(_NO_INDEX, _INDEX, "VACUUM ANALYZE latest_prices", "VACUUM ANALYZE coins")
    command = [str(BENCH_PYTHON), "-m", "uvicorn", "tests.benchmarks.usual_stack:app", "--port", str(port), "--no-access-log"]
    # PYTHONPATH: this process's own packages must not get in.
    environment = {"USUAL_STACK_DATABASE": _dialect(filled.url()), "PYTHONPATH": str(ROOT)}
    try:
        async with running(*command, core=SERVER_CORE, env=environment, log=folder / "usual.log") as process:
            await asyncio.to_thread(ask_until, port, "/data?limit=1", seconds=30)
            yield Peer(process.pid, port)
    finally:
        await filled.execute(_NO_INDEX)
