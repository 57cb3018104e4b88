"""The API as one ASGI application."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from litestar import Litestar
from litestar.types import ASGIApp

from kasparro.api import (
    admin,
    anomalies,
    changes,
    coins,
    docs,
    export,
    health,
    history,
    judgements,
    mappings,
    metrics,
    root,
    routing,
    runs,
    stats,
    stream,
)
from kasparro.api.dependencies import Dependencies
from kasparro.api.edge import Edge
from kasparro.api.hot import HotAnswers
from kasparro.api.operations import Operation

Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]


def create_api(services: Dependencies, hot: HotAnswers | None = None, *, lifespan: list[Lifespan] | None = None) -> ASGIApp:
    """The application. Everything that it needs is in `services` and is open while it serves; it starts and closes nothing.

    With `hot`, it keeps there what the server may answer without it: see protocol.py.
    """
    return Edge(create_litestar(services, lifespan=lifespan), services, hot or HotAnswers(services))


def create_litestar(services: Dependencies, *, lifespan: list[Lifespan] | None = None) -> Litestar:
    """Routing and what is refused by it; `create_api` wraps it in what all answers have in common."""
    return Litestar(
        route_handlers=routing.handlers(operations(services), services),
        lifespan=lifespan or [],
        exception_handlers={Exception: routing.framework_problem},
        openapi_config=None,  # our own document is made from the same declarations that requests are read by
        logging_config=None,
        request_max_body_size=routing.BODY_BYTES_MAX,
    )


def operations(services: Dependencies) -> list[Operation]:
    """Everything that the API answers."""
    sources = list(services.settings.sources)
    found = [
        *root.operations(),
        *metrics.operations(),
        *coins.operations(sources),
        *history.operations(sources),
        *mappings.operations(sources),
        *export.operations(),
        *changes.operations(),
        *stream.operations(),
        *health.operations(),
        *stats.operations(),
        *anomalies.operations(),
        *runs.operations(),
        *admin.operations(sources),
        *judgements.operations(sources),
    ]
    return [*found, *docs.operations(found)]
