"""File locks between processes on one machine. The kernel drops a lock when its process ends, however it ends."""

import fcntl
import os
from pathlib import Path

# Locks go with the open file, and a forked child has it too: without this, a worker process would keep its dead parent's locks.
_open: set[int] = set()


def _close_in_child() -> None:
    for descriptor in _open:
        os.close(descriptor)
    _open.clear()


os.register_at_fork(after_in_child=_close_in_child)


class FileLock:
    """An advisory lock on a file, which is made where it is missing. Nothing here waits."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def try_exclusive(self) -> bool:
        """Take the lock alone, or turn our share of it into that. False: someone else has it, and a share of ours may be lost."""
        return self._try(fcntl.LOCK_EX)

    def try_shared(self) -> bool:
        """Take the lock together with others who share it. False: someone has it alone."""
        return self._try(fcntl.LOCK_SH)

    def write(self, text: str) -> None:
        """Leave a note in the file for those who do not get the lock."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, text.encode(), 0)

    def release(self) -> None:
        """Let it go; without effect when it is not held."""
        if self._descriptor is not None:
            _open.discard(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None

    def _try(self, kind: int) -> bool:
        if self._descriptor is None:
            new = not self.path.exists()
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
            _open.add(self._descriptor)
            if new and os.geteuid() == 0:
                # A command once run as root must not shut the folder's owner out.
                folder = self.path.parent.stat()
                os.fchown(self._descriptor, folder.st_uid, folder.st_gid)
        try:
            fcntl.flock(self._descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            return False
        return True


def is_held(path: Path) -> bool:
    """Whether someone holds the lock alone."""
    probe = FileLock(path)
    if not path.exists():
        return False
    try:
        return not probe.try_shared()
    finally:
        probe.release()
