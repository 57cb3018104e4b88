"""Answers without routing: coins from their prepared bytes, and whatever was answered before from this same catalog.

The server's protocol asks here first and hands on to the application what it gets no answer for. What is answered here is byte
for byte what the application would answer, but for the request's own headers.
"""

from collections import OrderedDict
from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import NamedTuple

from kasparro.api import conditional
from kasparro.api.compression import Encoding, negotiate
from kasparro.catalog.details import detail
from kasparro.catalog.entries import EMPTY, Catalog
from kasparro.serving.dependencies import Dependencies
from kasparro.serving.headers import DATA, EVERY, Header, RequestIds, lines
from kasparro.store.run_history import RunHead

KEPT_BYTES = 24_000_000
KEPT_BODY_BYTES = 1_000_000

_Key = tuple[bytes, Encoding | None]  # target, encoding
_APIECE = 300  # bytes that the objects around an answer take
_OWN_LINES = frozenset({b"etag", b"content-length"})
_COIN = b"/coins/"
_COIN_ROUTE = "/coins/{coin_id}"
# A request with one of these is not as simple as those that are answered here.
_UNUSUAL = frozenset({b"content-length", b"transfer-encoding", b"expect", b"upgrade", b"range"})


class Kept(NamedTuple):
    """A 200, but for what belongs to one request."""

    route: str
    etag: bytes
    headers: bytes  # as they go over the wire, but for ETag and Content-Length; those of all coins are one object
    body: bytes


class HotAnswers:
    """What can be answered at once, for one catalog at a time. The least recently used answers go first."""

    def __init__(self, services: Dependencies) -> None:
        self._services = services
        self._clock, self._metrics, self._holder = services.clock, services.metrics, services.catalog
        self._limit = services.rate_limit
        self._ids = RequestIds(services.random)
        self._catalog: Catalog = EMPTY
        self._kept: OrderedDict[_Key, Kept] = OrderedDict()
        self._bytes = 0
        self._given: Sequence[Header] = ()  # the server's own headers, and their lines
        self._given_lines = b""
        self._cors_origin: bytes | None = None  # that asked last, and what it is told
        self._cors_lines = b""
        self._holder.followers.append(self)

    def swapped(self, coin_keys: Collection[int]) -> None:  # noqa: ARG002
        """See Follower. Without it the last catalog would stay in memory until somebody asks for something."""
        self._current()

    def run_ended(self, run: RunHead) -> None:
        """See Follower."""

    def keep(self, catalog: Catalog, target: bytes, encoding: Encoding | None, route: str, headers: Sequence[Header], body: bytes) -> None:
        """Keep a 200 that was made from a catalog. `headers` are all that do not belong to one request, the ETag among them."""
        if catalog is not self._current() or len(body) > KEPT_BODY_BYTES:
            return
        self._put((target, encoding), _kept(route, headers, body))

    def _put(self, key: _Key, kept: Kept) -> Kept:
        before = self._kept.pop(key, None)
        if before is not None:
            self._bytes -= _size(key, before)
        self._kept[key] = kept
        self._bytes += _size(key, kept)
        while self._bytes > KEPT_BYTES:
            self._bytes -= _size(*self._kept.popitem(last=False))
        return kept

    def answer(
        self, target: bytes, headers: Sequence[Header], given: Sequence[Header], client: tuple[str, int] | None, *, with_body: bool
    ) -> bytes | None:
        """The whole answer to a GET (or, without its body, a HEAD) as it goes over the wire; None: ask the application.

        `given` are the headers that the server adds to every answer, `client` is its address. Names of `headers` are in lower case.
        """
        started = self._clock.monotonic()
        request_id = accept = if_none_match = origin = b""
        for name, value in headers:
            if name == b"accept-encoding":
                accept = value
            elif name == b"if-none-match":
                if_none_match = value
            elif name == b"x-request-id":
                request_id = value
            elif name == b"origin":
                origin = value
            elif name in _UNUSUAL:
                return None
        kept = self._find(target, _negotiated(accept) if accept else None)
        if kept is None or (self._limit is not None and self._limit.refuse(client[0] if client else None, headers, started) is not None):
            return None  # the application refuses in words
        changed = not if_none_match or not _matches(if_none_match, kept.etag)
        seconds = self._clock.monotonic() - started
        self._metrics.observe_request(kept.route, "GET" if with_body else "HEAD", 200 if changed else 304, seconds)
        if given is not self._given:
            self._given, self._given_lines = given, lines(given)
        head = _CHANGED % (kept.etag, len(kept.body), kept.headers) if changed else _NOT_MODIFIED % kept.etag
        return b"%b%b%bx-request-id: %b\r\nserver-timing: app;dur=%.2f\r\n\r\n%b" % (
            head,
            self._given_lines,
            self._cors_lines if origin == self._cors_origin else self._cors_said(origin),
            self._ids.accepted(request_id),
            seconds * 1000,
            kept.body if changed and with_body else b"",
        )

    def _cors_said(self, origin: bytes) -> bytes:
        """What is said to a page of an origin. Most ask without one, or from one and the same."""
        self._cors_origin, self._cors_lines = origin, lines(self._services.cors.headers(_COIN_ROUTE, origin))
        return self._cors_lines

    def _current(self) -> Catalog:
        catalog = self._holder.current
        if catalog is not self._catalog:
            self._catalog = catalog
            self._kept.clear()
            self._bytes = 0
        return catalog

    def _find(self, target: bytes, encoding: Encoding | None) -> Kept | None:
        catalog = self._current()
        kept = self._kept.get((target, encoding))
        if kept is not None:
            self._kept.move_to_end((target, encoding))
            return kept
        # A compressed coin is made by the application, once too.
        if encoding is not None or not target.startswith(_COIN):
            return None
        made = _coin(catalog, target)
        return None if made is None else self._put((target, None), made)


