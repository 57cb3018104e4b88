"""What is fed with bytes that somebody else chose, what such bytes are made from, and what must hold whatever they are."""

import csv
import io
import json
import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import process_time
from typing import Any, NamedTuple

import msgspec
from hypothesis import strategies as st

from kasparro.app import make_sources
from kasparro.demo.answers import Answers
from kasparro.demo.market import made_market
from kasparro.errors import KasparroError
from kasparro.records import Page
from kasparro.serving import cursors
from kasparro.serving.problems import ProblemError
from kasparro.settings import load
from kasparro.sources import past
from kasparro.sources.answers import TEXT_MAX
from kasparro.sources.base import HttpSource, Source
from kasparro.sources.fields import FUTURE_MOST
from kasparro.sources.rows import REJECT_BYTES_MAX, Reason

FETCHED_AT = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)
SECONDS_MAX = 2.0  # of the processor, for a body of some kilobytes: more is a body that was made to take long
_MESSAGE_MAX = 3 * TEXT_MAX + 300
# What may stand in the place of any value.
ODD: tuple[Any, ...] = (
    None, True, False, 0, -0.0, -1, 1e308, 5e-324, 2**63, 2**64, -(2**70), 10**400, "", " ", "\0", "\ud800", "\u202e", "a" * 3_000, "NaN",
    "1e5", "=1+1", "<script>", "\r\nX: 1", "%00", "../..", [], {}, [[]], {"": None}, "2026-05-06T07:08:09Z", "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59+23:59", "2026-02-30T00:00:00Z",
)  # fmt: skip
TOKENS = (
    b"[", b"]", b"{", b"}", b",", b":", b'"', b"\\", b"\\u0000", b"\\ud800", b"null", b"1e999", b"-", b"NaN", b"Infinity", b"\x00", b"\xff",
    b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\n", b"\r", b"[" * 2_000, b'{"a":' * 500, b"9" * 400, b"//", b"<html>", b"'", b"|", b";",
)  # fmt: skip


class Target(NamedTuple):
    """A reader of bytes."""

    read: Callable[[bytes], None]  # raises AssertionError where something does not hold, and nothing else
    corpus: Sequence[bytes]


def targets() -> dict[str, Target]:
    """All of them, by name."""
    settings = load({"KASPARRO_DATA_DIR": "/nonexistent", "KASPARRO_FILES_DIR": "/nonexistent"})
    answers = Answers(made_market(30, 20, 12), datetime(2026, 5, 6, 7, 0, tzinfo=UTC))
    found = {source.name: _source(source, answers) for source in make_sources(settings)}
    return found | {"past": _past(answers), "cursor": _cursor()}


def _source(source: Source, answers: Answers) -> Target:
    parts = _PARTS[source.name]

    def read(body: bytes) -> None:
        for stream, part in parts:
            try:
                page = _parsed(source, stream, part, body)
            except KasparroError as error:
                _message_holds(error)
            else:
                page_holds(page)
        if isinstance(source, HttpSource):
            for status in (400, 401, 403, 404, 418, 429, 500, 503):
                _message_holds(source.explain(status, body))
            hidden = source.hidden_error(body)
            if hidden is not None:
                _message_holds(hidden)

    return Target(_timed(read), _bodies(source.name, answers))


_PARTS = {
    "coingecko": [("coingecko.list", "all"), ("coingecko.markets", "page:1"), ("coingecko.rates", "all")],
    "coinpaprika": [
        ("coinpaprika.coins", "all"),
        ("coinpaprika.tickers", "all"),
        ("coinpaprika.contracts", "platforms"),
        ("coinpaprika.contracts", "eth-ethereum"),
    ],
    "files": [("files.prices", "prices.csv")],
}


def _bodies(source: str, answers: Answers) -> list[bytes]:
    if source == "files":
        rows = [
            ("id", "symbol", "name", "price_usd", "observed_at", "contracts"),
            ("a-1", "A", "A, one", "1.5e-7", "2026-05-06T07:00:00Z", "eth:0x1"),
        ]
        text = io.StringIO()
        csv.writer(text).writerows([*rows, ("b", "", "B", "2", "2026-05-06T07:00:00Z", "")])
        return [text.getvalue().encode()]
    if source == "coingecko":
        gecko = [answers.gecko(path, {"per_page": "4"}) for path in ("/coins/list", "/coins/markets", "/exchange_rates", "/ping")]
        errors = [{"status": {"error_code": 10002, "error_message": "key"}}, {"error": "coin not found"}, {"error": {"status": {}}}]
        return _encoded([(body[:6] if isinstance(body, list) else body) for body in gecko] + errors)
    platform = next(iter(answers.market.paprika_contracts))
    paprika = [answers.paprika(path, {}) for path in ("/coins", "/tickers", "/contracts", f"/contracts/{platform}")]
    return _encoded([body[:6] for body in paprika] + [{"error": "id not found"}, {"type": "Invalid", "soft_limit": 1}])


def _past(answers: Answers) -> Target:
    gecko, paprika = answers.market.gecko_markets[0]["id"], answers.market.paprika_tickers[0]["id"]
    bodies = [
        answers.gecko(f"/coins/{gecko}/market_chart", {"days": "1"}),
        answers.paprika(f"/tickers/{paprika}/historical", {"start": "2026-05-01"}),
    ]

    def read(body: bytes) -> None:
        for source in past.PAST.values():
            try:
                found = past.parse(source, body, FETCHED_AT)
            except KasparroError as error:
                _message_holds(error)
                continue
            for point in found.points:
                assert point.observed_at <= FETCHED_AT + FUTURE_MOST
                _numbers_hold(point.price, point.market_cap, point.volume_24h)

    return Target(_timed(read), _encoded(bodies))


def _cursor() -> Target:
    def read(text: bytes) -> None:
        try:
            place = cursors.read(text.decode("latin-1"), "/data")
        except ProblemError:
            return
        assert min(place.version, place.position, place.grade) >= 0
        assert max(place.version, place.position, place.grade) < 2**63
        assert cursors.read(cursors.write(place, "/data"), "/data") == place

    places = [cursors.Place(7), cursors.Place(0, 3, "bitcoin"), cursors.Place(2**62, 2**62, "é", 9)]
    return Target(_timed(read), [cursors.write(place, "/data").encode() for place in places])


def _parsed(source: Source, stream: str, part: str, body: bytes) -> Page:
    pieces = source.parse(source.request(stream, part), body, FETCHED_AT)
    while True:
        try:
            next(pieces)
        except StopIteration as stop:
            page: Page = stop.value
            return page


def _timed(read: Callable[[bytes], None]) -> Callable[[bytes], None]:
    def timed(body: bytes) -> None:
        began = process_time()
        read(body)
        assert process_time() - began < SECONDS_MAX

    return timed


def page_holds(page: Page) -> None:
    """Every row of a page can be stored as it is, and is what it says."""
    for listing in page.listings:
        assert listing.source_id
        for text in (listing.source_id, listing.symbol, listing.name):
            _text_holds(text)
    for quote in page.quotes:
        _text_holds(quote.source_id)
        assert quote.observed_at <= FETCHED_AT + FUTURE_MOST
        _numbers_hold(quote.price, quote.market_cap, quote.volume_24h, quote.ath_price)
        assert msgspec.json.decode(quote.raw) is not None
        json.loads(quote.raw.decode(), parse_constant=_no_number)
    for contract in page.contracts:
        for text in (contract.source_id, contract.platform, contract.address):
            assert text
            _text_holds(text)
    for rate in page.rates:
        _text_holds(rate.currency)
        _numbers_hold(rate.per_usd)
    for reject in page.rejects:
        assert reject.reason in set(Reason)
        assert len(reject.row) <= REJECT_BYTES_MAX
        _text_holds(reject.row.decode())
        _text_holds(reject.source_id or "")
    for part in page.next_parts:
        _text_holds(part)
    assert page.rows_without_price <= page.rows_received
    assert len(page.quotes) <= page.rows_received


def _text_holds(text: str) -> None:
    assert "\0" not in text
    text.encode()


def _numbers_hold(price: float, *amounts: float | None) -> None:
    assert math.isfinite(price)
    assert price > 0
    assert all(amount is None or (math.isfinite(amount) and amount >= 0) for amount in amounts)


def _no_number(word: str) -> None:
    raise AssertionError(word)


def _message_holds(error: KasparroError) -> None:
    message = str(error)
    assert message
    assert len(message) < _MESSAGE_MAX
    assert not [c for c in message if c in "\0\r\n\x1b\x7f\x9b\u2028"]
    message.encode()


def _encoded(values: Sequence[Any]) -> list[bytes]:
    return [json.dumps(value).encode() for value in values]


@st.composite
def mutated(draw: st.DrawFn, corpus: Sequence[bytes]) -> bytes:
    """A body of the corpus in which values, or bytes, were changed."""
    body = draw(st.sampled_from(corpus))
    for _ in range(draw(st.integers(0, 3))):
        body = _with_odd_value(draw, body)
    data = bytearray(body)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(["insert", "remove", "change", "repeat", "cut"])):
            case "insert":
                data[at:at] = draw(st.sampled_from(TOKENS))
            case "remove":
                del data[at : at + draw(st.integers(1, 40))]
            case "change":
                data[at : at + 1] = draw(st.binary(min_size=1, max_size=2))
            case "repeat":
                data[at:at] = data[at : at + draw(st.integers(1, 200))] * draw(st.integers(1, 20))
            case _:
                del data[at:]
    return bytes(data)


def _with_odd_value(draw: st.DrawFn, body: bytes) -> bytes:
    """JSON with one value, or one name, replaced; anything else as it is."""
    try:
        value = json.loads(body)
    except ValueError:
        return body
    places: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting:
        found = waiting.pop()
        keys = list(found) if isinstance(found, dict) else range(len(found)) if isinstance(found, list) else ()
        places += [(found, key) for key in keys]
        waiting += [found[key] for key in keys]
    if not places:
        return json.dumps(draw(st.sampled_from(ODD))).encode()
    holder, key = places[draw(st.integers(0, len(places) - 1))]
    odd = draw(st.sampled_from(ODD) | st.text(max_size=5) | st.floats(allow_nan=False))
    if isinstance(holder, dict) and draw(st.booleans()):
        holder[draw(st.sampled_from(["", "id", "symbol", "error", "status", "a" * 500, "\0"]))] = holder.pop(key)
    else:
        holder[key] = odd
    return json.dumps(value).encode()


def write_corpus(name: str, folder: Path) -> None:
    """A target's corpus as files."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, body in enumerate(targets()[name].corpus):
        (folder / str(number)).write_bytes(body)
