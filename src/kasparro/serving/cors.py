"""Which other sites' pages may read the answers: none, unless the settings name them. Pure.

Reads only: what is under /admin is never opened. No answer depends on who asks, so no credentials are ever allowed.
"""

from kasparro.serving.headers import Header

ANY = "*"

_CLOSED = "/admin"
_EXPOSED: Header = (b"access-control-expose-headers", b"*")
_PREFLIGHT: tuple[Header, ...] = (
    (b"access-control-allow-methods", b"GET, HEAD"),
    (b"access-control-allow-headers", b"*"),
    (b"access-control-max-age", b"600"),
)
_VARY: tuple[Header, ...] = ((b"vary", b"Origin"),)


class Cors:
    """The origins that the settings name, or any."""

    def __init__(self, origins: tuple[str, ...]) -> None:
        self._off = not origins
        self._any = ANY in origins
        allowed = {origin.encode(): _allow(origin) for origin in origins}
        self._answers = {origin: (allow, _EXPOSED, *_VARY) for origin, allow in allowed.items()}

    def headers(self, path: str, origin: bytes) -> tuple[Header, ...]:
        """What an answer says of it. `origin` is the request's, empty where it has none."""
        if self._off or path.startswith(_CLOSED):
            return ()
        return (_allow(ANY), _EXPOSED) if self._any else self._answers.get(origin, _VARY)

    def preflight(self, path: str, origin: bytes) -> tuple[Header, ...]:
        """What is said to a browser that asks beforehand, besides `headers`; nothing where the answer is no."""
        allowed = not path.startswith(_CLOSED) and (self._any or origin in self._answers)
        return _PREFLIGHT if allowed else ()


def _allow(origin: str) -> Header:
    return b"access-control-allow-origin", origin.encode()
