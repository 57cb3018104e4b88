"""/runs and /runs/{id}: what was ingested, read from the database."""

from collections.abc import Sequence

from kasparro.api.shapes import Run, run_shape
from kasparro.serving import parameters
from kasparro.serving.operations import Answer, Answered, Call, Operation, encoded
from kasparro.serving.problems import not_found
from kasparro.serving.runs import RUN_ID_MAX
from kasparro.store import run_history


def operations() -> Sequence[Operation]:
    """What these paths answer."""
    return [
        Operation(
            path="/runs",
            handle=list_runs,
            operation_id="list_runs",
            summary="The newest runs, newest first",
            tag="runs",
            parameters=[parameters.integer("limit", "How many runs at most.", default=100, least=1, most=1_000)],
            answers={200: Answered("The runs.", list[Run]), 503: Answered("The database does not answer.")},
        ),
        Operation(
            path="/runs/{run_id}",
            handle=show_run,
            operation_id="show_run",
            summary="One run",
            tag="runs",
            path_parameters={"run_id": "The run's id."},
            path_schemas={"run_id": {"type": "integer", "minimum": 1, "maximum": RUN_ID_MAX}},
            answers={200: Answered("The run.", Run), 404: Answered("No run has this id."), 503: Answered("The database does not answer.")},
        ),
    ]


async def list_runs(call: Call) -> Answer:
    """The newest runs."""
    async with call.services.database.read() as conn:
        runs = await run_history.read_runs(conn, call.query["limit"])
    return Answer(body=encoded([run_shape(run) for run in runs]))


async def show_run(call: Call) -> Answer:
    """One run."""
    text = call.path_parameters["run_id"]
    number = parameters.path_number(text, RUN_ID_MAX)
    run = None
    if number is not None:
        async with call.services.database.read() as conn:
            run = await run_history.read_run(conn, number)
    if run is None:
        detail = f"no run has the id {text[:100]!r}; GET /runs lists the newest"
        raise not_found(detail)
    return Answer(body=encoded(run_shape(run)))
