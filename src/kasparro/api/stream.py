"""/stream: prices as they change, as Server-Sent Events."""

import asyncio
from collections.abc import Sequence

from litestar.types import Receive, Send

from kasparro.serving import parameters
from kasparro.serving.loading import knowing
from kasparro.serving.operations import Answer, Answered, Call, Live, Operation
from kasparro.serving.problems import ProblemError, not_found
from kasparro.serving.readers import COINS_MAX, READERS_MAX, Readers

MEDIA_TYPE = "text/event-stream"
_DESCRIPTION = (
    "Events until the connection closes. `price`: a row of /data, for each coin of `ids` on connect and whenever it changes. "
    "`version`: all events of a catalog version are sent; with its id as Last-Event-ID the state is not sent again where it is the "
    "present one still. `run`: a run has ended. `reset`: this reader was too slow and must connect anew. Comments come in between."
)


def operations() -> Sequence[Operation]:
    """What these paths answer."""
    return [
        Operation(
            path="/stream",
            handle=open_stream,
            operation_id="stream",
            summary="Prices as they change, as Server-Sent Events",
            tag="coins",
            parameters=[
                parameters.names(
                    "ids",
                    "The coins, by id or alias, separated by commas. Without it only `version` and `run` are sent.",
                    most=COINS_MAX,
                    example=["bitcoin", "ethereum"],
                )
            ],
            answers={
                200: Answered(_DESCRIPTION, media_type=MEDIA_TYPE),
                404: Answered("No coin has any of these ids."),
                503: Answered("Too many streams are open, or an id is not known yet.", headers=("Retry-After",)),
            },
            live=True,
        )
    ]


async def open_stream(call: Call) -> Answer:
    """A stream of events that begins with the state of the coins asked for."""
    readers, ids = call.services.readers, call.query["ids"] or ()
    catalog = await knowing(call.services.catalog, ids)
    if len(readers) >= READERS_MAX:  # looked at last: after a start many may have waited for the catalog together
        detail = f"{READERS_MAX} streams are open, and more are not served; try again later, or ask GET /prices now and then"
        raise ProblemError(503, "too_many_streams", detail, headers=[("retry-after", "30")])
    if ids and catalog.version and not any(map(catalog.find, ids)):
        detail = f"no coin has the id {ids[0][:100]!r}, nor any other of these ids; GET /data?q= finds coins by name or symbol"
        raise not_found(detail)
    headers = [("cache-control", "no-store"), ("x-accel-buffering", "no")]
    return Answer(body=_Stream(readers, ids, call.headers.get("last-event-id")), media_type=MEDIA_TYPE, headers=headers)


class _Stream(Live):
    """A reader's stream as an answer's body."""

    def __init__(self, readers: Readers, ids: Sequence[str], last_event_id: str | None) -> None:
        self._readers, self._ids, self._last_event_id = readers, ids, last_event_id

    async def send(self, receive: Receive, send: Send) -> None:
        """See Live."""
        reader = self._readers.join(self._ids, self._last_event_id)
        try:
            while part := await reader.part():
                await send({"type": "http.response.body", "body": part, "more_body": True})
                if await _has_gone(receive):
                    return
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._readers.leave(reader)


async def _has_gone(receive: Receive) -> bool:
    """Whether the client has closed the connection. A task that waits for it would cost as much memory as the reader itself."""
    try:
        async with asyncio.timeout(0):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return False
    return True
