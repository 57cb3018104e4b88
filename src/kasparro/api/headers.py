"""Headers that answers have in common."""

import re
from random import Random

SECURITY = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
STRICT_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_BITS = 96


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
