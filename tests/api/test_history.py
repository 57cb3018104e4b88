"""/coins/{id}/history and /coins/{id}/candles."""

import csv
import io
import struct
from datetime import timedelta
from typing import Any

import pytest

from kasparro.ingest.judge import PersonsJudge
from kasparro.store.pool import Database
from tests.api.conftest import TOKEN, Server
from tests.api.factory import NOW, Market

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SOURCES = ("coingecko", "coinpaprika")
# 1e-18, 1.26e14 and others that lose digits unless they are written whole.
AWKWARD = [1e-18, 126_000_000_000_001.03, 0.1 + 0.2, 5e-324, 87593.11]


@pytest.fixture
async def bitcoin(api: Server, market: Market) -> Server:
    """Bitcoin with two listings: listing 1 every 20 minutes of three hours, listing 2 once an hour."""
    await market.coin("bitcoin", 9.0, sources=SOURCES, source_ids={"coinpaprika": "btc-bitcoin"})
    await market.quotes(1, [(NOW - 3 * HOUR + n * 20 * MINUTE, 10.0 + n) for n in range(9)], market_cap=5.0)
    await market.quotes(2, [(NOW - 4 * HOUR + 30 * MINUTE + n * HOUR, 100.0 + n) for n in range(4)])
    await api.refresh()
    return api


async def test_candles_name_the_listing_with_the_most_samples(bitcoin: Server) -> None:
    """Where only the other one was seen, it speaks; an hour without a quote is not there."""
    status, body, _ = await bitcoin.get("/coins/bitcoin/candles?interval=1h")
    assert status == 200
    assert (body["id"], body["interval"], body["to"]) == ("bitcoin", "1h", "2026-03-01T12:00:00Z")
    assert [(c["opens_at"][11:16], c["source"], c["source_id"], c["open"], c["close"], c["samples"]) for c in body["candles"]] == [
        ("08:00", "coinpaprika", "btc-bitcoin", 100.0, 100.0, 1),
        ("09:00", "coingecko", "bitcoin", 10.0, 12.0, 3),
        ("10:00", "coingecko", "bitcoin", 13.0, 15.0, 3),
        ("11:00", "coingecko", "bitcoin", 16.0, 18.0, 3),
    ]
    assert body["candles"][1] | {"opens_at": 0} == {
        "opens_at": 0, "open": 10.0, "high": 12.0, "low": 10.0, "close": 12.0, "samples": 3, "market_cap_usd": 5.0,
        "volume_24h_usd": None, "source": "coingecko", "source_id": "bitcoin",
    }  # fmt: skip
    _, body, _ = await bitcoin.get("/coins/bitcoin/candles?interval=1d")
    assert [(c["opens_at"], c["open"], c["high"], c["close"], c["samples"]) for c in body["candles"]] == [
        ("2026-03-01T00:00:00Z", 10.0, 18.0, 18.0, 9)
    ]


async def test_one_source_has_a_history_of_its_own(bitcoin: Server) -> None:
    """`source=` shows that source's listing alone."""
    _, body, _ = await bitcoin.get("/coins/bitcoin/candles?interval=1h&source=coinpaprika")
    assert [c["open"] for c in body["candles"]] == [100.0, 101.0, 102.0, 103.0]
    _, body, _ = await bitcoin.get("/coins/bitcoin/history?interval=1h&source=coinpaprika")
    assert [(p["at"][11:16], p["price_usd"]) for p in body["points"]] == [
        ("08:00", 100.0), ("09:00", 101.0), ("10:00", 102.0), ("11:00", 103.0),
    ]  # fmt: skip


