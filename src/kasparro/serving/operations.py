"""What an operation of the API is: declared once, for routing, for parsing and for the OpenAPI document."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec
from litestar.types import Receive, Send

from kasparro.serving.dependencies import Dependencies
from kasparro.serving.parameters import Parameter

JSON = "application/json"


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every body."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One request, its parameters checked."""

    services: Dependencies
    path: str
    query_string: bytes
    query: dict[str, Any]  # by parameter name
    path_parameters: Mapping[str, str]
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    request_id: str
    started: float  # monotonic seconds


class Live(ABC):
    """A body that is sent for as long as the client reads."""

    @abstractmethod
    async def send(self, receive: Receive, send: Send) -> None:
        """Send the messages of the body, after that of its start. See ASGI."""


class Answer(msgspec.Struct, kw_only=True):
    """What is sent back."""

    body: bytes | AsyncIterator[bytes] | Live
    status: int = 200
    media_type: str = JSON
    headers: list[tuple[str, str]] = msgspec.field(default_factory=list)
    same_for_etag: bool = True  # false: the body says something of this very request, so that it must not be kept


class Answered(msgspec.Struct, frozen=True):
    """How an operation's answer of one status is documented."""

    description: str
    body: Any = None  # the type of the JSON body; None: see `media_type`
    media_type: str = JSON
    headers: tuple[str, ...] = ()
    or_text: str | None = None  # the media type of text that it may be instead


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """A method and path with what it takes and answers."""

    path: str  # with {name} for path parameters
    handle: Callable[[Call], Awaitable[Answer]]
    operation_id: str
    summary: str
    tag: str
    answers: dict[int, Answered]
    method: Literal["GET", "POST", "DELETE"] = "GET"
    parameters: Sequence[Parameter] = ()
    path_parameters: dict[str, str] = {}  # name -> description
    path_schemas: dict[str, dict[str, Any]] = {}  # name -> JSON Schema; text where it is not given
    body_schema: dict[str, Any] | None = None  # JSON Schema of the JSON body that may be sent
    body_required: bool = False
    conditional: bool = False  # answered from the catalog: with ETag and 304
    whole: bool = False  # needs all that is known of all coins: 503 until the catalog is complete, in the first seconds of a process
    live: bool = False  # the body is a Live
    page: bool = False  # answers with a page whatever happens
    secured: bool = False  # needs the admin token
    documented: bool = True


def encoded(value: Any) -> bytes:  # noqa: ANN401  # any response struct
    """A value as JSON."""
    return _ENCODER.encode(value)


_ENCODER = msgspec.json.Encoder()
