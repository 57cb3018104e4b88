"""/metrics: this process, what it serves, and what the database remembers. docs/metrics.md lists every metric."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import asyncpg
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from kasparro import __version__
from kasparro.clock import month_of
from kasparro.errors import DatabaseError
from kasparro.metrics import CONTENT_TYPE, buckets
from kasparro.records import Outlook
from kasparro.serving.dependencies import Dependencies
from kasparro.serving.operations import Answer, Answered, Call, Operation
from kasparro.serving.standing import health_of
from kasparro.store import figures
from kasparro.store.figures import Counted, Figures, SourceSum

READ_SECONDS_MAX = 5.0  # half of what Prometheus waits: a first reading counts the runs of all time, a year of them in half a second
KEPT_SECONDS = 5.0  # several who ask at once cost the database one reading
LATELY = timedelta(days=1)
_DURATIONS = (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)
_BREAKER = {"closed": 0.0, "half_open": 0.5, "open": 1.0}
_WELL = {"ok", "starting"}

Samples = Iterable[tuple[Sequence[str], float | None]]


def operations() -> Sequence[Operation]:
    """What the path answers."""
    return [
        Operation(
            path="/metrics",
            handle=show_metrics,
            operation_id="show_metrics",
            summary="Metrics as Prometheus text",
            tag="state",
            answers={200: Answered("The metrics.", media_type="text/plain")},
        ),
    ]


async def show_metrics(call: Call) -> Answer:
    """All metrics. While the database is away, its figures are the last that were read."""
    services = call.services
    async with services.figures.reading:
        kept = await _figures(services)
    told = [*_of_process(services), *_of_sources(services), *(_of_database(services, kept) if kept else ())]
    return Answer(body=services.metrics.render(told), media_type=CONTENT_TYPE)


async def _figures(services: Dependencies) -> Figures | None:
    """The figures of now, else the last ones; None: there were none yet."""
    now, kept = services.clock.now(), services.figures.kept
    is_fresh = kept is not None and abs((now - kept.read_at).total_seconds()) < KEPT_SECONDS
    if is_fresh or services.catalog.database_error is not None:
        return kept
    month = month_of(now)
    try:
        async with services.database.read(snapshot=True, timeout_seconds=READ_SECONDS_MAX) as conn:
            services.figures.kept = await figures.read(
                conn, now, since=now - LATELY, month=month, durations=_DURATIONS, counted=kept.counted if kept else Counted()
            )
    except (DatabaseError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        pass  # the catalog's follower notices, logs and tells: kasparro_database_up
    return services.figures.kept


def _of_process(services: Dependencies) -> Iterable[Metric]:
    holder, catalog = services.catalog, services.catalog.current
    priced = len(catalog.orders.rank)
    published = holder.pulse.version if holder.pulse else None
    coins = [(("true",), priced), (("false",), len(catalog.entries) - priced)]
    yield _gauge("kasparro_build_info", "Always 1; the version is its label.", ("version",), [((__version__,), 1)])
    yield _gauge("kasparro_refresh_interval_seconds", "KASPARRO_REFRESH_SECONDS.", (), [((), services.settings.refresh_seconds)])
    yield _gauge("kasparro_http_streams_open", "Readers of /stream.", (), [((), len(services.readers))])
    yield _gauge("kasparro_database_up", "1 while the database answers this process.", (), [((), holder.database_error is None)])
    yield _gauge("kasparro_catalog_coins", "Coins that this process serves.", ("priced",), coins)
    yield _gauge("kasparro_catalog_version", "The version of the catalog that this process serves.", (), [((), catalog.version)])
    yield _gauge("kasparro_catalog_published_version", "The version that the database had when it was last polled.", (), [((), published)])
    yield _gauge(
        "kasparro_catalog_published_timestamp_seconds", "When the served version was published.", (), [((), _seconds(catalog.published_at))]
    )


def _of_sources(services: Dependencies) -> Iterable[Metric]:
    health = health_of(services).sources
    standing = services.catalog.standing
    known = () if standing is None else standing.sources
    well = [((name,), source.status in _WELL) for name, source in health.items()]
    breakers = [((name,), _BREAKER[manners.breaker.state]) for name, manners in services.manners.items()]
    paces = [((name,), manners.pace.per_minute) for name, manners in services.manners.items()]
    successes = [((s.source,), _seconds(s.last_success_at)) for s in known]
    failures = [((s.source,), _seconds(s.last_error_at)) for s in known]
    yield _gauge("kasparro_source_healthy", "1 while /health finds nothing wrong with the source.", ("source",), well)
    yield _gauge("kasparro_source_breaker", "0: it is asked; 1: it is left alone; 0.5: one call looks.", ("source",), breakers)
    yield _gauge("kasparro_source_calls_per_minute", "The pace that it has been seen to bear.", ("source",), paces)
    yield _gauge("kasparro_source_last_success_timestamp_seconds", "When the last run ended in which it succeeded.", ("source",), successes)
    yield _gauge(
        "kasparro_source_last_failure_timestamp_seconds", "When the last run ended in which it had an error.", ("source",), failures
    )


def _of_database(services: Dependencies, kept: Figures) -> Iterable[Metric]:
    ended: dict[str, datetime] = {}
    for run in kept.counted.runs:
        ended[run.status] = max(run.last_finished_at, ended.get(run.status, run.last_finished_at))
    runs = [((run.trigger, run.status), run.runs) for run in kept.counted.runs]
    drift = [((d.stream, d.verdict), d.findings) for d in kept.drift]
    rejects = [((r.stream, r.reason), r.rows) for r in kept.rejects]
    newest = [((c.stream,), _seconds(c.newest_commit_at)) for c in kept.coverage]
    yield _gauge(
        "kasparro_database_read_timestamp_seconds", "When the figures of the database were read.", (), [((), kept.read_at.timestamp())]
    )
    yield _gauge("kasparro_database_bytes", "Size of the database.", (), [((), kept.database_bytes)])
    yield _counter("kasparro_runs", "Runs that have ended.", ("trigger", "status"), runs)
    yield _gauge(
        "kasparro_run_last_end_timestamp_seconds", "When the last run with a status ended.", ("status",),
        [((status,), at.timestamp()) for status, at in ended.items()],
    )  # fmt: skip
    yield from _of_work(kept)
    yield from _of_budgets({n: services.outlooks.outlook(n, kept.known, kept.calls_of_month.get(n, 0)) for n in services.settings.sources})
    yield from _of_listings(kept)
    yield _gauge(
        "kasparro_stream_parts", "Parts that a stream is known to have.", ("stream",), [((c.stream,), c.parts) for c in kept.coverage]
    )
    yield _gauge(
        "kasparro_stream_parts_committed", "Parts of a stream that were committed at least once.", ("stream",),
        [((c.stream,), c.parts_committed) for c in kept.coverage],
    )  # fmt: skip
    yield _gauge("kasparro_stream_newest_commit_timestamp_seconds", "When a part was last committed.", ("stream",), newest)
    yield _gauge("kasparro_stream_rejects_last_day", "Rows of the last day that were rejected.", ("stream", "reason"), rejects)
    yield _gauge("kasparro_stream_drift_last_day", "Fields of which the last day's answers looked unusual.", ("stream", "verdict"), drift)
    yield _gauge("kasparro_judgements_unsure", "Judgements that wait for a person.", (), [((), kept.unsure)])


def _of_work(kept: Figures) -> Iterable[Metric]:
    """What runs did with sources, and what was asked of them."""
    sums: dict[str, list[SourceSum]] = {}
    outcomes: dict[tuple[str, ...], float] = {}
    for one in kept.counted.sums:
        sums.setdefault(one.source, []).append(one)
        outcomes[one.source, one.outcome] = outcomes.get((one.source, one.outcome), 0) + one.runs
    rows = [
        ((source, what), sum(getattr(one, f"rows_{what}") for one in of_source))
        for source, of_source in sums.items()
        for what in ("received", "written", "revised", "rejected")
    ]
    took = HistogramMetricFamily("kasparro_source_run_seconds", "How long a source took in a run.", labels=("source",))
    for source, of_source in sums.items():
        numbers = [sum(one.runs for one in of_source if one.bucket == bucket) for bucket in range(len(_DURATIONS) + 1)]
        took.add_metric((source,), buckets=buckets(_DURATIONS, numbers), sum_value=sum(one.duration_seconds for one in of_source))
    yield _counter("kasparro_source_outcomes", "Outcomes of a source in runs.", ("source", "outcome"), list(outcomes.items()))
    yield _counter("kasparro_source_rows", "Rows of a source by what became of them.", ("source", "what"), rows)
    yield took
    yield _counter(
        "kasparro_source_calls", "Calls sent to a source.", ("source",), [((source,), calls) for source, calls in kept.calls.items()]
    )


def _of_budgets(outlooks: dict[str, Outlook]) -> Iterable[Metric]:
    used = [((name,), outlook.used) for name, outlook in outlooks.items()]
    limits = [((name,), outlook.limit) for name, outlook in outlooks.items()]
    expected = [((name,), outlook.expected) for name, outlook in outlooks.items()]
    # The last place of the last tier moves with the market: a tier is named by its first.
    mean = [((name, str(tier.first)), tier.staleness_mean_seconds) for name, outlook in outlooks.items() for tier in outlook.tiers]
    most = [((name, str(tier.first)), tier.staleness_max_seconds) for name, outlook in outlooks.items() for tier in outlook.tiers]
    yield _gauge("kasparro_source_month_calls", "Calls of this month, UTC.", ("source",), used)
    yield _gauge("kasparro_source_month_calls_limit", "Calls that the plan allows in a month.", ("source",), limits)
    yield _gauge("kasparro_source_month_calls_expected", "Calls of the whole month, at the present pace.", ("source",), expected)
    yield _gauge(
        "kasparro_source_staleness_mean_seconds", "Time since listings were asked for, by traded volume.", ("source", "tier"), mean
    )
    yield _gauge("kasparro_source_staleness_max_seconds", "The same of the listing that waits longest.", ("source", "tier"), most)


def _of_listings(kept: Figures) -> Iterable[Metric]:
    states = [
        ((c.source, state), number)
        for c in kept.listings
        for state, number in (("all", c.listings), ("active", c.active), ("quoted", c.quoted))
    ]
    newest = [((c.source,), _seconds(c.newest_observed_at)) for c in kept.listings]
    yield _gauge("kasparro_source_listings", "Listings of a source.", ("source", "state"), states)
    yield _gauge("kasparro_source_newest_quote_timestamp_seconds", "The newest time at which the source saw a price.", ("source",), newest)


def _gauge(name: str, meaning: str, labels: Sequence[str], samples: Samples) -> Metric:
    """A gauge without the samples that are None."""
    family = GaugeMetricFamily(name, meaning, labels=labels)
    for values, number in samples:
        if number is not None:
            family.add_metric(values, float(number))
    return family


def _counter(name: str, meaning: str, labels: Sequence[str], samples: Samples) -> Metric:
    family = CounterMetricFamily(name, meaning, labels=labels)
    for values, number in samples:
        if number is not None:
            family.add_metric(values, float(number))
    return family


def _seconds(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp()
