"""The files of the embedded server: what is where, what they tell about the server, and which of them are left from a dead one."""

import contextlib
import hashlib
import json
import os
import signal
import stat
from collections.abc import Callable
from pathlib import Path

from kasparro.clock import Clock
from kasparro.errors import DatabaseError
from kasparro.store import binaries
from kasparro.store.locks import FileLock, is_held

_POLL_SECONDS = 0.02
_ORPHAN_STOP_SECONDS = 10.0
_ORPHAN_QUIT_SECONDS = 5.0
_LOG_BYTES_MAX = 1_000_000
_SOCKET_NAME = ".s.PGSQL.5432"
_SOCKET_BYTES_MAX = 107
_SOCKET_FOLDERS = Path("/tmp")  # noqa: S108  # not TMPDIR: other processes must find the same place; owner and mode are checked


class DataFolder:
    """The folder of the embedded server below the service's data folder, and every path in it."""

    def __init__(self, data_dir: Path, clock: Clock) -> None:
        # One name for the folder whatever way leads to it: the socket's place is derived from it.
        self.parent = data_dir.expanduser().resolve()
        self.top = self.parent / "postgres"
        self.data = self.top / "data"
        self.log = self.top / "server.log"
        self.keeper_note = self.top / "keeper.json"
        self.socket_folder = _socket_folder(self.data)
        self._clock = clock

    def make(self) -> None:
        """Make the folders that are missing, closed to others. Raises OSError."""
        self.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # As root the server's user may have to reach a copy of the programs in here; the server's data is closed to others.
        self.top.mkdir(exist_ok=True, mode=0o711 if os.geteuid() == 0 else 0o700)

    def lock(self, name: str) -> FileLock:
        """One of the locks that embedded.py describes, not yet taken."""
        return FileLock(self.top / f"{name}.lock")

    def is_held(self, name: str) -> bool:
        """Whether someone holds one of the locks alone."""
        return is_held(self.top / f"{name}.lock")

    def server_is_up(self) -> bool:
        """Whether the keeper's server says that it is ready.

        A server is taken for the keeper's only if the process id in its data folder is the one that the keeper wrote down.
        """
        try:
            kept = json.loads(self.keeper_note.read_text(encoding="ascii"))
            lines = (self.data / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
            return int(lines[0]) == kept["server"] and lines[7].strip() == "ready"
        except (FileNotFoundError, ValueError, KeyError, IndexError):
            return False

    def said_since(self, offset: int) -> str:
        """The server's log from a byte on; from its end with a negative one."""
        try:
            return self.log.read_bytes()[offset:].decode(errors="replace")
        except FileNotFoundError:
            return ""

    def log_bytes(self) -> int:
        """How long the log is; one that got too long is put aside first."""
        if not self.log.exists():
            return 0
        if self.log.stat().st_size > _LOG_BYTES_MAX:
            self.log.replace(self.top / "server.log.old")
            return 0
        return self.log.stat().st_size

    def make_socket_folder(self, user: binaries.User | None) -> None:
        """Make the folder of the socket where it is not the server's data folder. Raises DatabaseError for one of somebody else."""
        if self.socket_folder == self.data:
            return
        with contextlib.suppress(FileExistsError):
            self.socket_folder.mkdir(mode=0o700)
            if user is not None:
                os.chown(self.socket_folder, *user)
        status = self.socket_folder.lstat()
        wanted = user.uid if user is not None else os.geteuid()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != wanted or status.st_mode & 0o077:
            message = f"{self.socket_folder} is not a folder of the embedded database alone (uid {wanted}, mode 0700): remove it"
            raise DatabaseError(message)

    async def clear_lock_files(self) -> None:
        """Wait for a server that lost its keeper to end, and remove lock files whose process id is now some other program's.

        Postgres itself takes a lock file for stale when no process has its number, and refuses to start otherwise.
        """
        files = [self.data / "postmaster.pid", self.socket_folder / f"{_SOCKET_NAME}.lock"]
        # The kernel has told it to stop when its keeper died; SIGQUIT is for one that takes too long.
        for number, seconds in ((None, _ORPHAN_STOP_SECONDS), (signal.SIGQUIT, _ORPHAN_QUIT_SECONDS)):
            orphan = self._server_in(files)
            if orphan is not None:
                if number is not None:
                    os.kill(orphan, number)
                with contextlib.suppress(DatabaseError):
                    await self.until(lambda: self._server_in(files) is None, seconds, "")
        orphan = self._server_in(files)
        if orphan is not None:
            message = f"a Postgres without its keeper (process {orphan}) does not leave {self.data}: end it with kill -QUIT {orphan}"
            raise DatabaseError(message)
        for file in files:
            if _names_a_process(file):
                file.unlink(missing_ok=True)

    def _server_in(self, files: list[Path]) -> int | None:
        # A server has its data folder as its working directory.
        return next((pid for file in files if (pid := _pid_in(file)) and _works_in(pid, self.data)), None)

    async def until(self, done: Callable[[], bool], seconds: float, what: str) -> None:
        """Wait for something to become true. Raises DatabaseError saying that `what` did not happen in time."""
        deadline = self._clock.monotonic() + seconds
        while not done():
            if self._clock.monotonic() > deadline:
                message = f"{what} within {seconds:.0f} s; its log is {self.log}"
                raise DatabaseError(message)
            await self._clock.sleep(_POLL_SECONDS)


def _socket_folder(data: Path) -> Path:
    """The data folder, where a socket in it has a name that the kernel takes (107 bytes) and asyncpg reads as one host."""
    if len(os.fsencode(data / _SOCKET_NAME)) <= _SOCKET_BYTES_MAX and "," not in str(data):
        return data
    return _SOCKET_FOLDERS / f"kasparro-{hashlib.sha256(os.fsencode(data)).hexdigest()[:16]}"


def _pid_in(file: Path) -> int | None:
    try:
        return abs(int(file.read_text(encoding="utf-8", errors="replace").splitlines()[0]))
    except (FileNotFoundError, ValueError, IndexError):
        return None


def _names_a_process(file: Path) -> bool:
    pid = _pid_in(file)
    return pid is not None and Path("/proc", str(pid)).exists()


def _works_in(pid: int, data: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/cwd").samefile(data)
    except OSError:  # no such process, or one of somebody else
        return False
