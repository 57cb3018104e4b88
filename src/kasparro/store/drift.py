"""The `drift` table: where a source's answers stopped looking as they used to."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg

from kasparro.records import Drift, Record
from kasparro.store import queries

_SQL = queries.load("drift")


class StoredDrift(Record, frozen=True, kw_only=True):
    """A finding with when it was made."""

    stream: str
    drift: Drift
    first_seen_at: datetime
    last_seen_at: datetime
    run_id: int  # the last in which it was made


async def write(conn: asyncpg.Connection, stream: str, found: Sequence[Drift], *, run_id: int, now: datetime) -> set[tuple[str, str]]:
    """Note findings; the (field, kind) of those that were never made before."""
    columns = [[getattr(drift, name) for drift in found] for name in ("field", "kind", "verdict", "share", "suggestion", "score")]
    return {(row["field"], row["kind"]) for row in await conn.fetch(_SQL["upsert_drift"], stream, now, run_id, *columns) if row["is_first"]}


async def read(conn: asyncpg.Connection, limit: int) -> list[StoredDrift]:
    """The newest findings, newest first."""
    found: list[StoredDrift] = []
    for row in await conn.fetch(_SQL["select_drift"], limit):
        values: dict[str, Any] = dict(row)
        head = {name: values.pop(name) for name in ("stream", "first_seen_at", "last_seen_at", "run_id")}
        found.append(StoredDrift(drift=Drift(**values), **head))
    return found


async def delete_old(conn: asyncpg.Connection, before: datetime) -> None:
    """Forget findings that were last made before a time."""
    await conn.execute(_SQL["delete_old_drift"], before)


async def known_values(conn: asyncpg.Connection, source: str, source_ids: Sequence[str]) -> dict[str, dict[str, float | str | None]]:
    """What is known of some listings, by their ids at the source: symbol, name, price, market_cap, volume_24h."""
    rows = await conn.fetch(_SQL["select_known_values"], source, list(source_ids))
    return {values.pop("source_id"): values for values in map(dict, rows)}
