"""The outermost ASGI layer: what every request and answer has in common, whatever answers it."""

import re
from http import HTTPStatus
from typing import Any

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from kasparro import logs
from kasparro.api.compression import LEAST_BYTES, Encoding, StreamCompressor, compressed, negotiate
from kasparro.api.hot import HotAnswers
from kasparro.serving.dependencies import Dependencies
from kasparro.serving.headers import DATA, EVERY, PAGE, RequestIds
from kasparro.serving.problems import MEDIA_TYPE, ParameterProblem, ProblemError, invalid_request, rate_limited
from kasparro.serving.rate_limit import FREE_PATHS

log = logs.get()

QUERY_BYTES_MAX = 8_192
PATH_BYTES_MAX = 2_048
SLOW_SECONDS = 1.0

# What the layers inside leave in the scope for this one.
REQUEST_ID = "kasparro.request_id"
STARTED = "kasparro.started"
MADE_FROM = "kasparro.made_from"  # the catalog of which alone the answer is made, together with the path and query
HEAD = "kasparro.head"  # only the headers will be sent
LIVE = "kasparro.live"  # the answer lasts for as long as the client reads

_BROKEN_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_SLASHES = re.compile(r"/{2,}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_COMPRESSIBLE = (b"application/json", b"application/problem+json", b"text/", b"application/openapi", b"image/svg")
_NEVER_COMPRESSED = b"text/event-stream"
_WITHOUT_BODY = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


class Edge:
    """Wraps the application."""

    def __init__(self, app: ASGIApp, services: Dependencies, hot: HotAnswers) -> None:
        self._app = app
        self._services = services
        self._hot = hot
        self._ids = RequestIds(services.random)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(self._services, self._hot, self._ids, scope, send)
        inner: Any = exchange.inner
        try:
            refusal = self._too_many(scope) or _refusal(scope)
            if refusal is not None:
                await send_problem(refusal, exchange.send)
                return
            if "//" in inner["path"] or inner["path"].endswith("/"):
                inner["path"] = _SLASHES.sub("/", inner["path"]).rstrip("/") or "/"
            if exchange.asks_beforehand and (allowed := self._services.cors.preflight(inner["path"], exchange.origin)):
                await exchange.send({"type": "http.response.start", "status": 204, "headers": allowed})
                await exchange.send({"type": "http.response.body", "body": b"", "more_body": False})
                return
            await self._app(inner, receive, exchange.send)
        except Exception as error:
            log.exception("http.failed", method=scope["method"], path=scope["path"], request_id=exchange.request_id)
            if exchange.started_sending:
                raise
            await send_problem(internal_error(error), exchange.send)
        finally:
            exchange.finished()

    def _too_many(self, scope: HTTPScope) -> ProblemError | None:
        limit, client = self._services.rate_limit, scope["client"]
        if limit is None or scope["path"].startswith(FREE_PATHS):
            return None
        wait = limit.refuse(client[0] if client else None, scope["headers"], self._services.clock.monotonic())
        return None if wait is None else rate_limited(wait)


def internal_error(_error: Exception) -> ProblemError:
    """500. What went wrong is in the log, under the request's id."""
    detail = "this is a fault of the service; the log has it under the request id of this answer (X-Request-ID)"
    return ProblemError(500, "internal_error", detail)


async def send_problem(problem: ProblemError, send: Send) -> None:
    """Answer with a problem."""
    headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(problem.body)).encode())]
    headers += [(name.encode(), value.encode()) for name, value in problem.headers]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": problem.body, "more_body": False})


def _refusal(scope: HTTPScope) -> ProblemError | None:
    """Why a request is not even routed, or None."""
    path: bytes = scope.get("raw_path") or scope["path"].encode("utf-8", "surrogateescape")
    query: bytes = scope["query_string"]
    if len(query) > QUERY_BYTES_MAX:
        longest = max(query.split(b"&"), key=len).partition(b"=")[0][:100].decode("ascii", "replace")
        detail = f"makes the query string {len(query)} bytes long; at most {QUERY_BYTES_MAX} are read"
        errors = [ParameterProblem(longest, detail)]
        return ProblemError(400, "query_too_long", f"{longest} {detail}", errors=errors)
    if len(path) > PATH_BYTES_MAX:
        return ProblemError(414, "path_too_long", f"the path has {len(path)} bytes; at most {PATH_BYTES_MAX} are read")
    if b"%" in path or b"%" in query:
        for part, name in ((path, "path"), (query, "query string")):
            if _BROKEN_PERCENT.search(part):
                return invalid_request(f"the {name} has a % that is not followed by two hexadecimal digits; write % itself as %25")
            if b"%00" in part:
                return invalid_request(f"the {name} has a NUL byte")
    if b"\0" in path or b"\0" in query or "\ufffd" in scope["path"]:
        return invalid_request("the path or query has a NUL byte or is not UTF-8 once its percent-encoding is undone")
    return None


