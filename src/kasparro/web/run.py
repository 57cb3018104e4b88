"""The page of one run: what each source did in it, and how that compares with the run before."""

from typing import NamedTuple

import msgspec

from kasparro.records import RunSummary, SourceSummary
from kasparro.serving import parameters
from kasparro.serving.deviations import Anomaly
from kasparro.serving.drift import FieldDrift, drift_by_source
from kasparro.serving.operations import Call, Operation
from kasparro.serving.problems import not_found
from kasparro.serving.runs import RUN_ID_MAX, odd_in
from kasparro.store import run_history
from kasparro.store.run_history import StreamProgress
from kasparro.web import figures
from kasparro.web.frame import Frame, View
from kasparro.web.runs import PATH, WORDS, told, working

_COUNTS = {
    "rows_received": "Rows received",
    "rows_written": "Rows written",
    "rows_revised": "Rows revised",
    "rows_rejected": "Rows rejected",
    "calls": "Calls",
    "parts": "Parts",
}


class Figure(NamedTuple):
    """Something of a run beside the same of the run before."""

    name: str
    value: str
    before: str


class SourceRun(msgspec.Struct, frozen=True):
    """One source in the run. `before`: what it did in the run before; None where that did not have it."""

    summary: SourceSummary
    before: SourceSummary | None
    figures: list[Figure]


class _Found(msgspec.Struct, frozen=True):
    run: RunSummary
    before: RunSummary | None
    following: int | None
    coverage: dict[tuple[int, str], float | None]
    odd: list[Anomaly]
    drift: dict[str, list[FieldDrift]]
    progress: list[StreamProgress]


def pages(frame: Frame) -> list[Operation]:
    """The page."""
    path, parameter = PATH + "/{run_id}", {"run_id": "The run's id."}
    return [frame.page(path, show_run, operation_id="show_run_page", summary="One run", path_parameters=parameter)]


async def show_run(call: Call) -> View:
    """One run."""
    services, text = call.services, call.path_parameters["run_id"]
    number = parameters.path_number(text, RUN_ID_MAX)
    found = None if number is None else await _found(call, number)
    if found is None:
        detail = f"No run has the id {text[:100]!r}. The page of the runs has the newest."
        raise not_found(detail)
    run = found.run
    names = [s.source for s in run.sources] or list(services.settings.sources)
    context = {
        "shown": told([run], names)[0],
        "sources": [_source(s, found) for s in run.sources],
        "before": found.before,
        "following": found.following,
        "odd": found.odd,
        "drift": [d for some in found.drift.values() for d in some if d.run_id == run.run_id],
        "working": None if run.finished_at is not None else working(run, found.progress, services.clock.now()),
        "here": PATH,
        **WORDS,
    }
    return View(template="run.html", context=context)


async def _found(call: Call, number: int) -> _Found | None:
    async with call.services.database.read(snapshot=True) as conn:
        run = await run_history.read_run(conn, number)
        if run is None:
            return None
        earlier = await run_history.read_ended(conn, number - 1, 1)
        before = await run_history.read_run(conn, earlier[0]) if earlier else None
        return _Found(
            run=run,
            before=before,
            following=await run_history.read_following(conn, number),
            coverage=await run_history.read_run_coverage(conn, [number, *earlier]),
            odd=[] if run.finished_at is None else await odd_in(conn, call.services.clock, run),
            drift=await drift_by_source(conn),
            progress=await run_history.read_progress(conn, run.started_at) if run.finished_at is None else [],
        )


def _source(summary: SourceSummary, found: _Found) -> SourceRun:
    before = None if found.before is None else next((s for s in found.before.sources if s.source == summary.source), None)
    now, then = (_told(run, s, found) for run, s in ((found.run, summary), (found.before, before)))
    return SourceRun(summary, before, [Figure(name, value, then.get(name, "")) for name, value in now.items()])


def _told(run: RunSummary | None, summary: SourceSummary | None, found: _Found) -> dict[str, str]:
    if run is None or summary is None:
        return {}
    coverage = found.coverage.get((run.run_id, summary.source))
    return {
        **{title: figures.whole(getattr(summary, name)) for name, title in _COUNTS.items()},
        "Duration": figures.span(summary.duration_seconds),
        "Active listings quoted within a day": "not counted" if coverage is None else f"{coverage:.1%}",
        "Outcome": summary.outcome,
    }
