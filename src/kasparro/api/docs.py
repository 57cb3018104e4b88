"""/docs and /openapi.json. Swagger UI comes from the package: no outside address is asked."""

import asyncio
from collections.abc import Sequence
from hashlib import blake2b
from importlib import resources

from kasparro.api.conditional import matches
from kasparro.api.openapi import document
from kasparro.serving.operations import Answer, Answered, Call, Operation, encoded
from kasparro.serving.problems import not_found

_HTML = "text/html; charset=utf-8"
_FILES = {
    "swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "favicon-32x32.png": "image/png",
    "LICENSE": "text/plain; charset=utf-8",
    "start.js": "text/javascript; charset=utf-8",
    "ours.css": "text/css; charset=utf-8",
}
# Swagger UI sets styles from its scripts; everything else comes from here, and no script stands in the page.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
_PAGE = b"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>kasparro API</title>
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="stylesheet" href="/docs/ours.css">
</head>
<body>
<header><a href="/">kasparro: coins and prices</a></header>
<div id="api"><noscript>This page needs JavaScript; the same is in <a href="/openapi.json">/openapi.json</a>.</noscript></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""


def operations(documented: Sequence[Operation]) -> list[Operation]:
    """What these paths answer; the document is about the given operations and itself."""
    written: list[bytes] = []

    async def show_document(_call: Call) -> Answer:
        return Answer(body=written[0], headers=[("cache-control", "no-cache")])

    own = [
        Operation(
            path="/openapi.json",
            handle=show_document,
            operation_id="show_openapi",
            summary="This document",
            tag="state",
            answers={200: Answered("OpenAPI 3.1.", dict)},
        ),
        Operation(
            path="/docs",
            handle=show_page,
            operation_id="show_docs",
            summary="The API, to read and to try",
            tag="state",
            answers={200: Answered("A page.", media_type="text/html")},
        ),
        Operation(
            path="/docs/{file}",
            handle=show_file,
            operation_id="show_docs_file",
            summary="What the page is made of",
            tag="state",
            path_parameters={"file": "The file's name."},
            answers={200: Answered("The file.", media_type="text/plain")},
            documented=False,
        ),
    ]
    written.append(encoded(document([*documented, *own])))
    return own


async def show_page(_call: Call) -> Answer:
    """The page."""
    return Answer(body=_PAGE, media_type=_HTML, headers=[("content-security-policy", _POLICY), ("cache-control", "no-cache")])


async def show_file(call: Call) -> Answer:
    """A file of the page."""
    name = call.path_parameters["file"]
    media_type = _FILES.get(name)
    if media_type is None:
        detail = f"there is no such file; these are: {', '.join(_FILES)}"
        raise not_found(detail)
    folder = resources.files("kasparro.api") / "static" / "swagger"
    body = await asyncio.to_thread((folder / name).read_bytes)
    tag = f'"{blake2b(body, digest_size=8).hexdigest()}"'
    if matches(call.headers.get("if-none-match", ""), tag):
        return Answer(body=b"", status=304, headers=[("etag", tag)])
    return Answer(body=body, media_type=media_type, headers=[("etag", f"W/{tag}"), ("cache-control", "max-age=3600")])
