"""The page of the runs: how the service fares, what it spends, how fresh and whole its data is, and what every run did."""

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import msgspec

from kasparro import logs
from kasparro.records import RunSummary
from kasparro.serving import parameters
from kasparro.serving.dependencies import Dependencies
from kasparro.serving.deviations import Anomaly
from kasparro.serving.operations import Call, Operation
from kasparro.serving.problems import DATABASE_TROUBLE, trouble
from kasparro.serving.runs import RUN_ID_MAX, odd_since
from kasparro.serving.standing import SourceHealth, health_of
from kasparro.serving.stats import SourceStats, Stats, stats_of
from kasparro.store import run_history
from kasparro.store.run_history import RejectExample, StreamProgress
from kasparro.web import outcomes
from kasparro.web.frame import Frame, View
from kasparro.web.outcomes import Cell, Gauge

log = logs.get()

PATH = "/pages/runs"
ROWS = 25
TIMELINE = 44  # as many as a wide window has room for
_SPAN = timedelta(days=1)
_WAITED_SECONDS = 5.0  # for the database: without it the page says how all is
_EXAMPLES, _EXAMPLES_AMONG = 3, 2_000
_QUERY = [parameters.integer("to", "Only runs up to this one.", default=RUN_ID_MAX, least=1, most=RUN_ID_MAX)]


class Told(msgspec.Struct, frozen=True):
    """A run in the timeline and in the table."""

    run: RunSummary
    cells: list[Cell]
    label: str
    trigger: str
    seconds: float | None


class Working(msgspec.Struct, frozen=True):
    """A run at work, and what it has committed so far."""

    run: RunSummary
    trigger: str
    seconds: float
    progress: list[StreamProgress]


class SourceNow(msgspec.Struct, frozen=True):
    """One source: how it fares, and what is known of it. `stats` is None where the database does not answer."""

    name: str
    health: SourceHealth
    fares: str
    breaker: str
    stats: SourceStats | None
    gauge: Gauge | None


class Rejected(msgspec.Struct, frozen=True):
    """Rows of a stream that could not be used for one reason."""

    stream: str
    reason: str
    rows: int
    examples: list[RejectExample]


class History(msgspec.Struct, frozen=True):
    """What the database tells."""

    stats: Stats
    runs: list[RunSummary]
    odd: list[Anomaly]
    examples: list[RejectExample]
    working: Working | None


def pages(frame: Frame) -> list[Operation]:
    """The page."""
    return [frame.page(PATH, show_runs, operation_id="show_runs_page", summary="How the service fares, and what its runs did")]


async def show_runs(call: Call) -> View:
    """The page; with `to` only the runs up to one."""
    services = call.services
    newest = parameters.read(_QUERY, call.query_string)["to"]
    if newest != RUN_ID_MAX:
        return await _older(services, newest)
    try:
        async with asyncio.timeout(_WAITED_SECONDS):
            history = await _history(services)
    except DATABASE_TROUBLE as error:
        log.info("web.runs_missing", error=trouble(error))
        history = None
    health = health_of(services)
    shown = [] if history is None else history.runs
    names = sources_of(services, shown)
    context: dict[str, Any] = {
        "health": health,
        "sources": [_source(name, one, history) for name, one in health.sources.items()],
        "stats": None if history is None else history.stats,
        "working": None if history is None else history.working,
        "names": names,
        "timeline": told(shown, names),
        "rows": told(shown[:ROWS], names),
        "rejects": [] if history is None else _rejects(history),
        "odd": [] if history is None else sorted(history.odd, key=lambda a: a.until, reverse=True),
        "older": _older_link(shown[:ROWS]),
        "interval": services.settings.refresh_seconds,
        **WORDS,
    }
    return View(template="runs.html", context=context, status=503 if history is None else 200)


WORDS = {"outcomes": outcomes.OUTCOMES, "kinds": outcomes.KINDS, "done": outcomes.DONE}


async def _history(services: Dependencies) -> History:
    stats = await stats_of(services)
    now = services.clock.now()
    async with services.database.read(snapshot=True) as conn:
        runs = await run_history.read_runs(conn, TIMELINE)
        odd = await odd_since(conn, services.clock, now - _SPAN)
        examples = await run_history.read_reject_examples(conn, now - _SPAN, _EXAMPLES_AMONG, _EXAMPLES)
        open_run = next((run for run in runs if run.finished_at is None), None)
        progress = [] if open_run is None else await run_history.read_progress(conn, open_run.started_at)
    return History(stats, runs, odd, examples, None if open_run is None else working(open_run, progress, now))


async def _older(services: Dependencies, newest: int) -> View:
    async with services.database.read() as conn:
        runs = await run_history.read_runs(conn, ROWS, newest)
    names = sources_of(services, runs)
    context = {"rows": told(runs, names), "names": names, "older": _older_link(runs), "newest": newest, "here": PATH, **WORDS}
    return View(template="older.html", context=context)


def working(run: RunSummary, progress: list[StreamProgress], now: datetime) -> Working:
    """A run that has not ended."""
    return Working(run, outcomes.TRIGGERS[run.trigger], max(0.0, (now - run.started_at).total_seconds()), progress)


def sources_of(services: Dependencies, runs: Iterable[RunSummary]) -> list[str]:
    """The sources that are set up, and those that runs had before."""
    return list(dict.fromkeys([*services.settings.sources, *(s.source for run in runs for s in run.sources)]))


def told(runs: Iterable[RunSummary], names: list[str]) -> list[Told]:
    """Runs as they are shown."""
    return [
        Told(
            run=run,
            cells=outcomes.cells(run, names),
            label=outcomes.told(run, names),
            trigger=outcomes.TRIGGERS[run.trigger],
            seconds=None if run.finished_at is None else (run.finished_at - run.started_at).total_seconds(),
        )
        for run in runs
    ]


def _source(name: str, health: SourceHealth, history: History | None) -> SourceNow:
    stats = None if history is None else history.stats.sources.get(name)
    return SourceNow(
        name=name,
        health=health,
        fares=outcomes.fares(health),
        breaker=outcomes.breaker(health),
        stats=stats,
        gauge=None if stats is None else outcomes.gauge(stats.budget),
    )


def _rejects(history: History) -> list[Rejected]:
    examples: dict[tuple[str, str], list[RejectExample]] = {}
    for one in history.examples:
        examples.setdefault((one.stream, one.reason), []).append(one)
    return [Rejected(r.stream, r.reason, r.rows, examples.get((r.stream, r.reason), [])) for r in history.stats.rejects]


def _older_link(shown: list[RunSummary]) -> str | None:
    return f"{PATH}?to={shown[-1].run_id - 1}" if len(shown) == ROWS and shown[-1].run_id > 1 else None