@pytest.mark.smoke
async def test_history_comes_in_four_intervals(bitcoin: Server) -> None:
    """Raw has every quote with its listing; the others have the last price of each interval in which there is one."""
    _, body, _ = await bitcoin.get("/coins/bitcoin/history?interval=raw")
    assert len(body["points"]) == 13
    assert [(p["at"][11:16], p["source_id"], p["price_usd"], p["samples"]) for p in body["points"][:3]] == [
        ("08:30", "btc-bitcoin", 100.0, 1), ("09:00", "bitcoin", 10.0, 1), ("09:20", "bitcoin", 11.0, 1),
    ]  # fmt: skip
    _, body, _ = await bitcoin.get("/coins/bitcoin/history?interval=5m")
    assert [p["at"][11:16] for p in body["points"]][:5] == ["08:30", "09:00", "09:20", "09:30", "09:40"]
    _, body, _ = await bitcoin.get("/coins/bitcoin/history?interval=1h")
    assert [(p["at"][11:16], p["price_usd"]) for p in body["points"]] == [
        ("08:00", 100.0),
        ("09:00", 12.0),
        ("10:00", 15.0),
        ("11:00", 18.0),
    ]
    _, body, _ = await bitcoin.get("/coins/bitcoin/history?interval=1d")
    assert [(p["at"], p["price_usd"]) for p in body["points"]] == [("2026-03-01T00:00:00Z", 18.0)]


@pytest.mark.parametrize(
    ("low", "high"),
    [
        ("2026-03-01T09:00:00Z", "2026-03-01T11:00:00Z"),
        ("2026-03-01T10:00:00%2B01:00", "2026-03-01T12:00:00+01:00"),  # a plus sign that nobody escaped
        ("2026-03-01T09:00", "2026-03-01 11:00"),
        ("1772355600", "1772362800.0"),
        ("1772355600000", "1772362800000"),
        ("2026-03-01T08:59:00Z", "2026-03-01T10:01:00Z"),  # what opens within
    ],
)
async def test_times_are_iso_or_unix_and_the_end_is_exclusive(bitcoin: Server, low: str, high: str) -> None:
    """Seconds or milliseconds, any offset, UTC without one."""
    status, body, _ = await bitcoin.get(f"/coins/bitcoin/candles?interval=1h&from={low}&to={high}")
    assert status == 200
    assert [c["opens_at"][11:16] for c in body["candles"]] == ["09:00", "10:00"]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("from=yesterday", "from"), ("to=2026-13-01", "to"), ("from=99999999999999999999", "from"), ("from=1e9", "from"),
        ("interval=2h", "interval"), ("source=nobody", "source"), ("format=xml", "format"), ("vs=zzz", "vs"),
        ("from=2026-03-02&to=2026-03-01", "from"), ("from=2027-01-01", "from"), ("from=0001-01-01T00:00:00%2B10:00", "from"),
    ],
)  # fmt: skip
async def test_wrong_values_name_their_parameter(bitcoin: Server, query: str, parameter: str) -> None:
    """400 with the parameter and what it must be."""
    status, body, _ = await bitcoin.get(f"/coins/bitcoin/history?{query}")
    assert (status, body["code"], body["errors"][0]["parameter"]) == (400, "invalid_parameter", parameter)


@pytest.mark.parametrize(
    ("span", "interval"), [(DAY, "5m"), (3 * DAY, "5m"), (4 * DAY, "1h"), (41 * DAY, "1h"), (42 * DAY, "1d"), (2000 * DAY, "1d")]
)
async def test_interval_is_chosen_for_a_thousand_points(bitcoin: Server, span: timedelta, interval: str) -> None:
    """The finest one with at most so many."""
    low = (NOW - span).timestamp()
    _, body, _ = await bitcoin.get(f"/coins/bitcoin/history?from={low:.0f}")
    assert body["interval"] == interval


async def test_chosen_interval_is_one_that_is_kept(bitcoin: Server) -> None:
    """A day of last year has no raw rows any more: hours are not kept either, days are."""
    for age, interval in ((20, "5m"), (60, "1h"), (200, "1d")):
        low, high = (NOW - timedelta(days=n) for n in (age, age - 1))
        _, body, _ = await bitcoin.get(f"/coins/bitcoin/history?from={low.timestamp():.0f}&to={high.timestamp():.0f}")
        assert body["interval"] == interval


