"""How each source, and so the run, fared. Pure."""

from collections.abc import Sequence

from kasparro.ingest.progress import Progress
from kasparro.records import Outcome, PartResult, RunStatus, SourceSummary
from kasparro.sources.base import Source


class SourceWork:
    """How one source fares while a run works."""

    def __init__(self, source: Source, progress: Progress) -> None:
        self.source, self.progress = source, progress
        self.errors: list[str] = []
        self.withheld: str | None = None  # why nothing more was asked for, where nothing failed
        self.warnings: list[str] = []  # of parts that were committed all the same
        self.drifted: set[tuple[str, str, str]] = set()  # (stream, field, kind) that was told in this run
        self.calls = self.parts = self.quote_parts = self.quote_failures = 0
        self.received = self.written = self.revised = self.rejected = 0
        self.seconds = 0.0
        self.ended = False

    def count_call(self, _source: str, _status: int) -> None:
        """Count a call that was made, answered or not."""
        self.calls += 1

    def add(self, result: PartResult, *, has_quotes: bool) -> None:
        """Count a committed part."""
        self.parts += 1
        self.quote_parts += has_quotes and result.rows_received > 0  # an empty last page serves nothing
        self.received += result.rows_received
        self.written += result.rows_written
        self.revised += result.quotes_revised
        self.rejected += result.rows_rejected

    def outcome(self) -> Outcome:
        """`failed`: nothing new is served from it; `degraded`: some of it is missing; `skipped`: nothing was due."""
        if not self.errors:
            return "skipped" if not self.parts else "degraded" if self.withheld or self.warnings else "succeeded"
        if self.parts == 0 or (self.quote_failures and not self.quote_parts):
            return "failed"
        return "degraded"

    def troubles(self) -> list[str]:
        """What went wrong, for people, each kind once: what cost a part first."""
        return list(dict.fromkeys([*self.errors, *self.warnings, *([self.withheld] if self.withheld else [])]))

    def summary(self) -> SourceSummary:
        """The run's row for this source."""
        distinct = self.troubles()
        more = f" (and {len(distinct) - 1} other kinds of trouble)" if len(distinct) > 1 else ""
        return SourceSummary(
            source=self.source.name,
            outcome=self.outcome(),
            error=distinct[0] + more if distinct else None,
            calls=self.calls,
            parts=self.parts,
            rows_received=self.received,
            rows_written=self.written,
            rows_revised=self.revised,
            rows_rejected=self.rejected,
            duration_seconds=round(self.seconds, 3),
        )


def status_of(sources: Sequence[SourceSummary]) -> RunStatus:
    """The run's status: `failed` where every source failed, `degraded` where something is missing."""
    outcomes = {s.outcome for s in sources}
    if outcomes and outcomes <= {"failed"}:
        return "failed"
    return "degraded" if outcomes & {"failed", "degraded"} else "succeeded"
