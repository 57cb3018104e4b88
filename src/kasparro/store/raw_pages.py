"""The `raw_pages` and `rejects` tables: bodies as they came, and rows that could not be used."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from kasparro.records import Reject
from kasparro.store import queries

_SQL = queries.load("raw_pages")


async def write(
    conn: asyncpg.Connection, *, run_id: int, stream: str, part: str, fetched_at: datetime, sha256: bytes, size: int, compressed: bytes
) -> None:
    """Keep a body, compressed by zlib; `size` is that of the body before."""
    await conn.execute(_SQL["insert_raw_page"], run_id, stream, part, fetched_at, sha256, size, compressed)


async def write_rejects(conn: asyncpg.Connection, rejects: Sequence[Reject], *, run_id: int, stream: str, part: str, now: datetime) -> None:
    """Keep rows that could not be used."""
    ids, reasons = [r.source_id for r in rejects], [r.reason for r in rejects]
    texts = [r.row.decode(errors="replace").replace("\0", "") for r in rejects]
    await conn.execute(_SQL["insert_rejects"], run_id, stream, part, now, ids, reasons, texts)


async def delete_old(conn: asyncpg.Connection, before: datetime, bytes_max: int) -> None:
    """Drop bodies and rejects from before a time, and the oldest bodies beyond a size in sum."""
    await conn.execute(_SQL["delete_old_rejects"], before)
    await conn.execute(_SQL["delete_old_raw_pages"], before, bytes_max)
