"""Paths at which a person gets a page and a program JSON."""

from collections.abc import Sequence

import msgspec

from kasparro.serving.operations import Answer, Call, Operation


def negotiated(operations: Sequence[Operation], pages: Sequence[Operation]) -> list[Operation]:
    """The API's operations and the pages; where both answer one path, the request's Accept header chooses."""
    pages_at = {page.path: page for page in pages}
    shared = [_either(operation, pages_at.pop(operation.path)) if operation.path in pages_at else operation for operation in operations]
    return [*shared, *pages_at.values()]


def _either(operation: Operation, page: Operation) -> Operation:
    async def handle(call: Call) -> Answer:
        answer = await (page if wants_page(call.headers.get("accept", "")) else operation).handle(call)
        if not any(name == "vary" for name, _ in answer.headers):
            answer.headers.append(("vary", "Accept"))
        return answer

    return msgspec.structs.replace(operation, handle=handle)


def wants_page(accept: str) -> bool:
    """Whether an Accept header names HTML, and JSON not before it. One that takes anything gets JSON."""
    weights = {}
    for part in accept.lower().split(","):
        media_type, *parameters = [text.strip() for text in part.split(";")]
        quality = next((text[2:] for text in parameters if text.startswith("q=")), "1")
        weights[media_type] = float(quality) if quality.replace(".", "", 1).isdigit() else 0.0
    html = max(weights.get("text/html", 0.0), weights.get("application/xhtml+xml", 0.0))
    return html > 0 and html >= weights.get("application/json", 0.0)
