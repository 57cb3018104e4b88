"""What this process counts of itself, as Prometheus text. api/metrics.py adds the state of the service; docs/metrics.md lists all of it."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_LATENCIES = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


def buckets(limits: Sequence[float], numbers: Iterable[float]) -> list[tuple[str, float]]:
    """The buckets of a histogram from how many there are up to each limit, and above the last."""
    return list(zip([*map(floatToGoString, limits), "+Inf"], accumulate(numbers), strict=True))


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
            took.add_metric((route,), buckets=buckets(_LATENCIES, numbers), sum_value=seconds)
        return [answered, took]


class Told(Collector):
    """Metrics as somebody tells them now."""

    def __init__(self, told: Iterable[Metric]) -> None:
        self._told = told

    def collect(self) -> Iterable[Metric]:
        """See prometheus_client."""
        return self._told


class Metrics:
    """One process's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._requests = RequestFigures()
        self._registry.register(self._requests)

    def observe_request(self, route: str, method: str, status: int, seconds: float | None) -> None:
        """Count an answered request; its time where that says something.

        `route` must be a template and `method` a known one, so that the labels stay bounded.
        """
        self._requests.add(route, method, status, seconds)

    def render(self, told: Iterable[Metric]) -> bytes:
        """All metrics as Prometheus text, with what the caller tells."""
        return generate_latest(self._registry) + generate_latest(Told(told))
