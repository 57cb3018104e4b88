"""What is remembered of a source between calls: its pace, its breaker, and the validators of its bodies. Pure."""

from http import HTTPStatus

from kasparro.errors import AbortError, KasparroError, RetryError, SkipError
from kasparro.records import Record, Request
from kasparro.sources.breaker import Breaker, Moment
from kasparro.sources.limits import Pace

VALIDATORS_MAX = 2_000  # requests of one source: several times as many as it has parts
_ETAG_CHARACTERS_MAX = 200

# Errors that speak of the request, or of us, and not of how the source fares.
_SOURCE_IS_WELL = frozenset({"not_found", "refused", "plan_refused"})
_NOT_ASKED = frozenset({"deadline", "settings", "breaker_open"})


class Validator(Record, frozen=True, kw_only=True):
    """An ETag with the digest of the body that it came with."""

    etag: str
    digest: bytes


class Manners:
    """One source's state over all calls of this process, whoever makes them."""

    def __init__(self, calls_per_minute: float) -> None:
        self.pace = Pace.of(calls_per_minute)
        self.breaker = Breaker()
        self.previous_turn: float | None = None  # when the latest call was allowed to leave, monotonic
        self._validators: dict[Request, Validator] = {}

    def answered(self) -> None:
        """A call was answered as it should be."""
        self.pace = self.pace.answered()
        self.breaker = self.breaker.answered()

    def failed(self, error: KasparroError, now: Moment) -> None:
        """A call ended in an error."""
        if error.code in _NOT_ASKED:
            return
        self.pace = self.pace.refused() if error.code == "rate_limited" else self.pace.answered()
        if isinstance(error, SkipError) and error.code in _SOURCE_IS_WELL:
            self.breaker = self.breaker.answered()
        else:
            self.breaker = self.breaker.failed(str(error), now)

    def asked_to_wait(self, error: RetryError, now: Moment) -> None:
        """The source wants to be left alone for longer than is waited for."""
        if error.retry_after_seconds is not None:
            self.breaker = self.breaker.asked_to_wait(error.retry_after_seconds, str(error), now)

    def check(self, source: str, now: Moment, *, insist: bool) -> None:
        """Raise AbortError where no call may be made now."""
        if not self.breaker.lets_through(now, insist=insist):
            message = f"{source} was not asked: {self.breaker.words()}; the last trouble: {self.breaker.reason}"
            raise AbortError(message, code="breaker_open")

    def etag(self, request: Request, committed: bytes) -> str | None:
        """The ETag to ask with: of the body last committed, and of no other, since it alone need not come again."""
        known = self._validators.get(request)
        return known.etag if known is not None and committed and known.digest == committed else None

    def remember(self, request: Request, etag: str, digest: bytes) -> None:
        """Note what came with a body."""
        self._validators.pop(request, None)
        if not etag or len(etag) > _ETAG_CHARACTERS_MAX:
            return
        if len(self._validators) >= VALIDATORS_MAX:
            del self._validators[next(iter(self._validators))]
        self._validators[request] = Validator(etag=etag, digest=digest)


def is_unchanged(status: int, etag: str | None) -> bool:
    """Whether an answer says that the body is the one whose ETag was sent."""
    return status == HTTPStatus.NOT_MODIFIED and etag is not None
