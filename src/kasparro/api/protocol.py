"""uvicorn's HTTP protocol, with a short way for what can be answered at once.

Of the 40 microseconds that a request costs under uvicorn, two thirds go into the scope, the task and the messages of an ASGI call
for an answer that is ready before it begins. A request that is not plain, or has no answer here, goes the whole way. It
relies on names inside uvicorn, whose version is locked; a test compares both ways.
"""

from kasparro import logs
from kasparro.api.connections import BoundedProtocol
from kasparro.api.hot import HotAnswers

log = logs.get()

_METHODS = {b"GET": True, b"HEAD": False}  # whether the answer has its body


def protocol_of(hot: HotAnswers) -> type[BoundedProtocol]:
    """The class to give to uvicorn as `http`."""

    class Protocol(BoundedProtocol):
        """One connection."""

        answered = False  # the message that is being read has its answer

        def on_message_begin(self) -> None:
            """A request begins. Its scope is made only where it goes the whole way."""
            self.in_head = True
            self.url = b""
            self.headers = []
            self.expect_100_continue = False
            self.answered = False

        def on_headers_complete(self) -> None:
            """Answer at once, or go the whole way."""
            if self._is_plain():
                answer = self._ready()
                if answer is not None:
                    self.answered = True
                    self.head_read()
                    self.transport.write(answer)
                    self.server_state.total_requests += 1
                    self._unset_keepalive_if_required()
                    self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)
                    return
            url, headers, expects = self.url, self.headers, self.expect_100_continue
            super().on_message_begin()
            self.url, self.expect_100_continue = url, expects
            self.headers.extend(headers)
            super().on_headers_complete()

        def on_message_complete(self) -> None:
            """Nothing is left to do for what has its answer."""
            if not self.answered:
                super().on_message_complete()

        def _ready(self) -> bytes | None:
            with_body = _METHODS[self.parser.get_method()]
            try:
                return hot.answer(self.url, self.headers, self.server_state.default_headers, self.client, with_body=with_body)
            except Exception:
                # To the parser that calls this it would be the client's fault; where the application fails as well, it says 500.
                log.exception("http.short_way_failed")
                return None

        def _is_plain(self) -> bool:
            """Whether nothing is at work or waiting on this connection, and it stays open afterwards."""
            return (
                (not self.cycle or self.cycle.response_complete)  # type: ignore[truthy-bool]  # None before the first one
                and self.parser.get_method() in _METHODS
                and self.parser.should_keep_alive()
                and self.parser.get_http_version() == "1.1"
                and not self.flow.write_paused
                and not self.transport.is_closing()
            )

    return Protocol
