"""/stats: what was ingested, how whole and how old it is, per source."""

from collections.abc import Sequence

from kasparro.serving.operations import Answer, Answered, Call, Operation, encoded
from kasparro.serving.stats import Stats, stats_of


def operations() -> Sequence[Operation]:
    """What the path answers."""
    return [
        Operation(
            path="/stats",
            handle=show_stats,
            operation_id="show_stats",
            summary="Figures per source and in all",
            tag="runs",
            answers={200: Answered("The figures.", Stats), 503: Answered("The database does not answer.")},
        )
    ]


async def show_stats(call: Call) -> Answer:
    """One snapshot of all figures."""
    return Answer(body=encoded(await stats_of(call.services)))
