"""The bodies of answers, as they are encoded and as the OpenAPI document shows them. Times are RFC 3339 in UTC, amounts US dollars."""

from datetime import datetime
from typing import Any

import msgspec

from kasparro.catalog.rows import CoinRow
from kasparro.records import Outcome, RunStatus, RunSummary, Trigger
from kasparro.serving.operations import Shape


class CoinEnvelope(Shape, frozen=True, kw_only=True):
    """Rows of coins with what belongs to the request."""

    request_id: str
    api_latency_ms: float
    total: int
    next: str | None  # the path and query of the next page
    data: list[CoinRow]


class CoinPrice(Shape, frozen=True, kw_only=True):
    """A coin's price, short."""

    id: str
    symbol: str
    latest_price_usd: float | None
    observed_at: datetime | None
    confidence: float | None
    flags: tuple[str, ...]


class Resolved(Shape, frozen=True, kw_only=True):
    """The coin that was asked for, or those that it may be."""

    coin: CoinRow | None  # None where several may be meant
    candidates: list[CoinRow]  # best first
    ambiguous: bool


class SourceOutcome(Shape, frozen=True, kw_only=True):
    """What one source did in one run."""

    outcome: Outcome
    error: str | None
    calls: int
    parts: int
    rows_received: int
    rows_written: int
    rows_revised: int
    rows_rejected: int
    duration_seconds: float


class Run(Shape, frozen=True, kw_only=True):
    """One execution of the ingestion; `finished_at` is null while it works."""

    id: int
    trigger: Trigger
    status: RunStatus
    started_at: datetime
    finished_at: datetime | None
    sources: dict[str, SourceOutcome]


class RunBegun(Shape, frozen=True, kw_only=True):
    """A run that works now."""

    run_id: int


class RunEnded(Run, frozen=True, kw_only=True):
    """A run that was waited for."""

    run_id: int


class Alive(Shape, frozen=True, kw_only=True):
    """The process answers, or is ready."""

    status: str


class Root(Shape, frozen=True, kw_only=True):
    """What this is."""

    name: str
    version: str
    status: str
    links: dict[str, str]
    attribution: list[dict[str, str]]


class RunRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to run: the sources (all where none are named), and whether every part is asked for, due or not."""

    sources: list[str] | None = None
    full: bool = False


def run_shape(run: RunSummary) -> Run:
    """A run as it is shown."""
    return Run(**_run_fields(run))


def run_ended(run: RunSummary) -> RunEnded:
    """A run as it is shown to the one who waited for it."""
    return RunEnded(run_id=run.run_id, **_run_fields(run))


def _run_fields(run: RunSummary) -> dict[str, Any]:
    return {
        "id": run.run_id,
        "trigger": run.trigger,
        "status": run.status,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "sources": {s.source: msgspec.convert(s, SourceOutcome, from_attributes=True) for s in run.sources},
    }
