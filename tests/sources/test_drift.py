"""Drift: what is no longer as it was, and what may have taken its place."""

import json
from itertools import pairwise
from typing import Any

import pytest

from kasparro.demo.market import made_market
from kasparro.records import Drift
from kasparro.sources import drift
from kasparro.sources.drift import Known, Row
from kasparro.sources.expected import EXPECTED

MARKETS, TICKERS, LIST = "coingecko.markets", "coinpaprika.tickers", "coingecko.list"
TIME = "2026-05-06T07:08:09Z"


def market_rows(size: int = 120) -> list[Row]:
    """Rows of /coins/markets."""
    return [dict(row, last_updated=TIME) for row in made_market().gecko_markets[:size]]


def ticker_rows(size: int = 120) -> list[Row]:
    """Rows of /tickers."""
    return [dict(row, last_updated=TIME) for row in made_market().paprika_tickers[:size]]


def known_of(rows: list[Row], moved: float = 1.02) -> dict[str, dict[str, float | str | None]]:
    """What was known of the rows' listings a little earlier."""
    found: dict[str, dict[str, float | str | None]] = {}
    for row in rows:
        usd = row["quotes"]["USD"] if "quotes" in row else row
        price, volume = usd.get("price", usd.get("current_price")), usd.get("volume_24h", usd.get("total_volume"))
        found[row["id"]] = {
            "symbol": row["symbol"].upper(), "name": row["name"], "price": price * moved,
            "market_cap": (usd["market_cap"] or 1) * moved, "volume_24h": volume * moved,
        }  # fmt: skip
    return found


def renamed(rows: list[Row], path: str, to: str) -> list[Row]:
    """The rows with the last name of a path changed."""
    *parents, name = path.split(".")
    copies: list[Row] = json.loads(json.dumps(rows))
    for row in copies:
        inner: Any = row
        for parent in parents:
            inner = inner[parent]
        inner[to] = inner.pop(name)
    return copies


def examined(stream: str, rows: list[Row], known: Known) -> list[Drift]:
    """All findings, with suggestions."""
    expected = EXPECTED[stream]
    return drift.suggest(expected, rows, drift.examine(expected, rows), known)


def sampled(stream: str, answer: Any) -> list[Row]:
    """The sample of an answer."""
    pieces = drift.sample(EXPECTED[stream], answer if isinstance(answer, bytes) else json.dumps(answer).encode())
    while True:
        try:
            next(pieces)
        except StopIteration as stop:
            found: list[Row] = stop.value
            return found


@pytest.mark.parametrize(
    ("stream", "rows"),
    [
        (MARKETS, market_rows()),
        (TICKERS, ticker_rows()),
        (LIST, made_market().gecko_list),
        ("coinpaprika.coins", made_market().paprika_coins),
        ("coinpaprika.contracts", made_market().paprika_contracts["eth-ethereum"]),
    ],
)
def test_an_answer_as_it_should_be_has_no_drift(stream: str, rows: list[Row]) -> None:
    """Nulls, empty texts and zeros are no drift: the sources have always sent them."""
    assert drift.examine(EXPECTED[stream], rows) == []


@pytest.mark.parametrize("to", ["price_now", "last_price", "currentPrice", "price_usd", "price", "last", "p", "value"])
def test_a_renamed_price_is_found_by_what_it_holds(to: str) -> None:
    """Whatever its new name: with the prices that the listings had, the right one is suggested with at least 0.8."""
    rows = market_rows()
    [missing, new] = examined(MARKETS, renamed(rows, "current_price", to), known_of(rows))
    assert (missing.field, missing.kind, missing.verdict, missing.share) == ("current_price", "missing", "reject", 1.0)
    assert (missing.suggestion, missing.score is not None and missing.score >= 0.8) == (to, True)
    assert (new.field, new.kind, new.verdict) == (to, "new", "accept")


@pytest.mark.parametrize("to", ["price_now", "last_price", "currentPrice", "price_usd"])
def test_a_renamed_price_is_found_by_its_name_before_anything_was_known(to: str) -> None:
    """In a first run the name and the kind must do."""
    found = examined(MARKETS, renamed(market_rows(), "current_price", to), {})
    assert found[0].suggestion == to
    assert found[0].score is not None
    assert found[0].score >= 0.8


@pytest.mark.parametrize(
    ("path", "to", "field", "suggestion"),
    [
        ("quotes", "prices", "quotes", "prices"),
        ("quotes.USD", "usd", "quotes.USD", "quotes.usd"),
        ("quotes.USD.price", "last", "quotes.USD.price", "quotes.USD.last"),
        ("id", "coin_id", "id", "coin_id"),
        ("name", "title", "name", "title"),
        ("last_updated", "updated_at", "last_updated", "updated_at"),
    ],
)
def test_a_renamed_field_is_found_wherever_it_is(path: str, to: str, field: str, suggestion: str) -> None:
    """At the top, in the middle of a path, at its end; also the id by which everything else is compared."""
    rows = ticker_rows()
    [missing, *_] = examined(TICKERS, renamed(rows, path, to), known_of(rows))
    assert (missing.field, missing.verdict, missing.suggestion) == (field, "reject", suggestion)
    assert missing.score is not None
    assert missing.score >= 0.8


