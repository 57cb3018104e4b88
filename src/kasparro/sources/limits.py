"""How far apart calls to a source have to be, by its plan and by what it says when that is too much. Pure."""

from kasparro.records import Record

# A server that counts N calls per minute in fixed windows sees N + 1 of exactly N-th-of-a-minute apart ones as soon as the
# network delays the first of them. 2 % gives a whole window's calls 1.2 s of room, whatever N is.
MARGIN = 1.02
# A refusal takes three tenths of the rate; each answer gives a 180th of a call a minute back. Three tenths of a rate r at on
# average 0.85 r answers a minute are regained in 0.3 * 180 / 0.85 = 64 minutes, whatever r is: who has found the limit of a
# source runs into it less than once an hour, and uses 85 % of it. Answers count and not minutes, for a quiet hour proves nothing.
SHARE_AFTER_REFUSAL = 0.7
GAIN_PER_ANSWER = 1 / 180
LEAST_PER_MINUTE = 1.0


class Pace(Record, frozen=True, kw_only=True):
    """Even spacing: no burst that a fixed window, a leaky bucket or a shared address could object to."""

    most_per_minute: float  # what the settings allow
    per_minute: float  # what the source has been seen to bear

    @classmethod
    def of(cls, calls_per_minute: float) -> "Pace":
        """The pace of a source that has not objected yet."""
        return cls(most_per_minute=calls_per_minute, per_minute=calls_per_minute)

    @property
    def seconds(self) -> float:
        """From one call to the next."""
        return 60.0 / self.per_minute * MARGIN

    def turn(self, now: float, previous_turn: float | None) -> float:
        """When the next call may leave, on the clock of `now` (monotonic seconds): now, or one spacing after the previous turn."""
        return now if previous_turn is None else max(now, previous_turn + self.seconds)

    def refused(self) -> "Pace":
        """The pace after an answer that said "too many calls"."""
        least = min(LEAST_PER_MINUTE, self.most_per_minute)
        return Pace(most_per_minute=self.most_per_minute, per_minute=max(least, self.per_minute * SHARE_AFTER_REFUSAL))

    def answered(self) -> "Pace":
        """The pace after any other answer."""
        if self.per_minute == self.most_per_minute:
            return self
        return Pace(most_per_minute=self.most_per_minute, per_minute=min(self.most_per_minute, self.per_minute + GAIN_PER_ANSWER))
