"""One question to a server on loopback, asked as a client of a benchmark asks, and the answer as bytes."""

import http.client
import time
from typing import NamedTuple

_SECONDS = 60.0


class Answer(NamedTuple):
    """What came back. Header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


def ask(port: int, target: str, *, method: str = "GET", headers: dict[str, str] | None = None, body: bytes | None = None) -> Answer:
    """Ask once, over a connection of its own. Raises OSError where nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS)
    try:
        connection.request(method, target, body=body, headers=headers or {})
        response = connection.getresponse()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    finally:
        connection.close()


def ask_until(port: int, target: str, *, seconds: float = 60.0, with_rows: bool = False) -> float:
    """Ask every 5 ms until the answer is 200, and is no empty list where rows are wanted. Answers with the seconds that it took."""
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        try:
            answer = ask(port, target)
        except (OSError, http.client.HTTPException):
            answer = None
        if answer is not None and answer.status == http.HTTPStatus.OK and not (with_rows and answer.body == b"[]"):
            return time.perf_counter() - began
        time.sleep(0.005)
    message = f"nothing answers {target} on port {port}"
    raise TimeoutError(message)
