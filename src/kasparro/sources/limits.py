"""How far apart calls to a source have to be. Pure."""

from kasparro.records import Record

# A server that counts N calls per minute in fixed windows sees N + 1 of exactly N-th-of-a-minute apart ones as soon as the
# network delays the first of them. 2 % gives a whole window's calls 1.2 s of room, whatever N is.
MARGIN = 1.02


class Spacing(Record, frozen=True, kw_only=True):
    """Even spacing: no burst that a fixed window, a leaky bucket or a shared address could object to."""

    calls_per_minute: int

    @property
    def seconds(self) -> float:
        """From one call to the next."""
        return 60.0 / self.calls_per_minute * MARGIN

    def turn(self, now: float, previous_turn: float | None) -> float:
        """When the next call may leave, on the clock of `now` (monotonic seconds): now, or one spacing after the previous turn."""
        return now if previous_turn is None else max(now, previous_turn + self.seconds)