async def test_too_many_points_are_refused_with_the_interval_that_fits(bitcoin: Server, db: Database) -> None:
    """An answer has at most 10,000 points, one whose interval is ours to choose 1,000; the error says how to ask."""
    async with db.write() as conn:
        await conn.execute(
            "INSERT INTO quotes SELECT 1, 1, $1::timestamptz - n * interval '1.01 seconds', 1, NULL, NULL, $1, $1"
            " FROM generate_series(1, 10000) AS n",
            NOW - 10 * MINUTE,
        )
        await conn.execute(
            "INSERT INTO candles_daily SELECT 1, $1::timestamptz - n * interval '24 hours', 1, 1, 1, 1, 1"
            " FROM generate_series(1, 1100) AS n",
            NOW.replace(hour=0),
        )
    status, body, _ = await bitcoin.get("/coins/bitcoin/history?interval=raw")
    assert (status, body["errors"][0]["parameter"]) == (400, "interval")
    assert body["detail"] == "interval raw has over 10000 points between these times; interval=5m fits"
    status, body, _ = await bitcoin.get("/coins/bitcoin/history?from=0")
    assert (status, body["errors"][0]["parameter"]) == (400, "from")
    assert "give interval=1d" in body["detail"]
    status, body, _ = await bitcoin.get("/coins/bitcoin/history?from=0&interval=1d")
    assert (status, len(body["points"])) == (200, 1101)


