"""What the sources' payloads of the past mean."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from kasparro.errors import SkipError
from kasparro.records import Point
from kasparro.sources.past import PAST, Points, parse
from tests.sources.parsing import FETCHED_AT

AT = datetime(2026, 5, 1, tzinfo=UTC)
MS = int(AT.timestamp() * 1000)


def read(source: str, payload: Any) -> Points:
    """What a payload tells."""
    return parse(PAST[source], payload if isinstance(payload, bytes) else json.dumps(payload).encode(), FETCHED_AT)


def test_a_market_chart_is_joined_by_time() -> None:
    """Prices with the market cap and volume of the same millisecond, oldest first; null and a market cap of 0 are not known."""
    chart = {
        "prices": [[MS + 1000, 1e-18], [MS, 2]],
        "market_caps": [[MS, 5.5], [MS + 1000, 0]],
        "total_volumes": [[MS, None]],
    }

    assert read("coingecko", chart).points == (
        Point(observed_at=AT, price=2.0, market_cap=5.5, volume_24h=None),
        Point(observed_at=AT.replace(second=1), price=1e-18, market_cap=None, volume_24h=None),
    )


def test_historical_points() -> None:
    """Their own time, price, market cap and volume; of two of one time the later one stays."""
    rows = [{"timestamp": "2026-05-01T00:00:00Z", "price": price, "volume_24h": 7, "market_cap": 0} for price in (1, 2)]

    assert read("coinpaprika", rows).points == (Point(observed_at=AT, price=2.0, market_cap=None, volume_24h=7.0),)


@pytest.mark.parametrize(
    ("at", "price", "reason"),
    [
        (MS, "12", "price is not a number"),
        (MS, -1, "price is not above zero"),
        (1e300, 1, "time is not an ISO 8601 time with an offset"),
        (1, 1, "observed before there were coins"),
        (MS * 2, 1, "observed in the future"),
        ("2026-05-01", 1, "time is not an ISO 8601 time with an offset"),
    ],
)
def test_a_bad_point_costs_that_point(at: Any, price: Any, reason: str) -> None:
    """It is counted with its reason, and the others are taken; a point without a price is none."""
    found = read("coingecko", {"prices": [[MS, 1], [at, price], [MS + 1, None]]})

    assert [p.price for p in found.points] == [1.0]
    assert found.rejected == {reason: 1}


@pytest.mark.parametrize("source", list(PAST))
@pytest.mark.parametrize("body", [b"", b"[1]", b'{"prices": [[1]]}', b'{"error":"coin not found"}', b"<html>"])
def test_another_shape_is_refused(source: str, body: bytes) -> None:
    """An error in place of a payload is not an empty history."""
    with pytest.raises(SkipError, match="expected the payload of a history"):
        read(source, body)


def test_requests_name_the_listing_and_the_days() -> None:
    """An id is one segment of a path, whatever is in it."""
    gecko = PAST["coingecko"].request("a/b", 30, FETCHED_AT)
    paprika = PAST["coinpaprika"].request("btc-bitcoin", 30, FETCHED_AT)

    assert (gecko.path, dict(gecko.query)) == ("/coins/a%2Fb/market_chart", {"vs_currency": "usd", "days": "30"})
    assert (paprika.path, dict(paprika.query)["start"], dict(paprika.query)["interval"]) == (
        "/tickers/btc-bitcoin/historical", "2026-04-06", "1d",
    )  # fmt: skip
