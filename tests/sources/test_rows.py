"""Cutting a body into rows, and what a bad one costs."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kasparro.errors import AbortError, RetryError, SkipError
from kasparro.records import Page
from kasparro.sources import coingecko, coinpaprika
from kasparro.sources import rows as rows_module
from kasparro.sources.base import Source
from kasparro.sources.rows import REJECT_BYTES_MAX, ROW_BYTES_MAX, Reason, reject, rows
from tests.sources.parsing import FETCHED_AT, gecko, paprika, parsed, reasons

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
WORDS = st.sampled_from(
    ["id", "symbol", "name", "current_price", "last_updated", "quotes", "USD", "price", "platforms", "address", "rates"]
)
VALUES = st.sampled_from(["a", "b", "", " ", "2026-05-06T07:07:00Z", 1.5, 0, -1, None, "\x00", "\ud800"])
ROW = st.dictionaries(WORDS | st.text(max_size=3), VALUES | JSON, max_size=8)
BODY = st.one_of(
    st.lists(ROW | JSON, max_size=8).map(lambda x: json.dumps(x).encode()),
    JSON.map(lambda x: json.dumps(x).encode()),
    st.binary(max_size=80),
    st.lists(ROW, min_size=1, max_size=4).map(lambda x: json.dumps(x).encode()[:-3]),
)
STREAMS: list[tuple[Source, str, str]] = [
    (gecko(), coingecko.LIST, "all"),
    (gecko(), coingecko.MARKETS, "page:1"),
    (gecko(), coingecko.RATES, "all"),
    (paprika(), coinpaprika.COINS, "all"),
    (paprika(), coinpaprika.TICKERS, "all"),
    (paprika(), coinpaprika.CONTRACTS, "platforms"),
    (paprika(), coinpaprika.CONTRACTS, "eth-ethereum"),
]


def without_a_row(page: Page) -> int:
    """How many rows were rejected as a whole, where each row that was kept is a listing."""
    return page.rows_received - len(page.listings)


@pytest.mark.slow
@pytest.mark.parametrize(("source", "stream", "part"), STREAMS, ids=lambda x: x if isinstance(x, str) else None)
@settings(max_examples=50, deadline=None)
@given(body=BODY)
@example(body=b'[{"id":"a","symbol":"a","name":"A","x":"\xff"}]')
@example(body=b'[{"id":"a","symbol":"a","name":"A","platforms":{"\\ud800":"x"}}]')
@example(body=b'{"rates":{"usd":{"value":1},"\\u0000":{"value":1}}}')
def test_no_body_does_more_than_fail_in_one_of_three_ways(source: Source, stream: str, part: str, body: bytes) -> None:
    """Whatever comes: a page that adds up and can be stored, or an error of ours."""
    try:
        page = parsed(source, stream, part, body)
    except (SkipError, RetryError, AbortError):
        return
    texts = [x for listing in page.listings for x in (listing.source_id, listing.symbol, listing.name)]
    texts += [x for c in page.contracts for x in (c.source_id, c.platform, c.address)]
    for text in [*texts, *(r.row.decode() for r in page.rejects), *(r.source_id or "" for r in page.rejects)]:
        assert "\x00" not in text
        text.encode()
    assert {r.reason for r in page.rejects} <= {x.value for x in Reason}
    assert len({x.source_id for x in page.listings}) == len(page.listings)
    if page.listings or stream in {coingecko.MARKETS, coinpaprika.TICKERS, coinpaprika.COINS, coingecko.LIST}:
        assert without_a_row(page) <= len(page.rejects)
    if stream in {coingecko.MARKETS, coinpaprika.TICKERS}:
        assert len(page.listings) == len(page.quotes) + page.rows_without_price
    for quote in page.quotes:
        assert 0 < quote.price < 1e15
        assert quote.observed_at.utcoffset() is not None
        json.loads(quote.raw)


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(values=st.lists(ROW | JSON, max_size=30), size=st.integers(1, 60), indent=st.sampled_from([None, 1]), ascii_only=st.booleans())
def test_slicing_changes_nothing(values: list[Any], size: int, indent: int | None, ascii_only: bool) -> None:
    """Wherever a body is cut, its rows are those of the whole list."""
    text = json.dumps(values, indent=indent, ensure_ascii=ascii_only)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows_module, "_SLICE_BYTES", size)
        found = list(rows(text.encode(errors="surrogatepass"), "x"))
    again = json.loads("[" + ",".join(r.decode(errors="surrogatepass") for r in found) + "]")
    assert json.dumps(again) == json.dumps(json.loads(text))


@pytest.mark.parametrize(
    "bad",
    [
        b'{"id":"a","name":"\\ud800"}',  # half of a surrogate pair
        b'{"id":"a","name":"x\x01y"}',  # a control character
        b'{"id":"a","current_price":NaN}',
        b'{"id":"a","current_price":-Infinity}',
        b'{"id":"a","other":"\xff\xfe"}',  # no UTF-8
        b'{"id":"a","other":' + b"[" * 2_000 + b"]" * 2_000 + b"}",
        b'{"id":1e999}',
        b'{"id":"a","current_price":' + b"9" * 5_000 + b"e9999}",
    ],
)
def test_a_row_that_cannot_be_decoded_costs_that_row(bad: bytes) -> None:
    """Its neighbours stay, though the list as a whole is not valid JSON any more."""
    good = b'{"id":"%s","symbol":"s","name":"n","current_price":1,"last_updated":"2026-05-06T07:07:00Z"}'
    page = parsed(gecko(), coingecko.MARKETS, "page:1", b"[" + good % b"x" + b", " + bad + b" ,\n" + good % b"y" + b"]")
    assert [q.source_id for q in page.quotes] == ["x", "y"]
    assert reasons(page) == ["row is not valid JSON"]


def test_a_long_row_is_rejected_and_cut() -> None:
    """What is kept of a reject is bounded, and so is a row."""
    page = parsed(gecko(), coingecko.MARKETS, "page:1", [{"id": "a", "x": "é" * ROW_BYTES_MAX}])
    [found] = page.rejects
    assert found.reason == "row is too long"
    assert len(found.row) <= REJECT_BYTES_MAX


def test_a_reject_can_always_be_stored() -> None:
    """No NUL, no half of a character, no id that is none."""
    found = reject(b'{"id":"\x00\xc3\xa9' + b"\xc3\xa9" * 2_000, " a\x00 ", Reason.ROW_NOT_JSON)
    assert found.row.decode().startswith('{"id":"é')
    assert found.source_id == "a"
    assert reject(b"", ["x"], Reason.ROW_NOT_JSON).source_id is None


def longest_piece(body: bytes) -> float:
    """Processor seconds of the longest piece of parsing a list of coins; letting go of the page is not counted."""
    pages: list[Page] = []

    def kept() -> Iterator[None]:
        pages.append((yield from paprika().parse(paprika().request(coinpaprika.COINS, "all"), body, FETCHED_AT)))

    pieces = kept()
    longest, ended = 0.0, False
    while not ended:
        started = time.thread_time()
        ended = next(pieces, pieces) is pieces
        longest = max(longest, time.thread_time() - started)
    assert len(pages[0].listings) == 56_559
    return longest


def test_a_large_answer_is_parsed_in_short_pieces() -> None:
    """56,559 coins never hold the event loop long: one of three times, each piece takes under 10 ms."""
    body = json.dumps(
        [
            {"id": f"c{i}-coin-number-{i}", "name": f"Coin {i}", "symbol": f"C{i}", "rank": i, "is_active": True, "type": "coin"}
            for i in range(56_559)
        ]
    ).encode()
    assert any(longest_piece(body) < 0.01 for _ in range(3))
