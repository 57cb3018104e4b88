"""What a client may hold that does not finish its request: uvicorn bounds neither the size of a head nor the time that it takes."""

from collections.abc import Collection, Mapping
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from kasparro.clock import Clock
from kasparro.serving.headers import DATA, lines
from kasparro.serving.problems import MEDIA_TYPE, ProblemError, invalid_request

HEAD_BYTES_MAX = 65_536  # more than any query and cookies that we read or ignore
LATE_SECONDS = 10.0  # between two looks: a request that both see unfinished has had as long at least


class BoundedProtocol(HttpToolsProtocol):
    """A connection whose request heads are bounded."""

    heads = 0  # that were read to their end
    in_head = False
    _head_bytes = 0

    def on_message_begin(self) -> None:
        """See uvicorn."""
        self.in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """See uvicorn."""
        self.head_read()
        super().on_headers_complete()

    def head_read(self) -> None:
        """Note that a head was read to its end."""
        self.in_head = False
        self._head_bytes = 0
        self.heads += 1

    def data_received(self, data: bytes) -> None:
        """See uvicorn."""
        super().data_received(data)
        if self.in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
                detail = f"the request's line and headers have more than {HEAD_BYTES_MAX} bytes"
                self._refuse(ProblemError(431, "head_too_large", detail))

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # uvicorn's words, which say the same
        """See uvicorn."""
        self._refuse(invalid_request("this is no request of HTTP/1.1 that can be understood; the connection is closed"))

    def _refuse(self, problem: ProblemError) -> None:
        """Answer what the application never sees, and close."""
        status = HTTPStatus(problem.status)
        head = b"HTTP/1.1 %d %b\r\ncontent-type: %b\r\n" % (status, status.phrase.encode(), MEDIA_TYPE.encode())
        ours = b"%bcontent-length: %d\r\nconnection: close\r\n\r\n" % (lines(DATA), len(problem.body))
        self.transport.write(head + ours + problem.body)
        self.transport.close()


Unfinished = dict[BoundedProtocol, int]  # connections with an unfinished request, and how many heads they had sent before


def close_late(connections: Collection[object], before: Mapping[BoundedProtocol, int]) -> Unfinished:
    """Close the connections whose request was unfinished the last time (`before`) and is still; answers with those to look at next time.

    A connection that is idle between two requests is uvicorn's own to close; one that has sent nothing at all counts as unfinished.
    """
    unfinished: Unfinished = {}
    for connection in list(connections):
        if not isinstance(connection, BoundedProtocol):
            continue
        cycle = connection.cycle  # none where all that was asked for was answered without one
        in_body = bool(cycle) and cycle.more_body and not cycle.response_complete
        if connection.in_head or connection.heads == 0 or in_body:
            if before.get(connection) == connection.heads:
                connection.transport.close()
            else:
                unfinished[connection] = connection.heads
    return unfinished


async def keep_closing_late(connections: Collection[object], clock: Clock) -> None:
    """Look for ever. `connections` is the server's own set."""
    unfinished: Unfinished = {}
    while True:
        await clock.sleep(LATE_SECONDS)
        unfinished = close_late(connections, unfinished)
