"""POST /admin/run-etl: closed without a configured token."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from kasparro.api.bodies import read_body
from kasparro.api.shapes import RunBegun, RunEnded, RunRequest, run_ended
from kasparro.errors import RunOpenError
from kasparro.serving import parameters
from kasparro.serving.operations import Answer, Answered, Call, Operation, encoded
from kasparro.serving.problems import ProblemError, invalid_parameters

_DECODER = msgspec.json.Decoder(RunRequest)


def operations(sources: Sequence[str]) -> list[Operation]:
    """What the path answers."""
    return [
        Operation(
            path="/admin/run-etl",
            method="POST",
            handle=begin_run,
            operation_id="begin_run",
            summary="Begin a run",
            tag="admin",
            secured=True,
            parameters=[parameters.flag("wait", "Answer when the run has ended, or after 60 s.")],
            body_schema=_body_schema(sources),
            answers={
                200: Answered("The run has ended (with wait=true).", RunEnded),
                202: Answered("The run works.", RunBegun, headers=("Location",)),
                409: Answered("Another run works: `run_id` names it."),
                503: Answered("The database does not answer."),
            },
        )
    ]


def _body_schema(sources: Sequence[str]) -> dict[str, Any]:
    """See RunRequest."""
    named = {
        "type": ["array", "null"],
        "items": {"type": "string", "enum": list(sources)},
        "minItems": 1,
        "description": "All where none are named.",
    }
    full = {"type": "boolean", "default": False, "description": "Ask for every part of every stream, due or not."}
    return {"type": "object", "properties": {"sources": named, "full": full}, "additionalProperties": False}


async def begin_run(call: Call) -> Answer:
    """Begin a run and, if asked to, wait for it."""
    services = call.services
    request = _request(call.body)
    unknown = sorted(set(request.sources or ()) - set(services.settings.sources))
    if unknown or request.sources == []:
        raise invalid_parameters([("sources", f"must be some of {', '.join(services.settings.sources)}")])
    sources = None if request.sources is None else tuple(dict.fromkeys(request.sources))
    try:
        handle = await services.runner.begin("admin", sources=sources, full=request.full)
    except RunOpenError as error:
        headers = [("location", f"/runs/{error.run_id}")]
        raise ProblemError(409, error.code, str(error), run_id=error.run_id, headers=headers) from None
    if call.query["wait"]:
        # A run goes on whether or not somebody still waits for it.
        await asyncio.wait([asyncio.shield(handle.done)], timeout=services.admin_wait_seconds)
        if handle.done.done():
            return Answer(body=encoded(run_ended(handle.done.result())))
    return Answer(body=encoded(RunBegun(run_id=handle.run_id)), status=202, headers=[("location", f"/runs/{handle.run_id}")])


def _request(body: bytes) -> RunRequest:
    return read_body(_DECODER, body, '{"sources": ["coingecko"], "full": false}') if body.strip() else RunRequest()
