"""Answers without routing: coins from their prepared bytes, and whatever was answered before from this same catalog.

The server's protocol asks here first and hands on to the application what it gets no answer for. What is answered here is byte
for byte what the application would answer, but for the request's own headers.
"""

from collections import OrderedDict
from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import NamedTuple

from kasparro.api import conditional
from kasparro.api.compression import LEAST_BYTES, Encoding, negotiate
from kasparro.catalog.coin_pages import CoinPages
from kasparro.catalog.entries import EMPTY, Catalog
from kasparro.serving.dependencies import Dependencies
from kasparro.serving.headers import DATA, EVERY, Header, RequestIds, lines
from kasparro.store.run_history import RunHead

KEPT_BYTES = 10_000_000
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
        self._tags = b""  # see conditional.tags
        self._kept: OrderedDict[_Key, Kept] = OrderedDict()
        self._bytes = 0
        self._pages = CoinPages()
        self._given: Sequence[Header] = ()  # the server's own headers, and their lines
        self._given_lines = b""
        self._cors_origin: bytes | None = None  # that asked last, and what it is told
        self._cors_lines = b""
        self._holder.followers.append(self)

    def swapped(self, coin_keys: Collection[int]) -> None:
        """See Follower. Without it the last catalog would stay in memory until somebody asks for something."""
        self._pages.renew(self._current(), coin_keys)

    def run_ended(self, run: RunHead) -> None:
        """See Follower."""

    def keep(self, catalog: Catalog, target: bytes, encoding: Encoding | None, route: str, headers: Sequence[Header], body: bytes) -> None:
        """Keep a 200 that was made from a catalog. `headers` are all that do not belong to one request, the ETag among them."""
        if catalog is not self._current() or len(body) > KEPT_BODY_BYTES:
            return
        key, kept = (target, encoding), _kept(route, headers, body)
        before = self._kept.pop(key, None)
        if before is not None:
            self._bytes -= _size(key, before)
        self._kept[key] = kept
        self._bytes += _size(key, kept)
        while self._bytes > KEPT_BYTES:
            self._bytes -= _size(*self._kept.popitem(last=False))

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
        found = self._find(target, _negotiated(accept) if accept else None)
        if found is None or (self._limit is not None and self._limit.refuse(client[0] if client else None, headers, started) is not None):
            return None  # the application refuses in words
        route, etag, kept_lines, body = found
        changed = not if_none_match or not _matches(if_none_match, etag)
        seconds = self._clock.monotonic() - started
        self._metrics.observe_request(route, "GET" if with_body else "HEAD", 200 if changed else 304, seconds)
        if given is not self._given:
            self._given, self._given_lines = given, lines(given)
        head = _CHANGED % (etag, len(body), kept_lines) if changed else _NOT_MODIFIED % etag
        return b"%b%b%bx-request-id: %b\r\nserver-timing: app;dur=%.2f\r\n\r\n%b" % (
            head,
            self._given_lines,
            self._cors_lines if origin == self._cors_origin else self._cors_said(origin),
            self._ids.accepted(request_id),
            seconds * 1000,
            body if changed and with_body else b"",
        )

    def _cors_said(self, origin: bytes) -> bytes:
        """What is said to a page of an origin. Most ask without one, or from one and the same."""
        self._cors_origin, self._cors_lines = origin, lines(self._services.cors.headers(_COIN_ROUTE, origin))
        return self._cors_lines

    def _current(self) -> Catalog:
        catalog = self._holder.current
        if catalog is not self._catalog:
            self._catalog, self._tags = catalog, conditional.tags(catalog)
            self._kept.clear()
            self._bytes = 0
        return catalog

    def _find(self, target: bytes, encoding: Encoding | None) -> tuple[str, bytes, bytes, bytes] | None:
        """As in Kept."""
        catalog = self._current()
        # A large page is compressed by the application, once for all that ask before the next catalog.
        if target.startswith(_COIN):
            page = self._pages.page(catalog, target[len(_COIN) :])
            if page is not None and (encoding is None or len(page) <= LEAST_BYTES):
                return _COIN_ROUTE, self._tags % conditional.checksum(target), _COIN_HEADERS, page
        kept = self._kept.get((target, encoding))
        if kept is not None:
            self._kept.move_to_end((target, encoding))
        return kept


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
