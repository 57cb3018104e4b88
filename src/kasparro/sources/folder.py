"""Reads the CSV files of a folder, in threads: a slow disk holds nobody up."""

import asyncio
import hashlib
from os import stat_result
from pathlib import Path

import msgspec

from kasparro.clock import Clock
from kasparro.errors import AbortError, SkipError
from kasparro.records import Request
from kasparro.settings import Settings, SourceSettings
from kasparro.sources.base import Fetched, OnCall

FILES_MAX = 1_000  # of a folder: each is a part
_SUFFIX = ".csv"
_READ = 200  # what HTTP would say of a body that came
_State = tuple[int, int, int]  # what tells one content of a file from the next without reading it: inode, size, time of change


class FolderReader:
    """Fetches for a source whose base URL is a folder. A request's path is a file's name; without one it is the names of all."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._seen: dict[Path, tuple[_State, bytes]] = {}

    async def fetch(self, settings: SourceSettings, request: Request, *, on_call: OnCall | None, committed: bytes) -> Fetched:
        """A file's content, or a JSON list of the folder's files. A file that is as it was committed is not read again.

        Raises AbortError where the folder cannot be read, SkipError where a file cannot.
        """
        folder = Path(settings.base_url)
        if request.path:
            body, digest = await asyncio.to_thread(self._file, folder / request.path, committed)
        else:
            names = await asyncio.to_thread(_names, folder)
            self._seen = {path: seen for path, seen in self._seen.items() if path.name in names}
            body = msgspec.json.encode(names)
            digest = hashlib.sha256(body).digest()
        if on_call is not None:
            on_call(settings.name, _READ)
        return Fetched(body=body, digest=digest, fetched_at=self._clock.now(), calls=1)

    async def probe(self, settings: SourceSettings) -> float:
        """The seconds that it takes to read the folder's names. Raises AbortError where there is none."""
        started = self._clock.monotonic()
        await asyncio.to_thread(_names, Path(settings.base_url))
        return self._clock.monotonic() - started

    def _file(self, path: Path, committed: bytes) -> tuple[bytes, bytes]:
        """(content, its digest); no content where it is known to be the committed one."""
        limit = self._settings.file_bytes_max
        try:
            with path.open("rb") as file:
                before = _state(path.stat())
                if committed and self._seen.get(path) == (before, committed):
                    return b"", committed
                body = file.read(limit + 1)
        except OSError as error:
            message = f"{path}: cannot be read ({error.strerror or error})"
            raise SkipError(message, code="not_found") from None
        if len(body) > limit:
            message = f"{path}: larger than {limit:,} bytes, the bound for one file; split it"
            raise SkipError(message, code="too_large")
        digest = hashlib.sha256(body).digest()
        self._seen[path] = before, digest
        return body, digest


def _state(found: stat_result) -> _State:
    return found.st_ino, found.st_size, found.st_mtime_ns


def _names(folder: Path) -> list[str]:
    """The CSV files of a folder by name; hidden ones, and what is no plain file, are left out."""
    try:
        found = [p.name for p in folder.iterdir() if _is_ours(p)]
    except OSError as error:
        message = f"the folder {folder} cannot be read ({error.strerror or error}); is KASPARRO_FILES_DIR right?"
        raise AbortError(message, code="unreachable") from None
    if len(found) > FILES_MAX:
        message = f"the folder {folder} has {len(found):,} CSV files, and {FILES_MAX:,} is the bound: put several into one"
        raise AbortError(message, code="too_large")
    if not found:
        message = f"the folder {folder} has no CSV file"
        raise AbortError(message, code="not_found")
    return sorted(found)


def _is_ours(path: Path) -> bool:
    name = path.name
    return name.lower().endswith(_SUFFIX) and not name.startswith(".") and name.isprintable() and path.is_file()