class _Exchange:
    """One request and its answer on the way out."""

    __slots__ = (
        "_encoding",
        "_hot",
        "_send",
        "_services",
        "_start",
        "_started",
        "_status",
        "_stream",
        "_with_body",
        "asks_beforehand",
        "inner",
        "origin",
        "request_id",
        "started_sending",
    )

    def __init__(self, services: Dependencies, hot: HotAnswers, ids: RequestIds, scope: HTTPScope, send: Send) -> None:
        self._services = services
        self._hot = hot
        self._send = send
        self._started = services.clock.monotonic()
        self._start: Any = None  # the answer's first message, held back until the body is known
        self._status = 0
        self._stream: StreamCompressor | None = None
        self._with_body = scope["method"] != "HEAD"
        self.started_sending = False
        request_id = accept = self.origin = b""
        self.asks_beforehand = False  # a browser, whether it may send a request of another site's page
        for name, value in scope["headers"]:
            if name == b"x-request-id":
                request_id = value
            elif name == b"accept-encoding":
                accept = value
            elif name == b"origin":
                self.origin = value
            elif name == b"access-control-request-method":
                self.asks_beforehand = scope["method"] == "OPTIONS"
        self.request_id = ids.accepted(request_id)
        self._encoding: Encoding | None = negotiate(accept.decode("latin-1")) if accept else None
        # A copy: the server looks at its own to know that a HEAD is answered without a body.
        inner: Any = dict(scope)
        if not self._with_body:
            inner["method"] = "GET"
        inner[HEAD] = not self._with_body
        inner[REQUEST_ID] = self.request_id.decode()
        inner[STARTED] = self._started
        self.inner = inner

    async def send(self, message: Message) -> None:
        """Pass a message on, with what every answer carries."""
        if message["type"] == "http.response.start":
            self._start = message
            self._status = message["status"]
            return
        if message["type"] != "http.response.body":
            await self._send(message)
            return
        body: bytes = message.get("body", b"")
        more: bool = message.get("more_body", False)
        if self._start is not None:
            start, self._start = self._start, None
            body = await self._begin(start, body, more=more)
        elif self._stream is not None:
            body = self._stream.part(body, last=not more)
        if self._with_body or not more:
            await self._send({"type": "http.response.body", "body": body if self._with_body else b"", "more_body": more})

    async def _begin(self, start: Any, body: bytes, *, more: bool) -> bytes:  # noqa: ANN401  # an ASGI message
        headers: list[tuple[bytes, bytes]] = []
        vary: list[bytes] = []
        media_type = b""
        has_policy = encoded = False
        for name, value in start["headers"]:
            lower = name.lower()
            if lower == b"vary":
                vary.append(value)
                continue
            if lower == b"content-length" and not more:
                continue
            if lower == b"content-type":
                media_type = value
            elif lower == b"allow" and b"GET" in value and b"HEAD" not in value:
                value = value.replace(b"GET", b"GET, HEAD")  # noqa: PLW2901  # HEAD works wherever GET does
            has_policy = has_policy or lower == b"content-security-policy"
            encoded = encoded or lower == b"content-encoding"
            headers.append((lower, value))
        status: int = start["status"]
        # A compressor would hold back events until it has enough of them.
        compressible = media_type.startswith(_COMPRESSIBLE) and not encoded and not media_type.startswith(_NEVER_COMPRESSED)
        if compressible and self._encoding is not None and (more or len(body) > LEAST_BYTES):
            headers.append((b"content-encoding", self._encoding.encode()))
            if more:
                self._stream = StreamCompressor(self._encoding)
                body = self._stream.part(body, last=False)
            else:
                body = await compressed(body, self._encoding)
        if compressible or status == HTTPStatus.NOT_MODIFIED:
            vary.append(b"Accept-Encoding")
        if vary:
            headers.append((b"vary", b", ".join(vary)))
        if not more and status not in _WITHOUT_BODY:
            headers.append((b"content-length", str(len(body)).encode()))
        headers += EVERY if status == HTTPStatus.NOT_MODIFIED else PAGE if has_policy else DATA
        if status == HTTPStatus.OK and not more:
            self._keep(headers, body)
        headers += self._services.cors.headers(self.inner["path"], self.origin)
        headers.append((b"x-request-id", self.request_id))
        spent = (self._services.clock.monotonic() - self._started) * 1000
        headers.append((b"server-timing", b"app;dur=%.2f" % spent))
        self.started_sending = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        return body

    def _keep(self, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        """Let an answer that is made of a catalog alone be given again without all this."""
        made_from = self.inner.get(MADE_FROM)
        if made_from is not None:
            route = self.inner.get("path_template") or "unmatched"
            self._hot.keep(made_from, self._target(), self._encoding, route, headers, body)

    def _target(self) -> bytes:
        """Path and query as they came."""
        query: bytes = self.inner["query_string"]
        raw: bytes = self.inner["raw_path"]
        return raw + b"?" + query if query else raw

    def finished(self) -> None:
        """Count the request, and log it where it failed, was slow or was under /admin."""
        seconds = self._services.clock.monotonic() - self._started
        route: str = self.inner.get("path_template") or "unmatched"
        method: str = self.inner["method"] if self._with_body else "HEAD"
        live = LIVE in self.inner  # lasts as long as its reader wants, which says nothing of us
        self._services.metrics.observe_request(route, method if method in _METHODS else "other", self._status, None if live else seconds)
        failed = self._status >= HTTPStatus.INTERNAL_SERVER_ERROR
        if failed or (seconds > SLOW_SECONDS and not live) or self.inner["path"].startswith("/admin"):
            level = log.warning if failed else log.info
            level(
                "http.request",
                method=method,
                path=self.inner["path"],
                status=self._status,
                duration_seconds=round(seconds, 4),
                request_id=self.request_id.decode(),
            )
