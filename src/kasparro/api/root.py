"""/: what this is and where to go on."""

from collections.abc import Sequence

from kasparro import __version__
from kasparro.api.health import health_of
from kasparro.api.operations import Answer, Answered, Call, Operation, encoded
from kasparro.api.shapes import Root

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
_ATTRIBUTION = [
    {"source": "coingecko", "text": "Data provided by CoinGecko", "url": "https://www.coingecko.com"},
    {"source": "coinpaprika", "text": "Data provided by CoinPaprika", "url": "https://coinpaprika.com"},
]


def operations() -> Sequence[Operation]:
    """What the path answers."""
    return [
        Operation(
            path="/",
            handle=show_root,
            operation_id="show_root",
            summary="What this is and where to go on",
            tag="state",
            answers={200: Answered("The service and its paths.", Root)},
        ),
    ]


async def show_root(call: Call) -> Answer:
    """The service and its paths."""
    root = Root(name="kasparro", version=__version__, status=health_of(call.services).status, links=_LINKS, attribution=_ATTRIBUTION)
    return Answer(body=encoded(root), headers=[("vary", "Accept")])
