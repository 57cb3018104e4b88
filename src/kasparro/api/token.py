"""The token that opens what is under /admin."""

import hmac

from kasparro.serving.problems import ProblemError
from kasparro.settings import Settings


def check_token(settings: Settings, authorization: str | None) -> None:
    """Raises ProblemError unless the header carries the configured token; compared in constant time."""
    if settings.admin_token is None:
        raise ProblemError(403, "admin_closed", "/admin is closed: set KASPARRO_ADMIN_TOKEN to open it")
    scheme, _, given = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), settings.admin_token.reveal().encode()):
        detail = "send the configured token as `Authorization: Bearer TOKEN`"
        raise ProblemError(401, "unauthorized", detail, headers=[("www-authenticate", 'Bearer realm="kasparro"')])
