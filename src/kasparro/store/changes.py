"""The `changes` and `coins_told` tables: what has become of coins."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

import asyncpg

from kasparro.records import Record, Verdict
from kasparro.store import queries

_SQL = queries.load("changes")

ChangeKind: TypeAlias = Literal["new", "renamed", "merged", "split", "moved", "delisted", "vanished", "returned"]


class CoinState(Record, frozen=True, kw_only=True):
    """A coin as it was, or is, told of."""

    symbol: str
    name: str
    sources: tuple[str, ...]  # that list it


class ChangeJudgement(Record, frozen=True, kw_only=True):
    """The judgement that made a change, with the listing that it is about."""

    judgement_id: int
    verdict: Verdict
    rule: str
    confidence: float
    decided_by: str
    note: str | None
    source: str
    source_id: str


class Change(Record, frozen=True, kw_only=True):
    """Something that has become of a coin."""

    version: int  # of the catalog that brought it
    change_id: int
    changed_at: datetime
    kind: ChangeKind
    coin_id: str
    other_id: str | None  # the coin that it became, that it was part of, or that its listing came from
    reason: str | None  # of what vanished or came back
    was: CoinState | None  # None: it was not known
    now: CoinState
    judgement: ChangeJudgement | None


async def presence(conn: asyncpg.Connection, since_run: int, now: datetime, quiet_after: timedelta) -> list[tuple[int, bool | None]]:
    """Coins of which it is to be told who lists them, or whether they are quoted at all: (key, whether it is quiet; None: as before).

    Listings are looked at that changed in runs from `since_run` on. Quiet: the price is older than `quiet_after`, and its source
    has quoted others so much later.
    """
    return [tuple(row) for row in await conn.fetch(_SQL["select_presence"], since_run, now - quiet_after, quiet_after)]


async def write(conn: asyncpg.Connection, version: int, now: datetime, present: Sequence[tuple[int, bool | None]]) -> None:
    """Tell what a version changes, in its transaction and after all else is written. `present` is what `presence` found."""
    await conn.execute(_SQL["insert_changes"], version, now, [key for key, _ in present], [is_quiet for _, is_quiet in present])


async def delete_old(conn: asyncpg.Connection, before: datetime) -> None:
    """Forget what happened before a time."""
    await conn.execute(_SQL["delete_old_changes"], before)


async def version_at(conn: asyncpg.Connection, at: datetime) -> int:
    """The version after which everything is that changed after a time."""
    return await conn.fetchval(_SQL["select_version_at"], at) or 0


async def count(conn: asyncpg.Connection, after_version: int) -> int:
    """How many changes later versions brought."""
    number: int = await conn.fetchval(_SQL["count_changes"], after_version)
    return number


async def read(conn: asyncpg.Connection, version: int, change_id: int, limit: int) -> list[Change]:
    """The changes after a place, oldest first."""
    return [_change(row) for row in await conn.fetch(_SQL["select_changes"], version, change_id, limit)]


def _change(row: asyncpg.Record) -> Change:
    judgement = None
    if row["verdict"] is not None:
        names = ("judgement_id", "verdict", "rule", "confidence", "decided_by", "note", "source", "source_id")
        judgement = ChangeJudgement(**{name: row[name] for name in names})
    was = None
    if row["was_symbol"] is not None:
        was = CoinState(symbol=row["was_symbol"], name=row["was_name"], sources=tuple(row["was_sources"]))
    return Change(
        **{name: row[name] for name in ("version", "change_id", "changed_at", "kind", "coin_id", "other_id", "reason")},
        was=was,
        now=CoinState(symbol=row["symbol"], name=row["name"], sources=tuple(row["sources"])),
        judgement=judgement,
    )
