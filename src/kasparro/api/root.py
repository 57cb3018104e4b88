"""/ and /metrics."""

from collections.abc import Sequence

from kasparro import __version__
from kasparro.api.shapes import Root
from kasparro.metrics import CONTENT_TYPE
from kasparro.serving.attribution import ATTRIBUTION
from kasparro.serving.operations import Answer, Answered, Call, Operation, encoded
from kasparro.serving.standing import health_of

_LINKS = {
    "data": "/data",
    "coins": "/coins",
    "prices": "/prices?ids=bitcoin",
    "stream": "/stream?ids=bitcoin",
    "mappings": "/mappings",
    "changes": "/changes",
    "health": "/health",
    "stats": "/stats",
    "runs": "/runs",
    "compare": "/runs/compare",
    "anomalies": "/anomalies",
    "metrics": "/metrics",
    "docs": "/docs",
    "openapi": "/openapi.json",
}


def operations() -> Sequence[Operation]:
    """What these paths answer."""
    return [
        Operation(
            path="/",
            handle=show_root,
            operation_id="show_root",
            summary="What this is and where to go on",
            tag="state",
            answers={200: Answered("The service and its paths; for a browser the coins as a page.", Root, or_text="text/html")},
        ),
        Operation(
            path="/metrics",
            handle=show_metrics,
            operation_id="show_metrics",
            summary="Metrics as Prometheus text",
            tag="state",
            answers={200: Answered("The metrics.", media_type="text/plain")},
        ),
    ]


async def show_root(call: Call) -> Answer:
    """The service and its paths."""
    root = Root(name="kasparro", version=__version__, status=health_of(call.services).status, links=_LINKS, attribution=ATTRIBUTION)
    return Answer(body=encoded(root), headers=[("vary", "Accept")])


async def show_metrics(call: Call) -> Answer:
    """The metrics, with the catalog's state as of now."""
    services = call.services
    catalog = services.catalog.current
    published = catalog.published_at
    services.metrics.observe_catalog(
        version=catalog.version,
        coins_priced=len(catalog.orders.rank),
        coins_unpriced=len(catalog.entries) - len(catalog.orders.rank),
        age_seconds=None if published is None else (services.clock.now() - published).total_seconds(),
        database_up=services.catalog.database_error is None,
    )
    for name, manners in services.manners.items():
        services.metrics.observe_manners(name, breaker=manners.breaker.state, calls_per_minute=manners.pace.per_minute)
    return Answer(body=services.metrics.render(), media_type=CONTENT_TYPE)
