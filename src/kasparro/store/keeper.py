"""Keeps one Postgres server for as long as any process uses its folder. `embedded.py` runs this file as a program of its own.

It imports nothing of ours and nothing that is not in the standard library, so that it starts in 30 ms and stays small. Its one
argument is a JSON object: `folder` (with the lock files and the log), `data`, `command` (the server's argument list) and `user`
([uid, gid] to run the server as, or null).

It holds `keeper.lock` while it lives, writes its own and the server's process id to `keeper.json`, and waits for an exclusive
lock on `users.lock`, which every user of the server holds shared: having got it, there is no user left, and it stops the server.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any, NoReturn

_PR_SET_PDEATHSIG = 1
_LOCK_SECONDS = 5.0
_FAST_STOP_SECONDS = 10.0  # SIGINT: sessions are ended and the data folder is left clean
_HARD_STOP_SECONDS = 5.0  # SIGQUIT: the next start recovers from the log


def main() -> None:
    """Leave the starter's process group and session, start the server and keep it."""
    order = json.loads(sys.argv[1])
    libc = ctypes.CDLL(None)
    if os.fork():
        os._exit(0)
    os.setsid()
    os.chdir("/")
    # A terminal's Ctrl-C or a supervisor's SIGTERM to the whole group is for the users; the server outlives the last of them.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    folder = Path(order["folder"])
    null = os.open(os.devnull, os.O_RDWR)
    log = os.open(folder / "server.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for target, source in ((0, null), (1, log), (2, log)):
        os.dup2(source, target)

    own = os.open(folder / "keeper.lock", os.O_RDWR | os.O_CREAT, 0o600)
    users = os.open(folder / "users.lock", os.O_RDONLY)
    _lock(own)
    keeper = os.getpid()
    server = os.fork()
    if server == 0:
        _become_server(order, keeper, libc)
    written = folder / "keeper.json.new"
    written.write_text(json.dumps({"keeper": keeper, "server": server}), encoding="ascii")
    written.replace(folder / "keeper.json")
    ended = threading.Event()
    # The server was forked by this thread, the main one: PR_SET_PDEATHSIG goes by the thread that forked.
    threading.Thread(target=_stop_when_unused, args=(users, server, ended), daemon=True).start()
    os.waitpid(server, 0)
    ended.set()
    # The locks go with the process: whoever takes users.lock now finds no server and may start one.
    os._exit(0)


def _lock(own: int) -> None:
    # Others look whether this lock is held by taking it shared for a moment; wait for that, but not for another keeper.
    for _ in range(int(_LOCK_SECONDS / 0.01)):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(own, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        threading.Event().wait(0.01)
    os.write(2, b"another keeper is at work in this folder\n")
    os._exit(1)


def _stop_when_unused(users: int, server: int, ended: threading.Event) -> None:
    fcntl.flock(users, fcntl.LOCK_EX)
    for number, seconds in ((signal.SIGINT, _FAST_STOP_SECONDS), (signal.SIGQUIT, _HARD_STOP_SECONDS), (signal.SIGKILL, None)):
        if not ended.is_set():
            os.kill(server, number)
            ended.wait(seconds)


def _become_server(order: dict[str, Any], keeper: int, libc: ctypes.CDLL) -> NoReturn:
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(number, signal.SIG_DFL)
        data = order["data"]
        if order["user"] is not None:
            # The server's user may have no way into the folders above its own, so the folder is opened for it. (As the
            # working directory it would get lost: before version 16, Postgres leaves that and comes back to it by name.)
            folder = os.open(data, os.O_RDONLY)
            os.set_inheritable(folder, True)  # noqa: FBT003  # a positional argument of the standard library
            data = f"/proc/self/fd/{folder}"
            uid, gid = order["user"]
            os.setgroups([])
            os.setgid(gid)
            os.setuid(uid)
        os.umask(0o077)
        if sys.platform == "linux":
            # After the change of user, which clears it. A keeper that died before this is seen by the comparison.
            libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGINT), 0, 0, 0)
        if os.getppid() == keeper:
            os.execv(order["command"][0], [*order["command"], "-D", data])  # noqa: S606  # no shell is wanted
    except OSError as error:
        os.write(2, f"cannot start {order['command'][0]}: {error}\n".encode())
    os._exit(1)


if __name__ == "__main__":
    main()
