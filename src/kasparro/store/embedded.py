"""The embedded server: a Postgres of our own under the data folder, for as long as some process of ours uses it.

Who owns it. No user of the server is its parent: a small keeper process (`keeper.py`) is. Every user, `serve` and command alike,
holds a shared lock on `postgres/users.lock`; the keeper waits for the exclusive one, stops the server when it gets it, and is gone.
So nobody has to know who started the server or who leaves last: a command may start it, `serve` may come and the command go, and
the server stays. A lock ends with its process, so `kill -9` of a user counts as leaving. After `kill -9` of the keeper the kernel
stops the server (PR_SET_PDEATHSIG); after that, and after a crash of the server itself, whoever runs `watch()` starts it again.

    serve.lock             held by the one `serve` of the folder, with a note of who that is
    postgres/start.lock    held while somebody looks for the server or starts it
    postgres/users.lock    shared by the users; exclusive: the keeper, while it stops the server
    postgres/keeper.lock   held by the keeper while it lives;  keeper.json: its process id and the server's
    postgres/data/         the server's data folder; made as data.new.* and renamed, so that it is whole where it exists
    postgres/server.log    what the server and initdb said

The server listens on a Unix socket in its data folder (mode 0700) and nowhere else. As root it runs as `nobody` and is handed its
data folder as an open file, so that it needs no way into the folders above, and no mode of a folder of others is touched.
"""

import asyncio
import contextlib
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

import asyncpg

from kasparro import logs
from kasparro.clock import Clock, SystemClock
from kasparro.errors import DatabaseError, DataFolderHeldError
from kasparro.store import binaries, queries
from kasparro.store.data_folder import DataFolder
from kasparro.store.locks import FileLock

log = logs.get()

