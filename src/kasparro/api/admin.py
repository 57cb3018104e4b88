"""POST /admin/run-etl: closed without a configured token."""

import asyncio
import hmac
from collections.abc import Sequence
from typing import Any

import msgspec

from kasparro.api import parameters
from kasparro.api.dependencies import Dependencies
from kasparro.api.operations import Answer, Answered, Call, Operation, encoded
from kasparro.api.problems import ProblemError, invalid_parameters
from kasparro.api.shapes import RunBegun, RunEnded, RunRequest, run_ended
from kasparro.errors import RunOpenError

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
                401: Answered("The token is missing or wrong.", headers=("WWW-Authenticate",)),
                403: Answered("No token is configured: /admin is closed."),
                409: Answered("Another run works: `run_id` names it."),
                413: Answered("The body is too large."),
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


def check_token(services: Dependencies, authorization: str | None) -> None:
    """Raises ProblemError unless the header carries the configured token; compared in constant time."""
    token = services.settings.admin_token
    if token is None:
        raise ProblemError(403, "admin_closed", "/admin is closed: set KASPARRO_ADMIN_TOKEN to open it")
    scheme, _, given = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), token.reveal().encode()):
        detail = "send the configured token as `Authorization: Bearer TOKEN`"
        raise ProblemError(401, "unauthorized", detail, headers=[("www-authenticate", 'Bearer realm="kasparro"')])


async def begin_run(call: Call) -> Answer:
    """Begin a run and, if asked to, wait for it."""
    services = call.services
    check_token(services, call.headers.get("authorization"))
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
    if not body.strip():
        return RunRequest()
    try:
        return _DECODER.decode(body)
    except msgspec.ValidationError as error:
        raise invalid_parameters([("body", str(error))]) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        detail = f'the body is not JSON: {error}. Send {{"sources": ["coingecko"], "full": false}}, or none'
        raise ProblemError(400, "invalid_body", detail) from None
