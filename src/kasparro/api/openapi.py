"""The OpenAPI 3.1 document, made from the operations."""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from kasparro import __version__
from kasparro.serving.operations import JSON, Answered, Operation
from kasparro.serving.parameters import Parameter
from kasparro.serving.problems import MEDIA_TYPE, Problem
from kasparro.serving.rate_limit import FREE_PATHS

_REFERENCE = "#/components/schemas/{name}"
_HEADERS = {
    "Link": "The next page, with rel=next.",
    "X-Total-Count": "Rows of the whole list.",
    "Location": "Where it is.",
    "Retry-After": "Seconds to wait.",
    "WWW-Authenticate": "How to authenticate.",
    "ETag": "Identifies this state of the answer.",
}
_BOUNDS = "a parameter is wrong, or the request can't be understood"


def document(operations: Sequence[Operation]) -> dict[str, Any]:
    """The whole document, ready to be encoded."""
    shown = [operation for operation in operations if operation.documented]
    types = _types(shown)
    schemas, components = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    by_type = dict(zip(map(_type_key, types), schemas, strict=True))
    # Evidence is JSON of any shape, which msgspec.Raw says with an empty schema.
    paths: dict[str, dict[str, Any]] = {}
    for operation in shown:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, by_type)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "kasparro",
            "version": __version__,
            "description": "Coins of several sources, each coin once, with a price that says where it comes from. "
            "Data provided by CoinGecko and CoinPaprika. HEAD works wherever GET does.",
        },
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "tags": [{"name": tag} for tag in dict.fromkeys(operation.tag for operation in shown)],
    }


def _types(operations: Sequence[Operation]) -> list[Any]:
    found: dict[str, Any] = {_type_key(Problem): Problem}
    for operation in operations:
        for answered in operation.answers.values():
            if answered.body is not None:
                found[_type_key(answered.body)] = answered.body
    return list(found.values())


def _type_key(kind: Any) -> str:  # noqa: ANN401  # any type expression, hashable or not
    return repr(kind)


def _operation(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    answers = dict(operation.answers)
    answers.setdefault(400, Answered(f"Problem `invalid_parameter`, `cursor_invalid` or another: {_BOUNDS}."))
    answers.setdefault(414, Answered("The path is too long."))
    if not operation.path.startswith(FREE_PATHS):
        answers.setdefault(429, Answered("Too many requests from this address.", headers=("Retry-After",)))
    if operation.secured:
        answers.setdefault(401, Answered("The token is missing or wrong.", headers=("WWW-Authenticate",)))
        answers.setdefault(403, Answered("No token is configured: /admin is closed."))
    if operation.body_schema is not None:
        answers.setdefault(413, Answered("The body is too large."))
    if operation.conditional:
        answers.setdefault(304, Answered("What If-None-Match names is still what there is."))
    if operation.conditional or operation.whole:
        answers.setdefault(503, Answered("Not known yet: the service has just started."))
    described: dict[str, Any] = {
        "operationId": operation.operation_id,
        "summary": operation.summary,
        "tags": [operation.tag],
        "responses": {str(status): _answer(status, answered, operation, schemas) for status, answered in sorted(answers.items())},
    }
    parameters = [_parameter(parameter) for parameter in operation.parameters]
    for name, text in operation.path_parameters.items():
        schema = operation.path_schemas.get(name, {"type": "string", "minLength": 1})
        parameters.append({"name": name, "in": "path", "required": True, "description": text, "schema": schema})
    if parameters:
        described["parameters"] = parameters
    if operation.body_schema is not None:
        described["requestBody"] = {"required": operation.body_required, "content": {JSON: {"schema": operation.body_schema}}}
    if operation.secured:
        described["security"] = [{"token": []}]
    return described


def _parameter(parameter: Parameter) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": parameter.name,
        "in": "query",
        "required": parameter.required,
        "description": parameter.description,
        "schema": parameter.schema,
    }
    if parameter.schema.get("type") == "array":
        described |= {"style": "form", "explode": False}
    if parameter.example is not None:
        described["example"] = parameter.example
    return described


def _answer(status: int, answered: Answered, operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {"description": answered.description}
    if answered.body is not None:
        described["content"] = {answered.media_type: {"schema": schemas[_type_key(answered.body)]}}
    elif status >= HTTPStatus.BAD_REQUEST:
        described["content"] = {MEDIA_TYPE: {"schema": schemas[_type_key(Problem)]}}
    elif status == HTTPStatus.OK:
        described["content"] = _text(answered.media_type)
    if answered.or_text is not None:
        described["content"] |= _text(answered.or_text)
    headers = [*answered.headers, *(["ETag"] if operation.conditional and status in (200, 304) else [])]
    if headers:
        described["headers"] = {name: {"description": _HEADERS[name], "schema": {"type": "string"}} for name in headers}
    return described


def _text(media_type: str) -> dict[str, Any]:
    return {re.sub(r";.*", "", media_type): {"schema": {"type": "string"}}}