def _coin(catalog: Catalog, target: bytes) -> Kept | None:
    """A coin under its own id. Anything else, a redirect, an escaped id or a query, is the application's to answer.

    So is a coin that wraps another or is wrapped: what it takes to look for them is done once and kept.
    """
    coin_id = target[len(_COIN) :].decode("latin-1")
    key = catalog.keys.get(coin_id)
    entry = None if key is None else catalog.entries.get(key)
    if entry is None or entry.wraps is not None or key in catalog.wrapped or not catalog.complete:
        return None
    return Kept(_COIN_ROUTE, conditional.etag(catalog, target, b"").encode(), _COIN_HEADERS, detail(catalog, entry))


def _kept(route: str, headers: Sequence[Header], body: bytes) -> Kept:
    etag = next(value for name, value in headers if name == b"etag")
    return Kept(route, etag, lines(header for header in headers if header[0] not in _OWN_LINES), body)


def _size(key: _Key, kept: Kept) -> int:
    """Bytes that keeping an answer takes, about."""
    return len(key[0]) + len(kept.headers) + len(kept.body) + _APIECE


def _matches(if_none_match: bytes, etag: bytes) -> bool:
    if if_none_match == etag or if_none_match.strip() == b"*":
        return True
    return conditional.matches(if_none_match.decode("latin-1"), etag.decode())


@lru_cache(maxsize=256)
def _negotiated(accept: bytes) -> Encoding | None:
    return negotiate(accept.decode("latin-1"))


_COIN_HEADERS = b"cache-control: no-cache\r\ncontent-type: application/json\r\nvary: Accept-Encoding\r\n" + lines(DATA)
_CHANGED = b"HTTP/1.1 200 OK\r\netag: %b\r\ncontent-length: %d\r\n%b"
_NOT_MODIFIED = b"HTTP/1.1 304 Not Modified\r\netag: %b\r\nvary: Accept-Encoding\r\n" + lines(EVERY)
