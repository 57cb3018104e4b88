"""What may go wrong with an answer of the fake upstream."""

import asyncio
import gzip
import json
from datetime import datetime, timedelta
from typing import Any

import msgspec
from aiohttp import web

GECKO_LIMIT = {"status": {"error_code": 429, "error_message": "You've exceeded the Rate Limit."}}
BLOCKED = "<!DOCTYPE html><html><head><title>Access denied</title></head><body>error code: 1020</body></html>"


class Fault(msgspec.Struct, kw_only=True):
    """One fault. It strikes the requests that fit, `times` of them, after letting `skip` of them through."""

    mode: str  # status, cloudflare, ok429, garbage, notlist, cutjson, empty, redirect, giant, bomb, badzip, shrink, badrows, times,
    # rename, slow, drip, truncate, reset
    source: str = ""  # of this one only
    path: str = ""  # paths that begin so, below the base URL: "/coins/markets"
    page: int | None = None
    times: int | None = None  # None: until it is taken back
    skip: int = 0
    status: int = 500
    retry_after: str | None = None
    body: Any = None  # of a status; None: a fitting one
    html: str | None = None
    seconds: float = 60.0  # of slow and drip
    keep: float = 0.5  # of shrink: the share of rows that stays
    share: float = 0.1  # of badrows and times: the share of rows that is spoilt
    field: str = ""  # of rename
    to: str = ""  # of rename: the new name; of redirect: where to
    megabytes: float = 100.0  # of giant and bomb

    def fits(self, source: str, path: str, page: str) -> bool:
        """Whether it strikes this request; counts down."""
        if (
            (self.source and source != self.source)
            or not path.startswith(self.path)
            or (self.page is not None and str(self.page) != page)
            or self.times == 0
        ):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


async def answer(fault: Fault, request: web.Request, body: bytes, now: datetime) -> web.StreamResponse:
    """The answer with the fault in it."""
    response = _whole(fault, body, now)
    if response is not None:
        return response
    if fault.mode == "slow":
        await asyncio.sleep(fault.seconds)
        return _json(body)
    if fault.mode == "reset":
        _cut(request)
        return web.Response()
    streamed = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(body))})
    await streamed.prepare(request)
    if fault.mode == "truncate":
        await streamed.write(body[: len(body) // 2])
        _cut(request)
    elif fault.mode == "drip":
        for place in range(0, len(body), max(1, len(body) // 50)):
            await streamed.write(body[place : place + max(1, len(body) // 50)])
            await asyncio.sleep(fault.seconds / 50)
    else:
        message = f"unknown fault {fault.mode}"
        raise ValueError(message)
    return streamed


def _whole(fault: Fault, body: bytes, now: datetime) -> web.Response | None:
    """The faults that are an answer in one piece."""
    bodies = {
        "ok429": json.dumps(GECKO_LIMIT).encode(),
        "garbage": b"<html>upstream connect error</html>",
        "notlist": b'{"data": "moved"}',
        "cutjson": body[: len(body) // 2],
        "empty": b"[]",
    }
    if fault.mode in bodies:
        return _json(bodies[fault.mode])
    if fault.mode in {"status", "cloudflare", "redirect"}:
        return _status(fault)
    if fault.mode in {"giant", "bomb", "badzip"}:
        return _oversized(fault)
    if fault.mode in {"shrink", "badrows", "times", "rename"}:
        return _json(json.dumps(_spoilt(fault, json.loads(body), now)).encode())
    return None


def _oversized(fault: Fault) -> web.Response:
    """A body far larger than any real one, as it is, packed small, or not packed at all where it says so."""
    body = b"no gzip" if fault.mode == "badzip" else b"[" + b" " * int(fault.megabytes * 1_000_000) + b"]"
    if fault.mode == "giant":
        return _json(body)
    packed = gzip.compress(body) if fault.mode == "bomb" else body
    return web.Response(body=packed, content_type="application/json", headers={"Content-Encoding": "gzip"})


def _status(fault: Fault) -> web.Response:
    if fault.mode == "cloudflare":
        return web.Response(text=BLOCKED, status=403, content_type="text/html")
    if fault.mode == "redirect":
        return web.Response(status=302, headers={"Location": fault.to})
    headers = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
    if fault.html is not None:
        return web.Response(text=fault.html, status=fault.status, headers=headers, content_type="text/html")
    body = fault.body if fault.body is not None else {"error": "the fake upstream was told to fail"}
    return web.Response(text=json.dumps(body), status=fault.status, headers=headers, content_type="application/json")


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json")


def _cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _spoilt(fault: Fault, rows: Any, now: datetime) -> Any:
    if not isinstance(rows, list):
        return {"changed": rows}
    if not all(isinstance(row, dict) for row in rows) and fault.mode in {"rename", "times"}:
        return rows  # a list of names has neither fields nor times
    every = max(1, round(1 / fault.share)) if fault.share else len(rows) + 1
    match fault.mode:
        case "shrink":
            return rows[: int(len(rows) * fault.keep)]
        case "rename":
            return [{(fault.to if key == fault.field else key): value for key, value in row.items()} for row in rows]
        case "times":
            odd = [(now - timedelta(days=90)).isoformat(), (now + timedelta(days=1)).isoformat(), None, "yesterday"]
            return [dict(r, last_updated=odd[i // every % len(odd)]) if i % every == 0 else r for i, r in enumerate(rows)]
        case _:
            return [_bad(row, i // every) if i % every == 0 else row for i, row in enumerate(rows)]


def _bad(row: Any, number: int) -> Any:
    if not isinstance(row, dict):
        return 7
    kinds: list[Any] = [
        dict(row, id=None),
        {k: v for k, v in row.items() if k not in {"symbol", "address"}},
        "no object",
        dict(row, id=["x"]),
    ]
    if "name" in row:
        kinds.append(dict(row, name=7))
    for price in ("1.2.3", -5, 0, 1.7976931348623157e308):
        if "current_price" in row:
            kinds.append(dict(row, current_price=price))
        elif "quotes" in row:
            kinds.append(dict(row, quotes={"USD": dict(row["quotes"]["USD"], price=price)}))
    return kinds[number % len(kinds)]
