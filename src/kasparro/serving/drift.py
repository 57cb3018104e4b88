"""Drift as it is shown, per source."""

from datetime import datetime
from typing import Literal

import asyncpg

from kasparro.serving.operations import Shape
from kasparro.store import drift

SHOWN_MAX = 200  # findings of all sources


class FieldDrift(Shape, frozen=True, kw_only=True):
    """A field in which a source's answers no longer look as they used to; `suggestion` may have taken its place, by `score` from 0 to 1."""

    stream: str
    field: str
    kind: Literal["missing", "type", "new"]
    verdict: Literal["accept", "warn", "reject"]
    share: float  # of the rows, 0 to 1
    suggestion: str | None
    score: float | None
    first_seen_at: datetime
    last_seen_at: datetime
    run_id: int


async def drift_by_source(conn: asyncpg.Connection) -> dict[str, list[FieldDrift]]:
    """The newest findings of each source that has any, newest first."""
    found: dict[str, list[FieldDrift]] = {}
    for stored in await drift.read(conn, SHOWN_MAX):
        found.setdefault(stored.stream.partition(".")[0], []).append(
            FieldDrift(
                stream=stored.stream,
                field=stored.drift.field,
                kind=stored.drift.kind,
                verdict=stored.drift.verdict,
                share=stored.drift.share,
                suggestion=stored.drift.suggestion,
                score=stored.drift.score,
                first_seen_at=stored.first_seen_at,
                last_seen_at=stored.last_seen_at,
                run_id=stored.run_id,
            )
        )
    return found
