"""What one source's calls cost in a run. Pure."""

from http import HTTPStatus

from kasparro.ingest.budget import Budget

# An answer that is data costs one, also where it turns out to be of no use; "unchanged" is one of these. A refusal costs nothing.
_PAID = frozenset({HTTPStatus.OK, HTTPStatus.NOT_MODIFIED})


class Spending:
    """Counts calls as they are made, and which of them are not in the database yet."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget  # as it was when the run began
        self.paid = 0  # in this run
        self.unbooked = 0  # of these, not yet counted against the month in the database

    def count(self, _source: str, status: int) -> None:
        """Take note of a call; status 0 is one that got no answer."""
        if status in _PAID:
            self.paid += 1
            self.unbooked += 1

    def booked(self, calls: int) -> None:
        """So many are in the database now."""
        self.unbooked -= calls
