"""/changes as it is asked for. What is told, and when, is tested over real runs."""

from datetime import timedelta
from typing import Any

import pytest

from kasparro.store import changes
from kasparro.store.pool import Database
from tests.api.conftest import Server
from tests.api.factory import NOW, Market


async def _publish(market: Market, db: Database, *coin_ids: str, minutes: float) -> int:
    """Coins that become known in one version; the version."""
    async with db.write() as conn:
        first = await conn.fetchval("SELECT version FROM catalog_version")
    for coin_id in coin_ids:
        await market.coin(coin_id, 1.0)
    await market.execute("UPDATE coins SET version = $1 WHERE version > $2", first + len(coin_ids), first)
    await market.execute("UPDATE judgements SET version = $1 WHERE version > $2", first + len(coin_ids), first)
    async with db.write() as conn:
        await changes.write(conn, first + len(coin_ids), NOW + timedelta(minutes=minutes), [])
    return int(first + len(coin_ids))


def _ids(body: list[dict[str, Any]]) -> list[str]:
    return [row["coin_id"] for row in body]


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        ("", ["a", "b", "c", "d"]),
        ("?since=0", ["a", "b", "c", "d"]),
        ("?since=3", ["d"]),
        ("?since=4", []),
        ("?since=2026-03-01T12:00:00Z", ["d"]),
        ("?since=2026-03-01T12:59:59.999Z", ["d"]),
        ("?since=2026-03-01T13:00:00%2B01:00", ["d"]),
        ("?since=2026-03-01T13:00:00+01:00", ["d"]),
        ("?since=2026-03-01T11:59:59", ["a", "b", "c", "d"]),
        ("?since=2026-03-01", ["a", "b", "c", "d"]),
        ("?since=1772366400", ["d"]),
        ("?since=1772366399", ["a", "b", "c", "d"]),
        ("?since=1772366400000", ["d"]),
        ("?since=2027-01-01", []),
    ],
)
async def test_since_is_a_version_or_a_time(api: Server, db: Database, market: Market, since: str, expected: list[str]) -> None:
    """What came after it, oldest first."""
    assert await _publish(market, db, "a", "b", "c", minutes=0) == 3
    assert await _publish(market, db, "d", minutes=60) == 4
    status, body, headers = await api.get(f"/changes{since}")
    assert (status, _ids(body), headers["X-Total-Count"]) == (200, expected, str(len(expected)))


async def test_pages_of_one_version_follow_each_other(api: Server, db: Database, market: Market) -> None:
    """Each change once, though its version does not tell them apart; the cursor belongs to its list."""
    await _publish(market, db, "a", "b", "c", minutes=0)
    await _publish(market, db, "d", minutes=60)
    target, seen = "/changes?since=0&limit=2", []
    while target:
        _, body, headers = await api.get(target)
        seen += _ids(body)
        target = headers.get("Link", "").partition(">")[0].lstrip("<")
    assert seen == ["a", "b", "c", "d"]

    link = (await api.get("/changes?limit=2"))[2]["Link"]
    cursor = link.partition("cursor=")[2].partition(">")[0]
    assert (await api.get(f"/changes?since=3&cursor={cursor}"))[1]["code"] == "cursor_invalid"


async def test_a_change_says_what_was_and_is(api: Server, db: Database, market: Market) -> None:
    """The names before and after, the other coin, and the judgement."""
    await _publish(market, db, "wrapped", "bitcoin", minutes=0)
    await market.merge(1, 2)
    async with db.write() as conn:
        await changes.write(conn, 3, NOW, [])
    _, (merged,), _ = await api.get("/changes?since=2")
    assert merged == {
        "id": 3,
        "version": 3,
        "at": "2026-03-01T12:00:00Z",
        "kind": "merged",
        "coin_id": "wrapped",
        "other_id": "bitcoin",
        "reason": None,
        "was": {"symbol": "WRAP", "name": "Wrapped", "sources": ["coingecko"]},
        "now": {"symbol": "WRAP", "name": "Wrapped", "sources": []},
        "judgement": {
            "id": 3,
            "source": "coingecko",
            "source_id": "wrapped",
            "verdict": "same",
            "rule": "same_contract",
            "confidence": 0.9,
            "decided_by": "rule",
            "note": None,
        },
    }


@pytest.mark.parametrize(
    "since", ["yesterday", "-1", "1e3", "2026-13-01", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00%2B14:00", "99999999999999999"]
)
async def test_a_bad_since_is_refused(api: Server, since: str) -> None:
    """And the answer says what it may be."""
    status, body, _ = await api.get(f"/changes?since={since}")
    assert (status, body["code"], body["errors"][0]["parameter"]) == (400, "invalid_parameter", "since")
    assert "catalog version" in body["detail"]
