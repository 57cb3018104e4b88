"""The `raw_pages` and `rejects` tables: bodies as they came, and rows that could not be used."""

import zlib
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import asyncpg

from kasparro.errors import SkipError
from kasparro.records import Record, Reject
from kasparro.store import queries
from kasparro.zstd import zstd

_SQL = queries.load("raw_pages")
_ZSTD_LEVEL = 1
_ZSTD_MAGIC = bytes.fromhex("28b52ffd")


class StoredPage(Record, frozen=True, kw_only=True):
    """A body as it was kept."""

    raw_page_id: int
    run_id: int  # that fetched it
    stream: str
    part: str
    fetched_at: datetime
    sha256: bytes  # of the body before compression
    body: bytes  # compressed


def compressed(body: bytes) -> bytes:
    """A body as it is kept: at the fastest level, which takes a quarter of zlib's time and a fifth less room."""
    return zstd.compress(body, _ZSTD_LEVEL)


def decompressed(kept: bytes) -> bytes:
    """A body from what was kept, with zlib where that was long ago. Raises SkipError where it is neither."""
    try:
        return zstd.decompress(kept) if kept.startswith(_ZSTD_MAGIC) else zlib.decompress(kept)
    except (zstd.ZstdError, zlib.error) as error:
        message = f"the kept body cannot be read: {error}"
        raise SkipError(message, code="unreadable") from None


async def write(
    conn: asyncpg.Connection, *, run_id: int, stream: str, part: str, fetched_at: datetime, sha256: bytes, size: int, body: bytes
) -> None:
    """Keep a body as `compressed` makes it; `size` is that of the body before."""
    await conn.execute(_SQL["insert_raw_page"], run_id, stream, part, fetched_at, sha256, size, body)


async def count(conn: asyncpg.Connection, streams: Sequence[str], since: datetime) -> dict[str, int]:
    """How many bodies are kept from a time on, by stream."""
    return {row["stream"]: row["pages"] for row in await conn.fetch(_SQL["count_raw_pages"], streams, since)}


async def next_page(conn: asyncpg.Connection, after: int, streams: Sequence[str], since: datetime) -> StoredPage | None:
    """The first body after another one, by raw_page_id, that was fetched since a time."""
    row = await conn.fetchrow(_SQL["select_next_raw_page"], after, streams, since)
    return None if row is None else StoredPage(**row)


async def write_rejects(conn: asyncpg.Connection, rejects: Sequence[Reject], *, run_id: int, stream: str, part: str, now: datetime) -> None:
    """Keep rows that could not be used."""
    ids, reasons, texts = [r.source_id for r in rejects], [r.reason for r in rejects], [_text(r) for r in rejects]
    await conn.execute(_SQL["insert_rejects"], run_id, stream, part, now, ids, reasons, texts)


async def replace_rejects(conn: asyncpg.Connection, page: StoredPage, rejects: Sequence[Reject], rows_max: int) -> None:
    """Make a body's rejects those that are given. What is as it was is not written."""
    key = (page.run_id, page.stream, page.part, page.fetched_at)
    before = Counter(tuple(row) for row in await conn.fetch(_SQL["select_rejects_of_page"], *key))
    if before == Counter((r.source_id, r.reason, _text(r)) for r in rejects):
        return
    await conn.execute(_SQL["delete_rejects_of_page"], *key)
    for some in queries.batches(rejects, rows_max):
        await write_rejects(conn, some, run_id=page.run_id, stream=page.stream, part=page.part, now=page.fetched_at)


def _text(reject: Reject) -> str:
    return reject.row.decode(errors="replace").replace("\0", "")


async def delete_old(conn: asyncpg.Connection, before: datetime, bytes_max: int) -> None:
    """Drop bodies and rejects from before a time, and the oldest bodies beyond a size in sum."""
    await conn.execute(_SQL["delete_old_rejects"], before)
    await conn.execute(_SQL["delete_old_raw_pages"], before, bytes_max)
