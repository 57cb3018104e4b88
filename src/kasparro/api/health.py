"""/health, /health/live and /health/ready: from memory, whatever the database and the sources do."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from kasparro.api.dependencies import Dependencies
from kasparro.api.operations import Answer, Answered, Call, Operation, encoded
from kasparro.api.problems import ProblemError
from kasparro.api.shapes import Alive, Health, LastRun, SourceHealth
from kasparro.sources.breaker import Breaker
from kasparro.store.run_history import SourceStanding, Standing

INTERVALS_MAX = 3  # without a success of a source


def operations() -> Sequence[Operation]:
    """What these paths answer."""
    return [
        Operation(
            path="/health",
            handle=show_health,
            operation_id="show_health",
            summary="Whether all is well, and what is not",
            tag="state",
            answers={
                200: Answered("ok, or degraded with the reasons.", Health),
                503: Answered("down: the database does not answer.", Health),
            },
        ),
        Operation(
            path="/health/live",
            handle=show_live,
            operation_id="show_live",
            summary="The process answers",
            tag="state",
            answers={200: Answered("It does.", Alive)},
        ),
        Operation(
            path="/health/ready",
            handle=show_ready,
            operation_id="show_ready",
            summary="There is something to serve",
            tag="state",
            answers={200: Answered("Coins are served.", Alive), 503: Answered("Nothing was published yet.")},
        ),
    ]


async def show_live(_call: Call) -> Answer:
    """Nothing is looked at: a process that answers lives."""
    return Answer(body=encoded(Alive(status="ok")))


async def show_ready(call: Call) -> Answer:
    """Ready from the first publication on; an outage of the database does not take it back, since the catalog is served on."""
    if call.services.catalog.current.version == 0:
        raise ProblemError(503, "starting", "nothing was published yet; the first run is at work", headers=[("retry-after", "5")])
    return Answer(body=encoded(Alive(status="ok")))


async def show_health(call: Call) -> Answer:
    """The state as it is known now."""
    health = health_of(call.services)
    return Answer(body=encoded(health), status=503 if health.status == "down" else 200, headers=[("cache-control", "no-store")])


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
