"""Operations as Litestar route handlers: plain ASGI for what is answered from the catalog, HTTP handlers for the rest."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from litestar import HttpMethod, Request, Response, asgi
from litestar.exceptions import HTTPException, InternalServerException, MethodNotAllowedException
from litestar.handlers import ASGIRouteHandler, HTTPRouteHandler
from litestar.response import Stream
from litestar.types import Receive, Scope, Send

from kasparro import logs
from kasparro.api import conditional
from kasparro.api.edge import HEAD, LIVE, MADE_FROM, REQUEST_ID, STARTED, internal_error, send_problem
from kasparro.serving import answering, parameters
from kasparro.serving.answering import answered
from kasparro.serving.dependencies import Dependencies
from kasparro.serving.loading import is_known, whole
from kasparro.serving.operations import Answer, Call, Live, Operation
from kasparro.serving.problems import MEDIA_TYPE, ProblemError

log = logs.get()

BODY_BYTES_MAX = 65_536  # of a request


def handlers(operations: Sequence[Operation], services: Dependencies) -> list[ASGIRouteHandler | HTTPRouteHandler]:
    """The route handlers of operations."""
    paths = [operation.path for operation in operations]
    shared = {operation.path: operation for operation in operations if paths.count(operation.path) > 1}
    # First, since Litestar would make one of its own with a path's first operation, and name that one's method alone.
    made: list[ASGIRouteHandler | HTTPRouteHandler] = [
        _options_handler(operation, [o.method for o in operations if o.path == path]) for path, operation in shared.items()
    ]
    for operation in operations:
        # Litestar can't route to an ASGI handler by path parameters, and gives one all methods of its path.
        if (operation.conditional or operation.live) and not operation.path_parameters and paths.count(operation.path) == 1:
            made.append(_asgi_handler(operation, services))
        else:
            made.append(_http_handler(operation, services))
    return made


async def respond(operation: Operation, services: Dependencies, scope: Any, body: bytes = b"") -> Answer:  # noqa: ANN401  # an ASGI scope
    """Answer a request. Raises ProblemError."""
    path, query_string = scope["path"], scope["query_string"]
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    if operation.secured:
        services.token.check(scope["client"][0] if scope["client"] else None, scope["headers"], services.clock.monotonic())
    query = parameters.read(operation.parameters, query_string)
    tag = if_none_match = None
    catalog = await whole(services.catalog) if operation.whole else services.catalog.current
    # Before it is known what there is, whoever asks waits, and is answered from another catalog than this one.
    if operation.conditional and catalog.complete and is_known(services.catalog):
        tag = conditional.etag(catalog, path.encode("utf-8", "replace"), query_string)
        if_none_match = headers.get("if-none-match")
    if tag is not None and if_none_match is not None and conditional.matches(if_none_match, tag):
        return Answer(body=b"", status=304, headers=[("etag", tag)])
    call = Call(
        services=services,
        path=path,
        query_string=query_string,
        query=query,
        path_parameters=scope.get("path_params", {}),
        headers=headers,
        body=body,
        request_id=scope[REQUEST_ID],
        started=scope[STARTED],
    )
    answer = await answered(call, operation.handle(call), answering.GET_SECONDS_MAX if _is_bounded(operation) else None)
    if tag is not None and answer.status == HTTPStatus.OK:
        if if_none_match is not None and if_none_match.strip() == "*":
            return Answer(body=b"", status=304, headers=[("etag", tag)])
        answer.headers += [("etag", tag), ("cache-control", "no-cache")]
        if answer.same_for_etag and catalog.version and services.catalog.current is catalog:
            scope[MADE_FROM] = catalog
    return answer


def _is_bounded(operation: Operation) -> bool:
    """Who asks for something to be done may wait for its end; a page sees to its time itself, so as to say what is wrong on a page."""
    return operation.method == "GET" and not operation.page


def framework_problem(_request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """What Litestar itself refuses, and what nobody caught, as problems."""
    problem = _as_problem(error)
    if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR and not isinstance(error, ProblemError):
        log.error("http.failed", path=_request.scope["path"], request_id=_request.scope.get(REQUEST_ID), exc_info=error)
    return Response(problem.body, status_code=problem.status, media_type=MEDIA_TYPE, headers=dict(problem.headers))


def _as_problem(error: Exception) -> ProblemError:
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, MethodNotAllowedException):
        headers = [(name.lower(), value) for name, value in (error.headers or {}).items()]
        detail = "this path does not take this method; Allow names those that it takes"
        return ProblemError(405, "method_not_allowed", detail, headers=headers)
    if isinstance(error, HTTPException) and error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
        if error.status_code == HTTPStatus.NOT_FOUND:
            return ProblemError(404, "not_found", "there is nothing at this path; GET / names what there is, GET /docs explains it")
        code = {413: "body_too_large"}.get(error.status_code, "invalid_request")
        return ProblemError(error.status_code, code, error.detail or "the request can't be understood")
    return internal_error(error)


def _asgi_handler(operation: Operation, services: Dependencies) -> ASGIRouteHandler:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        method = scope["method"]  # type: ignore[typeddict-item]  # mounted for HTTP only
        if method == "OPTIONS":
            await _send(Answer(body=b"", status=204, headers=[("allow", "GET, OPTIONS")]), receive, send)
            return
        if method != operation.method:
            await send_problem(_as_problem(MethodNotAllowedException(headers={"allow": "GET, OPTIONS"})), send)
            return
        try:
            answer = await respond(operation, services, scope)
        except ProblemError as problem:
            await send_problem(problem, send)
            return
        if isinstance(answer.body, Live):
            ours: Any = scope
            ours[LIVE] = True
            if ours[HEAD]:
                answer.body = b""
        await _send(answer, receive, send)

    return asgi(operation.path, name=operation.operation_id, copy_scope=False)(app)


async def _send(answer: Answer, receive: Receive, send: Send) -> None:
    headers = [(name.encode(), value.encode("latin-1")) for name, value in answer.headers]
    if answer.status not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
        headers.append((b"content-type", answer.media_type.encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    if isinstance(answer.body, bytes):
        await send({"type": "http.response.body", "body": answer.body, "more_body": False})
        return
    if isinstance(answer.body, Live):
        await answer.body.send(receive, send)
        return
    async for part in answer.body:
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _http_handler(operation: Operation, services: Dependencies) -> HTTPRouteHandler:
    async def handler(request: Request[Any, Any, Any]) -> Response[Any]:
        body = await _body(request) if operation.method != "GET" else b""
        answer = await respond(operation, services, request.scope, body)
        headers = dict(answer.headers)
        if isinstance(answer.body, bytes):
            return Response(answer.body, status_code=answer.status, media_type=_without_charset(answer.media_type), headers=headers)
        parts: Any = answer.body  # a Live comes from what _asgi_handler answers
        return Stream(parts, status_code=answer.status, media_type=_without_charset(answer.media_type), headers=headers)

    decorate = HTTPRouteHandler(
        _typed_path(operation),
        http_method=HttpMethod(operation.method),
        name=operation.operation_id,
        include_in_schema=False,
        request_max_body_size=BODY_BYTES_MAX,
        status_code=200,
    )
    return decorate(handler)


async def _body(request: Request[Any, Any, Any]) -> bytes:
    try:
        return await request.body()
    except InternalServerException:
        # Nobody reads this answer: it says in the metrics that the fault was not ours.
        raise ProblemError(400, "body_incomplete", "the connection was closed before the body was complete") from None


def _options_handler(operation: Operation, methods: Sequence[str]) -> HTTPRouteHandler:
    allow = ", ".join(sorted([*methods, "OPTIONS"]))

    async def handler() -> Response[bytes]:
        return Response(b"", status_code=HTTPStatus.NO_CONTENT, headers={"allow": allow})

    decorate = HTTPRouteHandler(
        _typed_path(operation), http_method=HttpMethod.OPTIONS, name=f"options_{operation.operation_id}", include_in_schema=False
    )
    return decorate(handler)


def _without_charset(media_type: str) -> str:
    """Litestar adds the charset to text itself."""
    return media_type.removesuffix("; charset=utf-8")


def _typed_path(operation: Operation) -> str:
    path = operation.path
    for name in operation.path_parameters:
        path = path.replace(f"{{{name}}}", f"{{{name}:str}}")
    return path
