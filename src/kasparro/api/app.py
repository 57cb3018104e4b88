"""The API as one ASGI application."""

from collections.abc import Callable, Sequence
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
from kasparro.api.edge import Edge
from kasparro.api.hot import HotAnswers
from kasparro.api.negotiation import negotiated
from kasparro.serving.dependencies import Dependencies
from kasparro.serving.operations import Operation

Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]


def create_api(
    services: Dependencies,
    hot: HotAnswers | None = None,
    *,
    pages: Sequence[Operation] = (),
    lifespan: list[Lifespan] | None = None,
) -> ASGIApp:
    """The application. Everything that it needs is in `services` and is open while it serves; it starts and closes nothing.

    With `hot`, it keeps there what the server may answer without it: see protocol.py. `pages` are for people: one that has
    its path in common with the API is what a browser gets there.
    """
    return Edge(create_litestar(services, pages=pages, lifespan=lifespan), services, hot or HotAnswers(services))


def create_litestar(services: Dependencies, *, pages: Sequence[Operation] = (), lifespan: list[Lifespan] | None = None) -> Litestar:
    """Routing and what is refused by it; `create_api` wraps it in what all answers have in common."""
    return Litestar(
        route_handlers=routing.handlers(negotiated(operations(services), pages), services),
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