async def test_csv_and_json_have_the_same_values_to_the_last_bit(api: Server, market: Market) -> None:
    """Every float comes back as the one that was stored, in both."""
    await market.coin("odd", 1.0)
    await market.quotes(1, [(NOW - HOUR + n * MINUTE, price) for n, price in enumerate(AWKWARD)], market_cap=0.1 + 0.7)
    await api.refresh()
    _, body, _ = await api.get("/coins/odd/history?interval=raw")
    _, text, headers = await api.get("/coins/odd/history?interval=raw&format=csv")
    assert headers["Content-Type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(text.decode())))
    pack = struct.Struct("d").pack
    assert [pack(p["price_usd"]) for p in body["points"]] == [pack(p) for p in AWKWARD] == [pack(float(r["price_usd"])) for r in rows]
    assert [{k: "" if v is None else str(v) for k, v in p.items()} for p in body["points"]] == rows
    _, text, _ = await api.get("/coins/odd/candles?interval=1h&format=csv")
    _, body, _ = await api.get("/coins/odd/candles?interval=1h")
    (row,) = csv.DictReader(io.StringIO(text.decode()))
    assert {k: "" if v is None else str(v) for k, v in body["candles"][0].items()} == row


async def test_other_currencies_go_by_the_rate_of_the_time(bitcoin: Server, db: Database) -> None:
    """The last rate from before the end of each interval, which is named; null where there was none yet."""
    async with db.write() as conn:
        for at, rate, source in ((1, 0.5, "coingecko"), (2.5, 0.25, "coingecko"), (2.2, 0.75, "coinpaprika")):
            await conn.execute("INSERT INTO exchange_rates VALUES ($1, 'eur', $2, $3)", source, NOW - 4 * HOUR + at * HOUR, rate)
    _, body, _ = await bitcoin.get("/coins/bitcoin/history?interval=1h&vs=EUR")
    assert body["vs"] == "eur"
    assert [(p["price_usd"], p["price"], p["per_usd"], p["rate_source"]) for p in body["points"]] == [
        (100.0, None, None, None), (12.0, 6.0, 0.5, "coingecko"), (15.0, 3.75, 0.25, "coingecko"), (18.0, 4.5, 0.25, "coingecko"),
    ]  # fmt: skip
    assert body["points"][1]["market_cap"] == 2.5
    assert body["points"][1]["rate_observed_at"] == "2026-03-01T09:00:00Z"
    _, body, _ = await bitcoin.get("/coins/bitcoin/history?interval=raw&vs=eur&from=2026-03-01T09:00&to=2026-03-01T10:25")
    assert [(p["at"][11:16], p["per_usd"]) for p in body["points"]] == [
        ("09:00", 0.5), ("09:20", 0.5), ("09:30", 0.5), ("09:40", 0.5), ("10:00", 0.5), ("10:20", 0.75),
    ]  # fmt: skip
    _, text, _ = await bitcoin.get("/coins/bitcoin/history?interval=1h&vs=eur&format=csv")
    assert text.splitlines()[0].endswith(b"source_id,price,market_cap,volume_24h,per_usd,rate_source,rate_observed_at")
    assert text.splitlines()[2].endswith(b"bitcoin,6.0,2.5,,0.5,coingecko,2026-03-01T09:00:00Z")


@pytest.mark.parametrize("path", ["history", "candles"])
async def test_other_ids_redirect_and_unknown_ones_are_404(bitcoin: Server, market: Market, path: str) -> None:
    """An alias and a merged coin's id lead to the coin, with the query as it was."""
    loser = await market.coin("old-bitcoin", 9.0)
    await market.merge(loser, 1)
    await bitcoin.refresh()
    for other in ("btc-bitcoin", "old-bitcoin"):
        status, _, headers = await bitcoin.get(f"/coins/{other}/{path}?interval=1d&format=csv")
        assert (status, headers["Location"]) == (308, f"/coins/bitcoin/{path}?interval=1d&format=csv")
    status, body, _ = await bitcoin.get(f"/coins/nobody/{path}")
    assert (status, body["code"]) == (404, "not_found")


async def test_a_merge_changes_the_whole_history_at_once(bitcoin: Server, market: Market) -> None:
    """Quotes of the other listing from before the merge are the coin's now."""
    loser = await market.coin("old-bitcoin", 9.0)
    await market.quotes(3, [(NOW - 30 * HOUR, 7.0)])
    await bitcoin.refresh()
    path = "/coins/bitcoin/candles?interval=1h"
    before = (await bitcoin.get(path))[1]["candles"]
    await market.merge(loser, 1)
    await bitcoin.refresh()
    after = (await bitcoin.get(path))[1]["candles"]
    assert after[1:] == before
    assert (after[0]["close"], after[0]["source_id"]) == (7.0, "old-bitcoin")


async def test_a_split_gives_both_coins_their_whole_own_history(
    bitcoin: Server, market: Market, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the answer to POST /admin/judgements on; nothing was rewritten, so that saying the opposite brings the one history back."""
    services: Any = bitcoin.services
    judge = PersonsJudge(services.outlooks.identity, db, services.settings, services.clock)
    monkeypatch.setitem(services.__dict__, "judge", judge)
    path, headers = "history?interval=raw", {"Authorization": f"Bearer {TOKEN}"}
    together = (await bitcoin.get(f"/coins/bitcoin/{path}"))[1]["points"]
    said = {"listing": {"source": "coinpaprika", "source_id": "btc-bitcoin"}, "coin_id": "bitcoin", "verdict": "different"}
    status, judged, _ = await bitcoin.request("POST", "/admin/judgements", headers=headers, json=said)
    assert (status, judged["now_coin_id"]) == (201, "btc-bitcoin")
    one, other = [(await bitcoin.get(f"/coins/{coin}/{path}"))[1]["points"] for coin in ("bitcoin", "btc-bitcoin")]
    assert (one, other) == ([p for p in together if p["source"] == "coingecko"], [p for p in together if p["source"] == "coinpaprika"])
    assert len(one) == 9
    status, body, _ = await bitcoin.get("/coins/btc-bitcoin/candles?interval=1d")
    assert [(c["open"], c["close"], c["samples"]) for c in body["candles"]] == [(100.0, 103.0, 4)]
    said["verdict"] = "same"
    status, _, _ = await bitcoin.request("POST", "/admin/judgements", headers=headers, json=said)
    assert status == 201
    assert (await bitcoin.get(f"/coins/bitcoin/{path}"))[1]["points"] == together


async def test_a_coin_without_quotes_has_an_empty_history(api: Server, market: Market) -> None:
    """Both answer 200 with no rows, and CSV with its header line."""
    await market.coin("lost")
    await api.refresh()
    assert (await api.get("/coins/lost/history"))[1]["points"] == []
    assert (await api.get("/coins/lost/candles"))[1]["candles"] == []
    assert (await api.get("/coins/lost/candles?format=csv"))[1].count(b"\n") == 1
