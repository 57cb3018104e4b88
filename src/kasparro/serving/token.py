"""The token that opens what is under /admin, and who has tried to guess it."""

import hmac
from collections.abc import Iterable
from hashlib import sha256

from kasparro import logs
from kasparro.serving.clients import Clients
from kasparro.serving.headers import Header
from kasparro.serving.problems import ProblemError, too_many_attempts
from kasparro.serving.rate_limit import Buckets
from kasparro.settings import Settings

log = logs.get()

FAILURES_PER_MINUTE = 10  # of one client: more than a person mistypes, and far too few to guess by


class TokenCheck:
    """Lets through who has the token. Too many wrong ones from a client close it to that client for a while, right ones included."""

    def __init__(self, settings: Settings) -> None:
        token = settings.admin_token
        # Digests are compared: they are of one length, whatever length was tried.
        self._expected = None if token is None else sha256(token.reveal().encode()).digest()
        self._clients = Clients(settings.trusted_proxies)
        self._failures = Buckets(FAILURES_PER_MINUTE)

    def check(self, peer: str | None, headers: Iterable[Header], now: float) -> None:
        """Raises ProblemError unless a request carries the configured token.

        `peer` is the address at the other end, header names are in lower case, `now` is in monotonic seconds.
        """
        if self._expected is None:
            raise ProblemError(403, "admin_closed", "/admin is closed: set KASPARRO_ADMIN_TOKEN to open it")
        client = self._clients.of(peer, headers)
        wait = self._failures.wait(client, now)
        if wait is not None:
            raise too_many_attempts(wait)
        authorization = next((value for name, value in headers if name == b"authorization"), b"")
        scheme, _, given = authorization.partition(b" ")
        if scheme.lower() == b"bearer" and hmac.compare_digest(sha256(given.strip()).digest(), self._expected):
            return
        if authorization:  # without one nobody has guessed
            self._failures.refuse(client, now)
            log.warning("admin.token_refused", client=client)
        detail = "send the configured token as `Authorization: Bearer TOKEN`"
        raise ProblemError(401, "unauthorized", detail, headers=[("www-authenticate", 'Bearer realm="kasparro"')])
