"""What may go wrong with an answer, by name. Pure: an answer goes in and the spoilt one comes out."""

import itertools
from collections.abc import Iterable
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

import msgspec

_SHARE = 10  # every tenth row is spoilt
_GIANT_MEGABYTES = 100
_SLOW_SECONDS = 60.0
_DRIPS = 50

_REFUSED = {
    "10010": {"status": {"error_code": 10010, "error_message": "This key is for the paid plans; change your root URL."}},
    "10011": {"status": {"error_code": 10011, "error_message": "This key is for the Demo plan; change your root URL."}},
}
_STATUSES = {
    "401": "the key is refused",
    "402": "the month's calls are spent",
    "403": "what is asked for is forbidden",
    "404": "nothing is there",
    "408": "the request took too long",
    "429": "too many calls",
    "500": "an error of the source's own",
    "502": "its gateway got no answer",
    "503": "it is not available",
}
MODES: dict[str, str] = {
    **{status: f"status {status}: {meaning}" for status, meaning in _STATUSES.items()},
    "10010": "status 400 with the code 10010: a paid plan's key at the free plans' host",
    "10011": "status 400 with the code 10011: a Demo key at the paid plans' host",
    "cloudflare": "status 403 with a page of HTML: a firewall blocks this address",
    "ok429": "status 200 with the body of a 429",
    "truncate": "the connection ends in the middle of the body",
    "reset": "the connection is reset before any answer",
    "slow": "the answer comes after a minute",
    "drip": "the body comes in small drops over a minute",
    "garbage": "HTML where JSON should be",
    "notlist": "an object where a list should be",
    "empty": "an empty list",
    "shrink": "half of the rows are missing",
    "badrows": "every tenth row cannot be used",
    "times": "every tenth row has an odd time, or none",
    "rename": "the field of the price has another name",
    "giant": f"a body of {_GIANT_MEGABYTES} MB",
    "redirect": "a redirect to another host",
}
HARMLESS = frozenset({"badrows", "times"})  # these cost the rows that they strike, and no run
_HTML = b"<!DOCTYPE html><html><head><title>Access denied</title></head><body>error code: 1020</body></html>"


class Answer(msgspec.Struct, kw_only=True):
    """An answer as it is sent."""

    status: int = 200  # 0: none, the connection just ends
    headers: dict[str, str] = msgspec.field(default_factory=lambda: {"Content-Type": "application/json"})
    parts: Iterable[bytes] = ()  # of the body, sent one by one
    length: int | None = None  # what it says its length is; None: it does not say
    pause_seconds: float = 0.0  # before each part
    is_cut: bool = False  # the connection ends before the answer does


def plain(body: bytes, status: int = HTTPStatus.OK) -> Answer:
    """An answer as it should be."""
    return Answer(status=status, parts=(body,), length=len(body))


def struck(mode: str, body: bytes, now: datetime) -> Answer:  # noqa: PLR0911  # an answer per kind of fault
    """The answer that a fault makes of a body."""
    match mode:
        case "truncate":
            return Answer(parts=(body[: len(body) // 2],), length=len(body), is_cut=True)
        case "reset":
            return Answer(status=0, is_cut=True)
        case "slow":
            return Answer(parts=(body,), length=len(body), pause_seconds=_SLOW_SECONDS)
        case "drip":
            size = len(body) // _DRIPS + 1
            drops = [body[place : place + size] for place in range(0, len(body), size)]
            return Answer(parts=drops, length=len(body), pause_seconds=_SLOW_SECONDS / _DRIPS)
        case "giant":
            return Answer(parts=itertools.chain([b"["], itertools.repeat(b" " * 1_000_000, _GIANT_MEGABYTES), [b"]"]))
        case "redirect":
            return Answer(status=HTTPStatus.FOUND, headers={"Location": "https://elsewhere.example/"}, length=0)
        case "cloudflare":
            return Answer(status=HTTPStatus.FORBIDDEN, headers={"Content-Type": "text/html"}, parts=(_HTML,), length=len(_HTML))
        case mode if mode in _STATUSES:
            return plain(b'{"error":"the made-up market was told to fail"}', int(mode))
        case mode if mode in _REFUSED:
            return plain(msgspec.json.encode(_REFUSED[mode]), HTTPStatus.BAD_REQUEST)
        case _:
            return plain(_other_body(mode, body, now))


def _other_body(mode: str, body: bytes, now: datetime) -> bytes:
    """A body that comes with status 200 and is not what it should be."""
    match mode:
        case "ok429":
            return b'{"status":{"error_code":429,"error_message":"You\'ve exceeded the rate limit."}}'
        case "garbage":
            return b"<html>upstream connect error</html>"
        case "notlist":
            return b'{"data":"moved"}'
        case "empty":
            return b"[]"
        case _:
            rows = msgspec.json.decode(body)
            return msgspec.json.encode(_spoilt(mode, rows, now) if isinstance(rows, list) else {"changed": rows})


def _spoilt(mode: str, rows: list[Any], now: datetime) -> list[Any]:
    match mode:
        case "shrink":
            return rows[: len(rows) // 2]
        case "rename":
            return [{("price_usd" if name == "current_price" else name): value for name, value in row.items()} for row in rows]
        case "times":
            odd = [(now - timedelta(days=90)).isoformat(), (now + timedelta(days=1)).isoformat(), None, "yesterday"]
            return [row if i % _SHARE else row | {"last_updated": odd[i // _SHARE % len(odd)]} for i, row in enumerate(rows)]
        case "badrows":
            bad = [7, "no object", {"id": None}, {"id": ["x"]}, {"id": "x"}]
            return [row if i % _SHARE else bad[i // _SHARE % len(bad)] for i, row in enumerate(rows)]
        case _:
            message = f"unknown fault {mode}"
            raise ValueError(message)