def test_of_two_new_fields_the_one_that_holds_the_prices_is_suggested() -> None:
    """Though the other one has the better name."""
    rows = market_rows()
    decoys = [dict(row, current_prices=row["spot"] * 1000) for row in renamed(rows, "current_price", "spot")]
    assert examined(MARKETS, decoys, known_of(rows))[0].suggestion == "spot"


def test_a_field_that_holds_something_else_is_not_suggested_for_its_name() -> None:
    """The very name, but a thousand times the prices: that is not what the field was."""
    rows = market_rows()
    for row in (others := renamed(rows, "current_price", "currentPrice")):
        row["currentPrice"] *= 1000
    assert examined(MARKETS, others, known_of(rows))[0].suggestion is None


@pytest.mark.parametrize("value", ["12.5", None, True, [1]])
def test_a_field_that_cannot_hold_it_is_not_suggested(value: object) -> None:
    """A text, a truth or a list is no price, whatever its name."""
    rows = [dict(row, price_now=value) for row in market_rows()]
    for row in rows:
        del row["current_price"]
    assert examined(MARKETS, rows, {})[0].suggestion is None


def test_without_anything_in_its_place_there_is_no_suggestion() -> None:
    """A field that went is said to be missing, and no more."""
    rows = market_rows()
    for row in rows:
        del row["current_price"]
    assert examined(MARKETS, rows, known_of(market_rows())) == [Drift(field="current_price", kind="missing", verdict="reject", share=1.0)]


def test_another_type_is_drift() -> None:
    """Numbers that became texts, in most rows."""
    rows = [dict(row, current_price=str(row["current_price"])) for row in market_rows()]
    [odd] = examined(MARKETS, rows, {})
    assert (odd.field, odd.kind, odd.verdict, odd.suggestion) == ("current_price", "type", "reject", None)


def test_a_field_that_some_rows_lack_is_no_drift() -> None:
    """Up to half of them; bad rows are rejects."""
    rows = market_rows(100)
    for row in rows[:50]:
        del row["current_price"]
    assert drift.examine(EXPECTED[MARKETS], rows) == []
    del rows[50]["current_price"]
    assert [d.share for d in drift.examine(EXPECTED[MARKETS], rows)] == [0.51]


@pytest.mark.parametrize(("field", "verdict"), [("market_cap", "warn"), ("ath", "accept"), ("image", None)])
def test_what_is_done_depends_on_the_field(field: str, verdict: str | None) -> None:
    """A market cap is missed, an all-time high is noted, a picture is not even read."""
    rows = [{key: value for key, value in row.items() if key != field} for row in market_rows()]
    assert [d.verdict for d in drift.examine(EXPECTED[MARKETS], rows)] == ([] if verdict is None else [verdict])


def test_new_fields_are_noted_in_bounds() -> None:
    """At most twenty of one answer, none that a few rows have, and no name that would not fit into a line."""
    rows = [dict(row, **{f"new_{n:02}": 1 for n in range(30)}, **{"a\nb": 1, "x" * 100: 1, "a.b": 1}) for row in market_rows()]
    rows[0]["seldom"] = 1
    found = drift.examine(EXPECTED[MARKETS], rows)
    assert [d.field for d in found] == [f"new_{n:02}" for n in range(20)]
    assert {(d.kind, d.verdict) for d in found} == {("new", "accept")}


@pytest.mark.parametrize(("one", "other", "least", "most"), [
    ("current_price", "currentPrice", 1, 1), ("current_price", "price_now", 0.75, 1), ("price", "price_usd", 1, 1),
    ("current_price", "image", 0, 0.5), ("", "x", 0, 0),
])  # fmt: skip
def test_likeness_of_names(one: str, other: str, least: float, most: float) -> None:
    """Words count, however they are joined."""
    assert least <= drift.likeness(one, other) <= most


def test_the_sample_is_spread_over_the_answer() -> None:
    """A hundred or so of any number, first and last parts alike; less where there is less; nothing of what is no list of objects."""
    rows = sampled(LIST, [{"n": n} for n in range(10_000)])
    assert drift.SAMPLE_ROWS_MAX / 2 <= len(rows) <= drift.SAMPLE_ROWS_MAX
    gaps = {b["n"] - a["n"] for a, b in pairwise(rows)}
    assert len(gaps) == 1
    assert rows[-1]["n"] > 9_850
    assert len(sampled(LIST, [{}, 1, "x", {}])) == 2
    for body in (b"", b"{}", b"[", b"[1", b'[{"a":1},{"b"]', b"null"):
        assert sampled(LIST, body) == []


def test_rates_are_looked_at_too() -> None:
    """Their rows are the values of an object."""
    rates = {c: {"name": c, "unit": c, "worth": n + 1.0, "type": "fiat"} for n, c in enumerate(("btc", "usd", "eur", "jpy"))}
    rows = sampled("coingecko.rates", {"rates": rates})
    [missing, _] = examined("coingecko.rates", rows, {})
    assert (missing.field, missing.suggestion) == ("value", "worth")
    assert sampled("coingecko.rates", {"other": 1}) == []
    assert sampled("coingecko.rates", b"no") == []


def test_the_words_say_what_to_do() -> None:
    """Which field, what may have taken its place, and that it is for the program to follow."""
    one = Drift(field="current_price", kind="missing", verdict="reject", share=1.0, suggestion="price_now", score=0.93)
    said = drift.words(one)
    for part in ("current_price is missing from 100% of the rows", "price_now may have taken its place (score 0.93)", "/stats"):
        assert part in said
