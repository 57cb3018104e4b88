"""/changes: what has become of coins, oldest first."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from kasparro.records import Verdict
from kasparro.serving import cursors
from kasparro.serving.cursors import Place
from kasparro.serving.lists import CURSOR, LIMIT, next_link
from kasparro.serving.operations import Answer, Answered, Call, Operation, Shape, encoded
from kasparro.serving.parameters import Parameter
from kasparro.store import changes
from kasparro.store.changes import Change, ChangeKind, CoinState

_NUMBER = re.compile(r"[0-9]{1,14}")
_VERSIONS_MAX = 10**9  # 500 years of publications; a larger number is a Unix time
_MILLISECONDS_FROM = 10**11  # seconds until the year 5138
_WANTED = "must be a catalog version, a time like 2026-03-01T12:00:00Z or 2026-03-01, or Unix seconds"
_SINCE_TEXT = (
    "Only what came after this: a catalog version (of the last change that you have seen), an ISO 8601 time (UTC where it names no "
    "zone), or Unix seconds. Without it everything that is still kept."
)


class Listed(Shape, frozen=True, kw_only=True):
    """A coin's symbol and name, and the sources that list it."""

    symbol: str
    name: str
    sources: tuple[str, ...]


class ChangedBy(Shape, frozen=True, kw_only=True):
    """The judgement that made a change: that a listing is, or is not, a coin."""

    id: int
    source: str
    source_id: str
    verdict: Verdict
    rule: str
    confidence: float
    decided_by: str
    note: str | None


class CoinChange(Shape, frozen=True, kw_only=True):
    """Something that has become of a coin.

    `new`; `renamed` (symbol or name); `merged` into `other_id`; `split` from `other_id`; `moved`: a listing came from `other_id`;
    `delisted`: a source no longer lists it, others do; `vanished`, and `returned`. The reason of the last three: `delisted` or
    `listed` by its sources, `unquoted` for two days or `quoted` again, `emptied` of its listings.
    """

    id: int
    version: int
    at: datetime
    kind: ChangeKind
    coin_id: str
    other_id: str | None
    reason: str | None
    was: Listed | None
    now: Listed
    judgement: ChangedBy | None


def _since(text: str) -> int | datetime | None:
    """A version, or a time."""
    if not text:
        return None
    if _NUMBER.fullmatch(text):
        number = int(text)
        if number < _VERSIONS_MAX:
            return number
        return datetime.fromtimestamp(number / 1_000 if number >= _MILLISECONDS_FROM else number, UTC)
    try:
        found = datetime.fromisoformat(text.replace(" ", "+"))  # a plus sign that was not encoded
    except ValueError:
        raise ValueError(_WANTED) from None
    try:
        return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
    except OverflowError:
        raise ValueError(_WANTED) from None


SINCE = Parameter(
    name="since", description=_SINCE_TEXT, schema={"type": "string", "maxLength": 40}, parse=_since, example="2026-03-01T12:00:00Z"
)


def operations() -> Sequence[Operation]:
    """What the path answers."""
    return [
        Operation(
            path="/changes",
            handle=list_changes,
            operation_id="list_changes",
            summary="New, renamed, merged, split and vanished coins, oldest first; kept for 365 days",
            tag="identity",
            parameters=[SINCE, LIMIT, CURSOR],
            answers={
                200: Answered("The changes.", list[CoinChange], headers=("Link", "X-Total-Count")),
                503: Answered("The database does not answer."),
            },
        )
    ]


async def list_changes(call: Call) -> Answer:
    """A page of changes. The order never changes, so that a cursor does not expire."""
    since, limit, listed = call.query["since"], call.query["limit"], _listed(call.query)
    place = cursors.read(call.query["cursor"], listed) if call.query["cursor"] else None
    async with call.services.database.read(snapshot=True) as conn:
        first = await changes.version_at(conn, since) if isinstance(since, datetime) else since or 0
        total = await changes.count(conn, first)
        # After all changes of a version: no number is larger than the largest.
        version, number = (first, 2**63 - 1) if place is None else (place.version, place.position)
        found = await changes.read(conn, version, number, limit + 1)
    following = None
    if len(found) > limit:
        found.pop()
        following = cursors.write(Place(found[-1].version, found[-1].change_id), listed)
    link = next_link(call, following)
    headers = [("x-total-count", str(total)), *([("link", f'<{link}>; rel="next"')] if link is not None else [])]
    return Answer(body=encoded([_shape(change) for change in found]), headers=headers)


def _listed(query: dict[str, Any]) -> str:
    """What a cursor was made for."""
    return f"/changes {query['since']}"


def _shape(change: Change) -> CoinChange:
    by = change.judgement
    return CoinChange(
        id=change.change_id,
        version=change.version,
        at=change.changed_at,
        kind=change.kind,
        coin_id=change.coin_id,
        other_id=change.other_id,
        reason=change.reason,
        was=None if change.was is None else _listed_shape(change.was),
        now=_listed_shape(change.now),
        judgement=None
        if by is None
        else ChangedBy(
            id=by.judgement_id,
            source=by.source,
            source_id=by.source_id,
            verdict=by.verdict,
            rule=by.rule,
            confidence=by.confidence,
            decided_by=by.decided_by,
            note=by.note,
        ),
    )


def _listed_shape(state: CoinState) -> Listed:
    return Listed(symbol=state.symbol, name=state.name, sources=state.sources)
