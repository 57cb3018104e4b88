"""Metrics with stable names and bounded labels. docs/operations.md lists them."""

from bisect import bisect_left
from collections.abc import Iterable
from itertools import accumulate
from typing import Literal, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_LATENCIES = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_DURATIONS = (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)


class SourceFigures(Protocol):
    """What is counted of a source's part in a run: see records.SourceSummary."""

    @property
    def source(self) -> str: ...
    @property
    def outcome(self) -> str: ...
    @property
    def calls(self) -> int: ...
    @property
    def rows_received(self) -> int: ...
    @property
    def rows_written(self) -> int: ...
    @property
    def rows_revised(self) -> int: ...
    @property
    def rows_rejected(self) -> int: ...
    @property
    def duration_seconds(self) -> float: ...


class RunFigures(Protocol):
    """What is counted of a run: see records.RunSummary."""

    @property
    def trigger(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def sources(self) -> Iterable[SourceFigures]: ...


class RequestFigures(Collector):
    """Requests and how long they took. The library's own counters cost several microseconds a request, half of what an answer does."""

    def __init__(self) -> None:
        self._answered: dict[tuple[str, str, int], int] = {}
        self._took: dict[str, list[float]] = {}  # route -> requests by latency, and the sum of the seconds at the end

    def add(self, route: str, method: str, status: int, seconds: float | None) -> None:
        """Count one, and its time where that says something."""
        key = (route, method, status // 100)
        self._answered[key] = self._answered.get(key, 0) + 1
        if seconds is None:
            return
        took = self._took.get(route)
        if took is None:
            took = self._took[route] = [0.0] * (len(_LATENCIES) + 2)
        took[bisect_left(_LATENCIES, seconds)] += 1
        took[-1] += seconds

    def collect(self) -> Iterable[Metric]:
        """See prometheus_client."""
        answered = CounterMetricFamily("kasparro_http_requests", "Requests answered.", labels=("route", "method", "status_class"))
        for (route, method, hundreds), number in self._answered.items():
            answered.add_metric((route, method, f"{hundreds}xx"), number)
        took = HistogramMetricFamily("kasparro_http_request_seconds", "Time from a request to its answer's last byte.", labels=("route",))
        for route, (*numbers, seconds) in self._took.items():
            limits = [*map(floatToGoString, _LATENCIES), "+Inf"]
            took.add_metric((route,), buckets=list(zip(limits, accumulate(numbers), strict=True)), sum_value=seconds)
        return [answered, took]


class Metrics:
    """One process's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._requests = RequestFigures()
        self.registry.register(self._requests)
        self._runs = Counter("kasparro_runs", "Runs ended.", ("trigger", "status"), registry=self.registry)
        self._outcomes = Counter("kasparro_source_outcomes", "Outcomes of sources in runs.", ("source", "outcome"), registry=self.registry)
        self._calls = Counter("kasparro_source_calls", "Calls sent to sources.", ("source",), registry=self.registry)
        self._rows = Counter("kasparro_source_rows", "Rows of sources by what became of them.", ("source", "what"), registry=self.registry)
        self._duration = Histogram(
            "kasparro_source_run_seconds", "How long a source took in a run.", ("source",), buckets=_DURATIONS, registry=self.registry
        )
        self._breaker = Gauge(
            "kasparro_source_breaker",
            "0: the source is asked; 1: it is left alone; 0.5: one call looks.",
            ("source",),
            registry=self.registry,
        )
        self._pace = Gauge(
            "kasparro_source_calls_per_minute", "The pace that the source has been seen to bear.", ("source",), registry=self.registry
        )
        self._coins = Gauge("kasparro_catalog_coins", "Coins in the catalog.", ("priced",), registry=self.registry)
        self._version = Gauge("kasparro_catalog_version", "The catalog's version.", registry=self.registry)
        self._age = Gauge("kasparro_catalog_age_seconds", "Time since the catalog was published.", registry=self.registry)
        self._database_up = Gauge("kasparro_database_up", "1 while the database answers.", registry=self.registry)

    def observe_request(self, route: str, method: str, status: int, seconds: float | None) -> None:
        """Count an answered request; its time where that says something.

        `route` must be a template and `method` a known one, so that the labels stay bounded.
        """
        self._requests.add(route, method, status, seconds)

    def observe_run(self, run: RunFigures) -> None:
        """Count a run that has ended."""
        self._runs.labels(run.trigger, run.status).inc()
        for s in run.sources:
            self._outcomes.labels(s.source, s.outcome).inc()
            self._calls.labels(s.source).inc(s.calls)
            self._duration.labels(s.source).observe(s.duration_seconds)
            for what, rows in (
                ("received", s.rows_received),
                ("written", s.rows_written),
                ("revised", s.rows_revised),
                ("rejected", s.rows_rejected),
            ):
                self._rows.labels(s.source, what).inc(rows)

    def observe_catalog(
        self, *, version: int, coins_priced: int, coins_unpriced: int, age_seconds: float | None, database_up: bool
    ) -> None:
        """State of the read model, set when the metrics are asked for."""
        self._version.set(version)
        self._coins.labels("true").set(coins_priced)
        self._coins.labels("false").set(coins_unpriced)
        self._age.set(float("nan") if age_seconds is None else age_seconds)
        self._database_up.set(1 if database_up else 0)

    def observe_manners(self, source: str, *, breaker: Literal["closed", "open", "half_open"], calls_per_minute: float) -> None:
        """How a source is being asked, set when the metrics are asked for."""
        self._breaker.labels(source).set({"closed": 0.0, "half_open": 0.5, "open": 1.0}[breaker])
        self._pace.labels(source).set(calls_per_minute)

    def render(self) -> bytes:
        """All metrics as Prometheus text."""
        return generate_latest(self.registry)
