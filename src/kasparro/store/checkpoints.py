"""The `checkpoints` and `budgets` tables: what has been committed, and what it cost."""

from collections.abc import Sequence
from datetime import date

import asyncpg

from kasparro.records import Checkpoint
from kasparro.store import queries

_SQL = queries.load("checkpoints")


async def select(conn: asyncpg.Connection) -> list[Checkpoint]:
    """Every known part of every stream, in order."""
    rows = [dict(row) for row in await conn.fetch(_SQL["select_checkpoints"])]
    return [Checkpoint(**row | {"ids": tuple(row["ids"]), "absent": tuple(row["absent"])}) for row in rows]


async def commit(conn: asyncpg.Connection, checkpoint: Checkpoint, known: Sequence[Checkpoint], gone: Sequence[str]) -> None:
    """Note a part as committed, with the parts that its answer made known and those that the stream no longer has."""
    c = checkpoint
    if gone:
        await conn.execute(_SQL["delete_parts"], c.stream, list(gone))
    if known:
        await conn.execute(_SQL["insert_known_parts"], c.stream, [k.part for k in known], [k.ordinal for k in known])
    columns = (c.stream, c.part, c.ordinal, c.sweep, c.committed_at, c.rows, c.peak_rows, c.digest, c.absent)
    await conn.execute(_SQL["upsert_checkpoint"], *columns)


async def lay(conn: asyncpg.Connection, stream: str, batches: Sequence[Checkpoint], gone: Sequence[str]) -> None:
    """Keep batches as they were laid, in place of the parts that are `gone`."""
    await conn.execute(_SQL["delete_parts"], stream, list(gone))
    rows = [
        (b.stream, b.part, b.ordinal, b.sweep, b.committed_at, b.rows, b.peak_rows, b.ids, b.absent, b.weight, b.laid_at) for b in batches
    ]
    await conn.executemany(_SQL["insert_batch"], rows)


async def add_calls(conn: asyncpg.Connection, source: str, month: date, calls: int) -> None:
    """Count calls against a source's month."""
    await conn.execute(_SQL["add_calls"], source, month, calls)


async def select_calls(conn: asyncpg.Connection, source: str, month: date) -> int:
    """Calls spent by a source in a month."""
    return await conn.fetchval(_SQL["select_calls"], source, month) or 0