_SQL = queries.load("embedded")
_START_SECONDS = 30.0
_RECOVERY_SECONDS = 300.0  # where the server says that it replays its log
_STOP_SECONDS = 16.0  # what the keeper takes at most: 10 s for a clean end, 5 s for a hard one
_KEEPER_SECONDS = 10.0
_POLL_SECONDS = 0.02
_WATCH_SECONDS = 0.25
_RETRY_SECONDS = 10.0
_SETTINGS = {
    "listen_addresses": "",
    "port": "5432",
    "max_connections": "50",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
    "log_checkpoints": "off",
    # One server without a replica: the least that crash recovery needs.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "512MB",
    # A parallel query needs /dev/shm, which is small in containers, and all cores at once, of which the service needs one.
    "max_parallel_workers_per_gather": "0",
    "max_parallel_maintenance_workers": "0",
}
_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class EmbeddedServer:
    """A running server that this process uses until `close`. Made by `open_embedded`."""

    def __init__(self, data_dir: Path, *, durable: bool, bin_dir: Path | None, clock: Clock) -> None:
        self._files = DataFolder(data_dir, clock)
        self._durable = durable
        self._bin_dir = bin_dir
        self._clock = clock
        self._serve_lock = FileLock(self._files.parent / "serve.lock")
        self._users = self._files.lock("users")
        self._closing = False
        self.started = False  # whether it was us who started the server

    @property
    def url(self) -> str:
        """What asyncpg connects to."""
        return self._url("kasparro")

    def _url(self, database: str) -> str:
        # Port and sslmode are said so that PGPORT and PGSSLMODE of the environment change nothing.
        return f"postgresql://postgres@/{database}?host={quote(str(self._files.socket_folder), safe='/')}&port=5432&sslmode=disable"

    async def _open(self, holder: str, *, serve: bool) -> None:
        self._files.make()
        if serve:
            self._hold(holder)
        await self._files.until(self._users.try_shared, _STOP_SECONDS, "the embedded database is being stopped and did not end")
        await self._run()

    def _hold(self, holder: str) -> None:
        if self._serve_lock.try_exclusive():
            note = {"pid": os.getpid(), "started_at": self._clock.now().isoformat(timespec="seconds"), "address": holder}
            self._serve_lock.write(json.dumps(note))
            return
        who = "another process"
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            note = json.loads(self._serve_lock.path.read_text(encoding="utf-8"))
            who = f"process {note['pid']}, serving {note['address'] or 'it'} since {note['started_at']}"
        message = (
            f"the data folder {self._files.parent} is held by {who}: stop that one first, or choose another folder with "
            "KASPARRO_DATA_DIR (a second port alone is not enough)"
        )
        raise DataFolderHeldError(message)

    async def watch(self) -> None:
        """Start the server again whenever it has ended without being told to. Runs until it is cancelled."""
        wait = _WATCH_SECONDS
        while True:
            await self._clock.sleep(wait)
            wait = _WATCH_SECONDS
            if self._closing or self._files.is_held("keeper"):
                continue
            log.error("database.ended", folder=str(self._files.top))
            began = self._clock.monotonic()
            try:
                await self._run()
            except (DatabaseError, OSError) as error:
                wait = _RETRY_SECONDS
                log.error("database.restart_failed", error=str(error), retry_seconds=wait)  # noqa: TRY400  # the message says it all
            else:
                log.warning("database.restarted", seconds=round(self._clock.monotonic() - began, 2))

    async def close(self, seconds: float = _STOP_SECONDS) -> None:
        """Stop using the server. Where we were the last user, wait until it has ended, or for so long. A second call does nothing."""
        if self._closing:
            return
        self._closing = True
        # The keeper may get in before us even if we are alone: then it is seen to hold the lock a moment later.
        patience = 1.0 if self._users.try_exclusive() else 0.2
        self._users.release()
        began = self._clock.monotonic()
        while self._files.is_held("keeper"):
            waited = self._clock.monotonic() - began
            if waited > seconds:
                log.warning("database.still_stopping", folder=str(self._files.top), message="its keeper goes on ending it")
                break
            if waited > patience and not self._files.is_held("users"):
                break  # someone else uses it, so it stays
            await self._clock.sleep(_POLL_SECONDS)
        self._serve_lock.release()

    def _abandon(self) -> None:
        self._closing = True
        self._users.release()
        self._serve_lock.release()

    async def _run(self) -> None:
        """Find the server or start it, one process at a time."""
        start = self._files.lock("start")
        await self._files.until(start.try_exclusive, _RECOVERY_SECONDS, "another process has been starting the embedded database")
        try:
            if not await self._ready():
                await self._start()
                self.started = True
        finally:
            start.release()

    async def _start(self) -> None:
        installation = await binaries.choose(self._files.data, self._bin_dir)
        user = binaries.server_user(self._files.data)
        installation = await binaries.within_reach(installation, user, self._files.top)
        if not self._files.data.exists():
            await self._initialise(installation, user)
        self._files.make_socket_folder(user)
        deadline = self._clock.monotonic() + _START_SECONDS
        while True:
            await self._files.clear_lock_files()
            said_before = self._files.log_bytes()
            await self._launch(installation, user)
            if await self._ready():
                return
            said = self._files.said_since(said_before)
            # Sessions of a server that was killed take a moment to notice; until then a new one refuses to start.
            if "shared memory block" not in said or self._clock.monotonic() > deadline:
                tail = " / ".join(said.strip().splitlines()[-4:])
                message = f"the embedded database did not start: {tail or 'it said nothing'}. Its log is {self._files.log}"
                raise DatabaseError(message)
            await self._clock.sleep(0.1)

    async def _initialise(self, installation: binaries.Installation, user: binaries.User | None) -> None:
        binaries.require_name(user)
        # What an initdb that was killed has left, as well as what a copy of the programs has.
        for leftover in (*self._files.top.glob("data.new.*"), *self._files.top.glob("copying.*")):
            await asyncio.to_thread(shutil.rmtree, leftover, ignore_errors=True)
        staging = Path(tempfile.mkdtemp(prefix="data.new.", dir=self._files.top))
        said = await asyncio.to_thread(binaries.initialise, installation, user, staging, durable=self._durable)
        if said is not None:
            await asyncio.to_thread(shutil.rmtree, staging, ignore_errors=True)
            message = f"cannot make a database in {self._files.top}: {said}. Is there room, and may we write there?"
            raise DatabaseError(message)
        os.rename(staging, self._files.data)  # noqa: PTH104  # Path.rename is refused in a coroutine, and this waits for nothing
        log.info("database.initialised", folder=str(self._files.data), version=installation.version)

    async def _launch(self, installation: binaries.Installation, user: binaries.User | None) -> None:
        self._files.keeper_note.unlink(missing_ok=True)
        sockets = "." if self._files.socket_folder == self._files.data else str(self._files.socket_folder)
        settings = _SETTINGS | {"unix_socket_directories": sockets, "unix_socket_permissions": "0700"}
        if not self._durable:
            settings |= _NOT_DURABLE
        order = {
            "folder": str(self._files.top),
            "data": str(self._files.data),
            "user": user,
            "command": [
                str(installation.folder / "postgres"),
                *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
            ],
        }
        # It forks the keeper and ends.
        await asyncio.to_thread(binaries.run, [sys.executable, "-I", "-S", str(Path(__file__).with_name("keeper.py")), json.dumps(order)])
        with contextlib.suppress(DatabaseError):
            await self._files.until(self._files.keeper_note.exists, _KEEPER_SECONDS, "the keeper did not come up")

    async def _ready(self) -> bool:
        """Wait while a keeper lives until its server answers and has our database. False: there is none, or it has ended."""
        began = self._clock.monotonic()
        refused = ""
        while self._files.is_held("keeper"):
            if self._files.server_is_up():
                try:
                    await self._make_database()
                except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                    refused = f" ({error})"
                else:
                    return True
            waited = self._clock.monotonic() - began
            # The server's own log says "redo" while it replays what a crash has left.
            if waited > _RECOVERY_SECONDS or (waited > _START_SECONDS and "redo" not in self._files.said_since(-2_000)):
                message = f"the embedded database does not answer after {waited:.0f} s{refused}; its log is {self._files.log}"
                raise DatabaseError(message)
            await self._clock.sleep(_POLL_SECONDS)
        return False

    async def _make_database(self) -> None:
        connection = await asyncpg.connect(self._url("postgres"), timeout=5, command_timeout=_START_SECONDS)
        try:
            if not await connection.fetchval(_SQL["select_database"]):
                await connection.execute(_SQL["create_database"])
        finally:
            await connection.close(timeout=1)


async def open_embedded(
    data_dir: Path, *, serve: bool, holder: str = "", durable: bool = True, bin_dir: Path | None = None, clock: Clock | None = None
) -> EmbeddedServer:
    """Use the server of a data folder: the one that runs, else one started now, in a new database where there is none.

    With `serve`, this process holds the folder until `close`; `holder` says where it serves, for the message that a second one
    gets. Without `durable`, a crash of the machine may lose the database: for tests. `bin_dir` names the programs to use.
    Raises DataFolderHeldError, and DatabaseError saying what is wrong and what to do.
    """
    server = EmbeddedServer(data_dir, durable=durable, bin_dir=bin_dir, clock=clock or SystemClock())
    try:
        await server._open(holder, serve=serve)  # noqa: SLF001  # the class is made here and nowhere else
    except OSError as error:
        server._abandon()  # noqa: SLF001  # see above
        message = (
            f"cannot use the data folder {data_dir}: {error}. Make it writable for us, choose another with KASPARRO_DATA_DIR, or set "
            "DATABASE_URL to a server: then no folder is needed"
        )
        raise DatabaseError(message) from error
    except BaseException:
        server._abandon()  # noqa: SLF001  # see above
        raise
    return server
