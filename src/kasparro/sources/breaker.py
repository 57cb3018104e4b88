"""Leaves a source alone that does not work: after some failed calls in a row only one call now and then looks whether it is back. Pure."""

from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from kasparro.records import Record

State: TypeAlias = Literal["closed", "open", "half_open"]

FAILURES_MAX = 5  # calls in a row: more than one request's attempts, so that one bad page does not cost the others
PAUSE_SECONDS = 60.0  # the first; each failed look doubles it
PAUSE_SECONDS_MAX = 900.0
ASKED_PAUSE_SECONDS_MAX = 3_600.0  # of a Retry-After: who asks for a month is looked at once an hour
PROBE_SECONDS = 60.0  # a look of which nothing was heard for so long was broken off


class Moment(Record, frozen=True, kw_only=True):
    """Now, twice: as people see it and as spans are measured."""

    at: datetime
    monotonic: float


class Breaker(Record, frozen=True, kw_only=True):
    """One source's breaker: `closed` lets every call through, `open` none until its time has come, `half_open` waits for one's answer."""

    state: State = "closed"
    failures: int = 0  # calls in a row
    pauses: int = 0  # in a row
    since: datetime | None = None  # when it left `closed`
    until: datetime | None = None  # when the next look is due
    until_monotonic: float = 0.0
    reason: str = ""  # why it opened, for people: the newest failure

    def lets_through(self, now: Moment, *, insist: bool = False) -> bool:
        """Whether a call may be made now. A person may insist."""
        return self.state == "closed" or insist or now.monotonic >= self.until_monotonic

    def calling(self, now: Moment) -> "Breaker":
        """The breaker while a call that it let through is under way: an open one lets no second one through meanwhile."""
        return self if self.state == "closed" else self._paused("half_open", PROBE_SECONDS, self.reason, now)

    def answered(self) -> "Breaker":
        """The breaker after an answer: closed, and nothing is held against the source."""
        return Breaker()

    def failed(self, reason: str, now: Moment) -> "Breaker":
        """The breaker after a failed call."""
        counted = Breaker(
            state=self.state,
            failures=self.failures + 1,
            pauses=self.pauses,
            since=self.since,
            until=self.until,
            until_monotonic=self.until_monotonic,
            reason=reason,
        )
        if self.state == "closed" and counted.failures < FAILURES_MAX:
            return counted
        seconds = min(PAUSE_SECONDS_MAX, PAUSE_SECONDS * 2.0 ** min(self.pauses, 10))
        return counted._paused("open", seconds, reason, now, pauses=self.pauses + 1)

    def asked_to_wait(self, seconds: float, reason: str, now: Moment) -> "Breaker":
        """The breaker where the source itself said how long it wants to be left alone."""
        return self._paused("open", min(seconds, ASKED_PAUSE_SECONDS_MAX), reason, now)

    def words(self) -> str:
        """For a person: since when and until when the source is left alone."""
        return f"it is left alone since {_shown(self.since)} and asked again from {_shown(self.until)} on"

    def _paused(self, state: State, seconds: float, reason: str, now: Moment, pauses: int | None = None) -> "Breaker":
        return Breaker(
            state=state,
            failures=self.failures,
            pauses=self.pauses if pauses is None else pauses,
            since=self.since or now.at,
            until=now.at + timedelta(seconds=seconds),
            until_monotonic=now.monotonic + seconds,
            reason=reason,
        )


def _shown(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"
