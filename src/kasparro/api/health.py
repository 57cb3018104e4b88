"""/health, /health/live and /health/ready: from memory, whatever the database and the sources do."""

from collections.abc import Sequence

from kasparro.api.shapes import Alive
from kasparro.serving.loading import is_known
from kasparro.serving.operations import Answer, Answered, Call, Operation, encoded
from kasparro.serving.problems import ProblemError, catalog_loading
from kasparro.serving.standing import Health, health_of


def operations() -> Sequence[Operation]:
    """What these paths answer."""
    return [
        Operation(
            path="/health",
            handle=show_health,
            operation_id="show_health",
            summary="Whether all is well, and what is not",
            tag="state",
            answers={
                200: Answered("ok, or degraded with the reasons.", Health),
                503: Answered("down: the database does not answer.", Health),
            },
        ),
        Operation(
            path="/health/live",
            handle=show_live,
            operation_id="show_live",
            summary="The process answers",
            tag="state",
            answers={200: Answered("It does.", Alive)},
        ),
        Operation(
            path="/health/ready",
            handle=show_ready,
            operation_id="show_ready",
            summary="There is something to serve",
            tag="state",
            answers={200: Answered("Coins are served.", Alive), 503: Answered("Nothing was published yet, or not all of it is read.")},
        ),
    ]


async def show_live(_call: Call) -> Answer:
    """Nothing is looked at: a process that answers lives."""
    return Answer(body=encoded(Alive(status="ok")))


async def show_ready(call: Call) -> Answer:
    """Ready once all that was published is served; an outage of the database does not take it back, since the catalog is served on."""
    catalog = call.services.catalog.current
    if not catalog.complete or not is_known(call.services.catalog):
        raise catalog_loading()
    if catalog.version == 0:
        raise ProblemError(503, "starting", "nothing was published yet; the first run is at work", headers=[("retry-after", "5")])
    return Answer(body=encoded(Alive(status="ok")))


async def show_health(call: Call) -> Answer:
    """The state as it is known now."""
    health = health_of(call.services)
    return Answer(body=encoded(health), status=503 if health.status == "down" else 200, headers=[("cache-control", "no-store")])
