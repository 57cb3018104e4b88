"""What every test may ask for: a real Postgres, a database of its own, and an environment without settings."""

import asyncio
import logging
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg
import hypothesis
import pytest
import structlog

from kasparro import settings as settings_module
from kasparro.settings import Settings
from kasparro.store.embedded import EmbeddedServer, open_embedded
from kasparro.store.migrate import migrate
from kasparro.store.pool import Database
from tests import pristine
from tests.workers import pytest_xdist_make_scheduler

__all__ = ["pytest_xdist_make_scheduler"]

# How long an example takes, or making one, says how busy the machine is.
hypothesis.settings.register_profile("kasparro", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("kasparro")

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
_SCRUBBED = ("DATABASE_URL", "KASPARRO_", "COINGECKO_", "COINPAPRIKA_", "PORT", "PG")

# At import: before a test module is, and for child processes that a test starts as well.
for _name in list(os.environ):
    if _name.startswith(_SCRUBBED) and not _name.startswith("KASPARRO_TEST_"):
        del os.environ[_name]


_SHARED = {"filled", "rolled_back", "shared_db"}  # databases that many tests look at


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What has a database of its own is slow, but for the few tests that are there to show a layer at work in the inner loop."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if fixtures & {"database_url", "postgres", "each_postgres"} and not fixtures & _SHARED and not item.get_closest_marker("smoke"):
            item.add_marker(pytest.mark.slow)


class Cluster:
    """A server for tests with a migrated template database. `lend` is quick, `create` makes a new one by copying 300 files."""

    def __init__(self, server: EmbeddedServer) -> None:
        self.server = server
        self._numbers = count(1)
        self._spare: list[str] = []
        self._schema = ""

    def url(self, database: str = "postgres") -> str:
        """Where one of its databases is."""
        return self.server.url.replace("/kasparro?", f"/{database}?")

    @property
    def socket_folder(self) -> str:
        """What `host=` of libpq and pgbouncer takes."""
        return self.server.url.partition("host=")[2].partition("&")[0]

    async def create(self, template: str = "migrated") -> str:
        """Make a database, migrated unless `template` is `template0`, and answer its name."""
        name = f"test_{next(self._numbers)}"
        # Copying the files takes less than half of what writing them through the log does.
        await self._execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        return name

    async def drop(self, name: str) -> None:
        """Drop a database, whoever is connected to it."""
        await self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    async def lend(self) -> str:
        """The name of a migrated database without rows, to be given back."""
        return self._spare.pop() if self._spare else await self.create()

    async def take_back(self, name: str) -> None:
        """Empty what was lent; one whose schema a test has changed is dropped."""
        connection = await asyncpg.connect(self.url(name))
        is_new = await pristine.emptied(connection, self._schema)
        await connection.close()
        if is_new:
            self._spare.append(name)
        else:
            await self.drop(name)

    async def make_template(self) -> None:
        """Make the migrated template."""
        await self._execute("CREATE DATABASE migrated")
        database = await Database.open(self.url("migrated"), make_settings())
        await migrate(database.connection)
        async with database.connection() as connection:
            self._schema = await pristine.schema(connection)
        await database.close()

    async def _execute(self, sql: str) -> None:
        connection = await asyncpg.connect(self.url())
        await connection.execute(sql)
        await connection.close()


def make_settings(**environment: str) -> Settings:
    """Settings of an otherwise empty environment."""
    return settings_module.load({"KASPARRO_DATA_DIR": "/nonexistent", **environment})


async def _cluster(folder: Path, bin_dir: Path | None = None) -> AsyncIterator[Cluster]:
    server = await open_embedded(folder, serve=False, durable=False, bin_dir=bin_dir)
    try:
        cluster = Cluster(server)
        await cluster.make_template()
        yield cluster
    finally:
        await server.close()


@pytest.fixture(scope="session")
def session_folder() -> Iterator[Path]:
    """A short folder for the session: not pytest's own, whose names are long and which keeps the last three of them."""
    folder = Path(tempfile.mkdtemp(prefix="kasparro-test-"))
    folder.chmod(0o711)  # as root, servers of other users have theirs in it
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
async def postgres(session_folder: Path) -> AsyncIterator[Cluster]:
    """The session's server, of the version that the wheel brings."""
    folder = session_folder / "embedded"
    folder.mkdir(mode=0o711)  # for pgbouncer, which may be another user; the server's data in it is closed
    async for cluster in _cluster(folder):
        yield cluster


@pytest.fixture(scope="session")
async def postgres_15(session_folder: Path) -> AsyncIterator[Cluster]:
    """A server of Debian's PostgreSQL 15, where it is installed."""
    if not (DEBIAN_15 / "postgres").exists():
        pytest.skip("PostgreSQL 15 is not installed in /usr/lib/postgresql/15")
    async for cluster in _cluster(session_folder / "debian-15", DEBIAN_15):
        yield cluster


@pytest.fixture(scope="session", params=["postgres", "postgres_15"])
def each_postgres(request: pytest.FixtureRequest) -> Cluster:
    """Every server version that is here, one after the other."""
    cluster: Cluster = request.getfixturevalue(request.param)
    return cluster


@pytest.fixture(scope="session")
async def pooler(postgres: Cluster, session_folder: Path) -> AsyncIterator[str]:
    """The start of a URL, to be ended by a database's name, that leads to the server through a transaction-mode pgbouncer."""
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("pgbouncer is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    configuration = session_folder / "pgbouncer.ini"
    configuration.write_text(
        f"[databases]\n* = host={postgres.socket_folder} user=postgres\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
        "pool_mode = transaction\ndefault_pool_size = 5\nmax_client_conn = 400\n"
    )
    as_nobody = ["-u", "nobody"] if os.geteuid() == 0 else []
    with (session_folder / "pgbouncer.log").open("wb") as log:
        command = [program, *as_nobody, str(configuration)]
        process = await asyncio.create_subprocess_exec(*command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        async with asyncio.timeout(10):
            while not _listens(port):
                assert process.returncode is None, (session_folder / "pgbouncer.log").read_text()
                await asyncio.sleep(0.02)
        yield f"postgresql://kasparro:secret@127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(autouse=True)
def _log_as_it_was() -> Iterator[None]:
    """What a test sets up for the log ends with it; which tests follow in a process is chance."""
    before, level = structlog.get_config(), logging.getLogger().level
    yield
    structlog.configure(**before)
    root = logging.getLogger()
    root.setLevel(level)
    # pytest's own handlers are of other classes.
    root.handlers = [handler for handler in root.handlers if type(handler) is not logging.StreamHandler]


@pytest.fixture
def settings() -> Settings:
    """Settings of an empty environment."""
    return make_settings()


@pytest.fixture
async def database_url(postgres: Cluster) -> AsyncIterator[str]:
    """A migrated database of the test's own."""
    name = await postgres.lend()
    yield postgres.url(name)
    await postgres.take_back(name)


@pytest.fixture
async def db(database_url: str, settings: Settings) -> AsyncIterator[Database]:
    """The pools on a migrated database of the test's own."""
    database = await Database.open(database_url, settings)
    yield database
    await database.close()


@pytest.fixture(scope="session")
async def shared_db(postgres: Cluster) -> AsyncIterator[Database]:
    """The pools on one migrated database for all tests that leave nothing in it."""
    database = await Database.open(postgres.url(await postgres.create()), make_settings())
    yield database
    await database.close()


@pytest.fixture
async def rolled_back(shared_db: Database) -> AsyncIterator[Any]:
    """A connection to a migrated database, in a transaction that is rolled back: 2 ms instead of a database of its own."""
    async with shared_db.connection() as connection:
        transaction = connection.transaction()
        await transaction.start()
        yield connection
        await transaction.rollback()
