"""How often a client may ask: a token bucket per client, which fills evenly over a minute. Pure: `now` is handed in."""

from collections.abc import Iterable

from kasparro.serving.clients import Clients
from kasparro.settings import Settings

FREE_PATHS = ("/health", "/metrics")  # a monitor must see what goes on, whatever else comes from its address
CLIENTS_MAX = 20_000  # about 4 MB; of more, those that have not asked for the longest time are forgotten
_MINUTE = 60.0
_SLACK = 1e-6  # seconds: sums of thousands of tokens are not exact


class Buckets:
    """A bucket of a minute's requests for each client.

    What is kept of a bucket is the one time at which it will be full again (the generic cell rate algorithm, ITU-T I.371): a request
    puts that off by the time that one token takes, and must not put it further than a minute ahead.
    """

    def __init__(self, per_minute: int, clients_max: int = CLIENTS_MAX) -> None:
        self._token_seconds = _MINUTE / per_minute
        self._clients_max = clients_max
        self._full_at: dict[str, float] = {}  # the client that asked last is the last

    def refuse(self, client: str, now: float) -> float | None:
        """Seconds until the client may ask again, or None where it may now and has hereby. `now` in monotonic seconds."""
        wait = self.wait(client, now)
        full_at = max(self._full_at.pop(client, now), now)
        self._full_at[client] = full_at if wait is not None else full_at + self._token_seconds
        if len(self._full_at) > self._clients_max:
            del self._full_at[next(iter(self._full_at))]
        return wait

    def wait(self, client: str, now: float) -> float | None:
        """Seconds until the client may ask again, or None where it may now; this costs it nothing."""
        wait = max(self._full_at.get(client, now), now) + self._token_seconds - now - _MINUTE
        return wait if wait > _SLACK else None

    def __len__(self) -> int:
        return len(self._full_at)


class RateLimit:
    """The limit that the settings set."""

    def __init__(self, settings: Settings) -> None:
        self._clients = Clients(settings.trusted_proxies)
        self._buckets = Buckets(settings.rate_limit_per_minute)

    def refuse(self, peer: str | None, headers: Iterable[tuple[bytes, bytes]], now: float) -> float | None:
        """Seconds until whoever sent a request may send another, or None where it may be answered.

        `peer` is the address at the other end, header names are in lower case, `now` is in monotonic seconds.
        """
        return self._buckets.refuse(self._clients.of(peer, headers), now)
