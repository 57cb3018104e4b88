"""/: what this is and where to go on."""

from collections.abc import Sequence

from kasparro import __version__
from kasparro.api.shapes import Root
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
    """What the path answers."""
    return [
        Operation(
            path="/",
            handle=show_root,
            operation_id="show_root",
            summary="What this is and where to go on",
            tag="state",
            answers={200: Answered("The service and its paths; for a browser the coins as a page.", Root, or_text="text/html")},
        ),
    ]


async def show_root(call: Call) -> Answer:
    """The service and its paths."""
    root = Root(name="kasparro", version=__version__, status=health_of(call.services).status, links=_LINKS, attribution=ATTRIBUTION)
    return Answer(body=encoded(root), headers=[("vary", "Accept")])
