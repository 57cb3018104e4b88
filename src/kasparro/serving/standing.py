"""How the service fares: from what the catalog's follower last saw, whatever the database and the sources do."""

from datetime import datetime, timedelta

from kasparro.records import RunStatus, Trigger
from kasparro.serving.dependencies import Dependencies
from kasparro.serving.operations import Shape
from kasparro.sources.breaker import Breaker
from kasparro.store.run_history import SourceStanding, Standing

INTERVALS_MAX = 3  # without a success of a source


class LastRun(Shape, frozen=True, kw_only=True):
    """The newest run, without its sources."""

    id: int
    trigger: Trigger
    status: RunStatus
    started_at: datetime
    finished_at: datetime | None


class SourceHealth(Shape, frozen=True, kw_only=True):
    """How a source fares: `status` is ok, degraded, failed or starting; `breaker` closed, open or half_open, as this process sees it."""

    status: str
    last_success_at: datetime | None
    troubled_since: datetime | None  # it has not succeeded since then
    last_error: str | None
    breaker: str
    breaker_since: datetime | None
    breaker_reason: str | None


class Health(Shape, frozen=True, kw_only=True):
    """The state of the service: ok, degraded (with reasons) or down (no database)."""

    status: str
    reasons: list[str]
    database: str
    last_run: LastRun | None
    sources: dict[str, SourceHealth]
    catalog_version: int
    published_at: datetime | None


def health_of(services: Dependencies) -> Health:
    """The state of the service, from what the catalog's follower last saw."""
    holder = services.catalog
    now = services.clock.now()
    standing = holder.standing or Standing(last_run=None, first_run_started_at=None, sources=())
    known = {source.source: source for source in standing.sources}
    interval = timedelta(seconds=services.settings.refresh_seconds)
    reasons: list[str] = []
    if holder.database_error is not None:
        reasons.append(f"the database does not answer: {holder.database_error}")
    if holder.current.version == 0 or not holder.current.complete:
        reasons.append("starting")
    sources: dict[str, SourceHealth] = {}
    for name in services.settings.sources:
        one = known.get(name) or SourceStanding(source=name)
        status, reason = _source_status(one, standing.first_run_started_at, interval, now)
        if reason is not None:
            reasons.append(f"{name}: {reason}")
        failing = one.outcome not in (None, "succeeded")
        breaker = services.manners[name].breaker if name in services.manners else Breaker()
        sources[name] = SourceHealth(
            status=status,
            last_success_at=one.last_success_at,
            troubled_since=one.troubled_since if failing else None,
            last_error=one.last_error if failing else None,
            breaker=breaker.state,
            breaker_since=breaker.since,
            breaker_reason=None if breaker.state == "closed" else breaker.reason,
        )
    run = standing.last_run
    status = "down" if holder.database_error is not None else "degraded" if reasons else "ok"
    return Health(
        status=status,
        reasons=reasons,
        database="ok" if holder.database_error is None else "down",
        last_run=None
        if run is None
        else LastRun(id=run.run_id, trigger=run.trigger, status=run.status, started_at=run.started_at, finished_at=run.finished_at),
        sources=sources,
        catalog_version=holder.current.version,
        published_at=holder.current.published_at,
    )


def _source_status(
    source: SourceStanding, first_run_started_at: datetime | None, interval: timedelta, now: datetime
) -> tuple[str, str | None]:
    """(status, what is wrong or None) of one source."""
    if source.outcome is not None and source.outcome != "succeeded":
        status = "degraded" if source.outcome == "skipped" else source.outcome
        since = f" (since {source.troubled_since:%Y-%m-%d %H:%M:%S} UTC)" if source.troubled_since is not None else ""
        return status, f"its last outcome was {source.outcome}{since}{f': {source.last_error}' if source.last_error else ''}"
    # Without an interval nobody has promised when the next run comes: only the outcome counts.
    # A run for which the plan had nothing to ask of the source is as good as one that asked.
    last = max(filter(None, (source.last_success_at, source.last_idle_at)), default=first_run_started_at)
    if interval and last is not None and now - last > INTERVALS_MAX * interval:
        return "degraded", f"it has not succeeded for {INTERVALS_MAX} intervals"
    return ("starting" if source.outcome is None else "ok"), None
