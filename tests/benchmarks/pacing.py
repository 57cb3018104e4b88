"""An open-loop client: requests leave at a fixed rate whatever the server does.

`python -m tests.benchmarks.pacing PORT TARGET RATE SECONDS [METHOD]` prints one JSON object when the time is up or its stdin ends.
Each latency counts from the moment at which its request was due, so that a server that stalls is charged with all who wait
meanwhile, not only with the one that is on the way. How late requests left for want of the client's own time is told beside it:
it is a part of the latencies.
"""

import json
import select
import socket
import sys
import time
from collections import deque
from typing import Any

CONNECTIONS = 64
_READ_BYTES = 1 << 20
_END_SECONDS = 5.0  # what answers that are still on their way get


class Pacer:
    """Sends one request over and over on some connections, of which each carries one at a time."""

    def __init__(self, port: int, target: str, *, method: str = "GET", connections: int = CONNECTIONS) -> None:
        self._request = f"{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
        self._with_body = method != "HEAD"
        self._idle: deque[socket.socket] = deque()
        self._due: dict[socket.socket, float] = {}  # of those that wait for an answer
        self._left: dict[socket.socket, int] = {}  # bytes of its answer to come
        self._head: dict[socket.socket, bytes] = {}  # the beginning of an answer whose headers are not all there yet
        self.latencies: list[float] = []  # seconds
        self.late: list[float] = []  # seconds from when a request was due, and a connection free, until it left
        self.errors = 0
        for _ in range(connections):
            connection = socket.create_connection(("127.0.0.1", port))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._idle.append(connection)

    def run(self, rate: float, seconds: float, *, stop: Any = None) -> float:
        """Send for some seconds, or until there is something to read from `stop`; answers with the seconds that it took."""
        began = time.perf_counter()
        number, total, free_since, end = 0, int(rate * seconds), began, began + seconds + _END_SECONDS
        while number < total or self._due:
            now = time.perf_counter()
            while number < total and self._idle and (due := began + number / rate) <= now:
                self._send(self._idle.popleft(), due)
                now = time.perf_counter()
                self.late.append(now - max(due, free_since))
                number += 1
            if now > end:
                self.errors += len(self._due)
                break
            wait = max(0.0, began + number / rate - now) if number < total and self._idle else 0.5
            sources = [*self._due, *([stop] if stop is not None and number < total else [])]
            ready, _, _ = select.select(sources, [], [], wait)
            if stop in ready:
                ready.remove(stop)
                total, end = number, now + _END_SECONDS
            none_was_idle = not self._idle
            for connection in ready:
                self._receive(connection)
            if none_was_idle and self._idle:
                free_since = time.perf_counter()
        return time.perf_counter() - began

    def close(self) -> None:
        """Close the connections."""
        for connection in [*self._idle, *self._due]:
            connection.close()

    def _send(self, connection: socket.socket, due: float) -> None:
        self._due[connection] = due
        self._left[connection], self._head[connection] = -1, b""
        connection.sendall(self._request)

    def _receive(self, connection: socket.socket) -> None:
        data = connection.recv(_READ_BYTES)
        if not data:
            message = "the server closed a connection"
            raise ConnectionError(message)
        if self._left[connection] < 0:
            head, separator, data = (self._head[connection] + data).partition(b"\r\n\r\n")
            if not separator:
                self._head[connection] = head
                return
            self._left[connection] = _length(head) if self._with_body else 0
            self.errors += not head.startswith(b"HTTP/1.1 200 ")
        self._left[connection] -= len(data)
        if not self._left[connection]:
            self.latencies.append(time.perf_counter() - self._due.pop(connection))
            self._idle.append(connection)


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def at(values: list[float], share: float) -> float:
    """The value under which a share of all lies; 0 of none."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else 0.0


def main() -> None:
    """Send and print."""
    port, target, rate, seconds, *method = sys.argv[1:]
    pacer = Pacer(int(port), target, method=method[0] if method else "GET")
    lasted = pacer.run(float(rate), float(seconds), stop=sys.stdin)
    pacer.close()
    figures = {f"p{share * 100:g}": at(pacer.latencies, share) * 1_000 for share in (0.5, 0.99, 0.999)}
    figures |= {"max": max(pacer.latencies, default=0.0) * 1_000, "late_p99": at(pacer.late, 0.99) * 1_000}
    figures |= {"answers": len(pacer.latencies), "per_second": len(pacer.latencies) / lasted, "errors": pacer.errors}
    print(json.dumps(figures))  # noqa: T201  # the parent reads it


if __name__ == "__main__":
    main()
