"""Metrics with stable names and bounded labels. docs/operations.md lists them."""

from collections.abc import Iterable
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector, generate_latest

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


class Metrics:
    """One process's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._requests = Counter(
            "kasparro_http_requests", "Requests answered.", ("route", "method", "status_class"), registry=self.registry
        )
        self._latency = Histogram(
            "kasparro_http_request_seconds",
            "Time from a request to its answer's last byte.",
            ("route",),
            buckets=_LATENCIES,
            registry=self.registry,
        )
        self._runs = Counter("kasparro_runs", "Runs ended.", ("trigger", "status"), registry=self.registry)
        self._outcomes = Counter("kasparro_source_outcomes", "Outcomes of sources in runs.", ("source", "outcome"), registry=self.registry)
        self._calls = Counter("kasparro_source_calls", "Calls sent to sources.", ("source",), registry=self.registry)
        self._rows = Counter("kasparro_source_rows", "Rows of sources by what became of them.", ("source", "what"), registry=self.registry)
        self._duration = Histogram(
            "kasparro_source_run_seconds", "How long a source took in a run.", ("source",), buckets=_DURATIONS, registry=self.registry
        )
        self._coins = Gauge("kasparro_catalog_coins", "Coins in the catalog.", ("priced",), registry=self.registry)
        self._version = Gauge("kasparro_catalog_version", "The catalog's version.", registry=self.registry)
        self._age = Gauge("kasparro_catalog_age_seconds", "Time since the catalog was published.", registry=self.registry)
        self._database_up = Gauge("kasparro_database_up", "1 while the database answers.", registry=self.registry)

    def observe_request(self, route: str, method: str, status: int, seconds: float | None) -> None:
        """Count an answered request; its time where that says something.

        `route` must be a template and `method` a known one, so that the labels stay bounded.
        """
        self._requests.labels(route, method, f"{status // 100}xx").inc()
        if seconds is not None:
            self._latency.labels(route).observe(seconds)

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

    def render(self) -> bytes:
        """All metrics as Prometheus text."""
        return generate_latest(self.registry)
