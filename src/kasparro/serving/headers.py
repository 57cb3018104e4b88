"""Headers that answers have in common."""

import re
from collections.abc import Iterable
from random import Random

Header = tuple[bytes, bytes]

# Of a 304, too, which says no policy: a browser would put it in the place of the one that it keeps with the page.
EVERY: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),  # no other site's page embeds an answer; asking by CORS is not meant
)
# What is no page runs nothing and loads nothing, should a browser ever be brought to show it as one.
DATA: tuple[Header, ...] = ((b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"), *EVERY)
# A page says its own policy; no other window holds it, and it asks for nothing of the machine.
PAGE: tuple[Header, ...] = (
    *EVERY,
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_BITS = 96


def lines(headers: Iterable[Header]) -> bytes:
    """Headers as they go over the wire."""
    return b"".join([b"%b: %b\r\n" % header for header in headers])


class RequestIds:
    """The ids of requests: a client's own where it is one, else the next after a random one."""

    def __init__(self, rng: Random) -> None:
        self._next = rng.getrandbits(_BITS)

    def accepted(self, given: bytes) -> bytes:
        """The id of a request that came with `given` as its id, or empty with none."""
        if given and _REQUEST_ID.fullmatch(given):
            return given
        self._next = (self._next + 1) % (1 << _BITS)
        return b"%024x" % self._next
