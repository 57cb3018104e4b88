"""/runs/compare and /anomalies, over a database with a history."""

from datetime import timedelta

import pytest

from tests.api.conftest import Server
from tests.api.factory import NOW, Market

BOTH = {"coingecko": "succeeded", "coinpaprika": "succeeded"}


async def _runs(market: Market, number: int) -> list[int]:
    ids = [await market.run(outcomes=BOTH, age=300 * (number - n)) for n in range(number)]
    await market.execute("UPDATE run_sources SET listings_active = 100, listings_quoted = 90, duration_seconds = 20")
    return ids


async def test_two_runs_side_by_side(api: Server, market: Market) -> None:
    """By default the last two that have ended; each source with what it did in both, and the difference."""
    first, second, third = await _runs(market, 3)
    await market.run(status="running")
    await market.execute("UPDATE run_sources SET calls = 5, outcome = 'failed', listings_quoted = 45 WHERE run_id = $1", third)
    await market.execute("DELETE FROM run_sources WHERE run_id = $1 AND source = 'coinpaprika'", third)

    status, body, _ = await api.get("/runs/compare")

    assert (status, body["a"]["id"], body["b"]["id"], body["anomalies"]) == (200, second, third, [])
    gecko, paprika = body["sources"]["coingecko"], body["sources"]["coinpaprika"]
    assert (gecko["a"]["outcome"], gecko["b"]["outcome"], gecko["same_outcome"]) == ("succeeded", "failed", False)
    assert (gecko["difference"]["calls"], gecko["difference"]["coverage"], gecko["b"]["coverage"]) == (2, -0.45, 0.45)
    assert (paprika["a"]["calls"], paprika["b"], paprika["difference"]) == (3, None, None)
    for query, expected in ((f"a={first}", (first, third)), (f"b={second}", (first, second)), (f"a={third}&b={first}", (third, first))):
        body = (await api.get(f"/runs/compare?{query}"))[1]
        assert (body["a"]["id"], body["b"]["id"]) == expected


@pytest.mark.parametrize("query", ["", "?a=1", "?b=1", "?a=1&b=99"])
async def test_a_run_that_is_not_there_is_named(api: Server, market: Market, query: str) -> None:
    """404, also where there is one run only."""
    await _runs(market, 1)
    status, body, _ = await api.get(f"/runs/compare{query}")
    if query == "?a=1":  # with itself: it is the last that has ended
        assert (status, body["sources"]["coingecko"]["difference"]["calls"]) == (200, 0)
    else:
        assert (status, body["code"]) == (404, "not_found")


async def test_the_other_path_leads_there(api: Server) -> None:
    """With its query."""
    status, _, headers = await api.get("/compare-runs?a=1&b=2")
    assert (status, headers["Location"]) == (308, "/runs/compare?a=1&b=2")


async def test_odd_runs_and_prices_are_told_with_their_reasons(api: Server, market: Market) -> None:
    """A run that covers less and takes long, a jump, and sources that keep differing; newest first, within the hours asked for."""
    ids = await _runs(market, 12)
    await market.execute("UPDATE run_sources SET listings_quoted = 50, duration_seconds = 99 WHERE run_id = $1", ids[-1])
    key = await market.coin("bitcoin", 100.0, volume=1e9)
    days = [(NOW - timedelta(days=n)).date() for n in range(-1, 5)]
    for day in days:
        await market.execute("SELECT make_day_partition('prices', $1)", day)
    await market.execute(
        """INSERT INTO prices (coin_key, listing_id, published_at, observed_at, value, confidence, spread_pct, method)
           SELECT $1, 1, at, at, CASE WHEN at > $2::timestamptz - interval '30 minutes' THEN 150 ELSE 100 END, 0.9, 12, 'newest'
           FROM generate_series($2::timestamptz - interval '80 hours', $2, interval '10 minutes') AS at""",
        key, NOW - timedelta(minutes=10),
    )  # fmt: skip

    status, found, _ = await api.get("/anomalies?hours=6")

    assert status == 200
    assert {(a["kind"], a["source"], a["coin_id"]) for a in found} == {
        ("coverage_drop", "coingecko", None), ("coverage_drop", "coinpaprika", None), ("slow_run", "coingecko", None),
        ("slow_run", "coinpaprika", None), ("price_jump", None, "bitcoin"), ("disagreement", None, "bitcoin"),
    }  # fmt: skip
    assert [a["until"] for a in found] == sorted((a["until"] for a in found), reverse=True)
    jump = next(a for a in found if a["kind"] == "price_jump")
    assert jump["reason"] == "bitcoin moved by +50.0 % within an hour, 81 times what is usual for it (0.5 % an hour)"
    compared = (await api.get("/runs/compare"))[1]["anomalies"]
    assert {(a["kind"], a["run_id"]) for a in compared} == {("coverage_drop", ids[-1]), ("slow_run", ids[-1])}
