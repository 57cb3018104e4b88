"""What `kasparro serve` says to who has just started it."""

from datetime import UTC, datetime

import pytest
import structlog

from kasparro.commands.serve import run_ended
from kasparro.records import RunStatus, RunSummary, Trigger


@pytest.mark.parametrize(
    ("trigger", "status", "said"),
    [("start", "failed", ["serve.nothing_new"]), ("start", "degraded", []), ("start", "succeeded", []), ("schedule", "failed", [])],
)
def test_a_first_run_that_brought_nothing_says_where_to_go_on(trigger: Trigger, status: RunStatus, said: list[str]) -> None:
    """Where no source could be used at the start, doctor and demo are named; later runs say it in /health."""
    now = datetime(2026, 3, 1, tzinfo=UTC)
    summary = RunSummary(run_id=1, trigger=trigger, status=status, started_at=now, finished_at=now, sources=())

    with structlog.testing.capture_logs() as lines:
        run_ended(summary)

    assert [line["event"] for line in lines] == said
    assert all("kasparro doctor" in line["message"] and "kasparro demo" in line["message"] for line in lines)
