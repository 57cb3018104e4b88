"""/anomalies and /runs/compare: what is unlike itself, and two runs side by side."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from kasparro.api.shapes import SourceOutcome
from kasparro.clock import in_pieces
from kasparro.pricing.choose import DISAGREE
from kasparro.records import RunStatus, RunSummary, SourceSummary, Trigger
from kasparro.serving import parameters
from kasparro.serving.deviations import Anomaly, of_prices
from kasparro.serving.operations import Answer, Answered, Call, Operation, Shape, encoded
from kasparro.serving.parameters import Parameter
from kasparro.serving.problems import not_found
from kasparro.serving.runs import RUN_ID_MAX, odd_in, odd_since
from kasparro.store import prices, run_history

_VOLATILITY_SPAN = timedelta(days=3)  # before the span that is asked for: what a coin does is known by it


class Compared(SourceOutcome, frozen=True, kw_only=True):
    """What one source did in a run. `coverage`: the share of its active listings that it had quoted within a day; null: not counted."""

    coverage: float | None


class Difference(Shape, frozen=True, kw_only=True):
    """What b has more than a."""

    calls: int
    parts: int
    rows_received: int
    rows_written: int
    rows_revised: int
    rows_rejected: int
    duration_seconds: float
    coverage: float | None


class SourceCompared(Shape, frozen=True, kw_only=True):
    """One source in two runs; null where a run did not have it."""

    a: Compared | None
    b: Compared | None
    difference: Difference | None
    same_outcome: bool


class RunCompared(Shape, frozen=True, kw_only=True):
    """A run without its sources."""

    id: int
    trigger: Trigger
    status: RunStatus
    started_at: datetime
    finished_at: datetime | None
    duration_seconds: float | None


class Comparison(Shape, frozen=True, kw_only=True):
    """Two runs side by side, and what was unlike the runs before in either."""

    a: RunCompared
    b: RunCompared
    sources: dict[str, SourceCompared]
    anomalies: list[Anomaly]


def _run(name: str, text: str) -> Parameter:
    bounded = parameters.integer(name, text, default=0, least=1, most=RUN_ID_MAX)
    schema = {key: value for key, value in bounded.schema.items() if key != "default"}
    return Parameter(name=name, description=text, schema=schema, parse=bounded.parse)


_RUNS = [_run("a", "The one run; the last before b if not given."), _run("b", "The other run; the last that has ended if not given.")]


def operations() -> Sequence[Operation]:
    """What these paths answer."""
    unavailable = Answered("The database does not answer.")
    return [
        Operation(
            path="/runs/compare",
            handle=compare_runs,
            operation_id="compare_runs",
            summary="Two runs side by side, per source",
            tag="runs",
            parameters=_RUNS,
            answers={200: Answered("Both runs.", Comparison), 404: Answered("There is no such run."), 503: unavailable},
        ),
        Operation(
            path="/compare-runs",
            handle=redirect,
            operation_id="redirect_compare_runs",
            summary="Leads to /runs/compare",
            tag="runs",
            answers={308: Answered("See Location.", headers=("Location",))},
        ),
        Operation(
            path="/anomalies",
            handle=list_anomalies,
            operation_id="list_anomalies",
            summary="What is unlike itself: coverage, durations, prices, sources that keep differing; newest first",
            tag="runs",
            parameters=[
                parameters.integer("hours", "How far back.", default=24, least=1, most=72),
                parameters.integer(
                    "coins", "Prices of how many coins: those traded most, and as many that disagree.", default=100, least=1, most=200
                ),
            ],
            answers={200: Answered("What was found.", list[Anomaly]), 503: unavailable},
        ),
    ]


async def redirect(call: Call) -> Answer:
    """The path that this is also looked for at."""
    query = f"?{call.query_string.decode('latin-1')}" if call.query_string else ""
    return Answer(body=encoded({"path": "/runs/compare"}), status=308, headers=[("location", f"/runs/compare{query}")])


async def compare_runs(call: Call) -> Answer:
    """Two runs, by default the last two that have ended."""
    wanted_a, wanted_b = call.query["a"], call.query["b"]
    async with call.services.database.read(snapshot=True) as conn:
        newest = await run_history.read_ended(conn, RUN_ID_MAX if wanted_b is None else wanted_b - 1, 2)
        id_b = wanted_b if wanted_b is not None else newest.pop(0) if newest else None
        id_a = wanted_a if wanted_a is not None else newest[0] if newest else None
        found = {number: await run_history.read_run(conn, number) for number in (id_a, id_b) if number is not None}
        a, b = found.get(id_a or 0), found.get(id_b or 0)
        if a is None or b is None:
            missing = [f"a={id_a}"] * (a is None) + [f"b={id_b}"] * (b is None)
            detail = f"there is no run {' and '.join(missing)} to compare; GET /runs lists the newest".replace("=None", "")
            raise not_found(detail)
        coverage = await run_history.read_run_coverage(conn, [a.run_id, b.run_id])
        anomalies = []
        for run in {run.run_id: run for run in (a, b)}.values():
            anomalies += await odd_in(conn, call.services.clock, run)
    names = sorted({s.source for run in (a, b) for s in run.sources})
    sources = {name: _source(*(_compared(run, name, coverage.get((run.run_id, name))) for run in (a, b))) for name in names}
    return Answer(body=encoded(Comparison(a=_head(a), b=_head(b), sources=sources, anomalies=anomalies)))


async def list_anomalies(call: Call) -> Answer:
    """What is odd in the last hours."""
    services, span = call.services, timedelta(hours=call.query["hours"])
    since = services.clock.now() - span
    async with services.database.read() as conn:
        found = await odd_since(conn, services.clock, since)
        hourly = await prices.hourly(conn, call.query["coins"], DISAGREE, since - _VOLATILITY_SPAN)
    found += await in_pieces(of_prices(hourly, since), services.clock)
    found.sort(key=lambda anomaly: anomaly.until, reverse=True)
    return Answer(body=encoded(found))


def _head(run: RunSummary) -> RunCompared:
    seconds = None if run.finished_at is None else (run.finished_at - run.started_at).total_seconds()
    return RunCompared(
        id=run.run_id,
        trigger=run.trigger,
        status=run.status,
        started_at=run.started_at,
        finished_at=run.finished_at,
        duration_seconds=seconds,
    )


def _compared(run: RunSummary, name: str, coverage: float | None) -> Compared | None:
    found: SourceSummary | None = next((s for s in run.sources if s.source == name), None)
    if found is None:
        return None
    fields = {field: getattr(found, field) for field in Compared.__struct_fields__ if field != "coverage"}
    return Compared(**fields, coverage=coverage)


def _source(a: Compared | None, b: Compared | None) -> SourceCompared:
    difference = None
    if a is not None and b is not None:
        more = {field: _more(getattr(a, field), getattr(b, field)) for field in Difference.__struct_fields__}
        difference = Difference(**more)
    same = a is not None and b is not None and a.outcome == b.outcome
    return SourceCompared(a=a, b=b, difference=difference, same_outcome=same)


def _more(a: float | None, b: float | None) -> Any:  # noqa: ANN401  # whole numbers stay whole
    return None if a is None or b is None else b - a
