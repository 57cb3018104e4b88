"""Compressed bodies, and which encoding a client takes."""

import asyncio
import zlib
from functools import lru_cache
from typing import Any, Literal

from kasparro.zstd import zstd

Encoding = Literal["zstd", "gzip"]

LEAST_BYTES = 3_000  # a smaller body is two or three packets, gone at once, and compressing it costs more than all the rest of an answer
IN_THREAD_BYTES = 32_000  # about 1 ms of compressing; larger bodies leave the event loop to others meanwhile

_GZIP_LEVEL, _ZSTD_LEVEL = 5, 3
_GZIP_WBITS = 31


@lru_cache(maxsize=256)
def negotiate(accept_encoding: str) -> Encoding | None:
    """The encoding that an Accept-Encoding header wants most; of equals zstd. None: the body as it is."""
    weights: dict[str, float] = {}
    for part in accept_encoding.lower().split(","):
        name, _, parameters = part.strip().partition(";")
        weights[name.strip()] = _weight(parameters)
    rest = weights.get("*", 0.0)
    wanted: dict[Encoding, float] = {"zstd": weights.get("zstd", rest), "gzip": weights.get("gzip", weights.get("x-gzip", rest))}
    best = max(wanted, key=lambda encoding: wanted[encoding])  # of equals the first: zstd
    return best if wanted[best] > 0 and wanted[best] >= weights.get("identity", 0.0) else None


def _weight(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.strip().partition("=")
        if name == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def _gzip() -> Any:  # noqa: ANN401  # zlib does not name the type
    return zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WBITS)


def compress(body: bytes, encoding: Encoding) -> bytes:
    """A whole body, compressed."""
    if encoding == "zstd":
        return zstd.compress(body, _ZSTD_LEVEL)
    compressor = _gzip()
    made: bytes = compressor.compress(body) + compressor.flush()
    return made


class StreamCompressor:
    """A body that is sent in parts."""

    def __init__(self, encoding: Encoding) -> None:
        self._made: Any = zstd.ZstdCompressor(_ZSTD_LEVEL) if encoding == "zstd" else _gzip()

    def part(self, body: bytes, *, last: bool) -> bytes:
        """The compressed bytes that are ready after another part; may be none."""
        made: bytes = self._made.compress(body)
        return made + self._made.flush() if last else made


async def compressed(body: bytes, encoding: Encoding) -> bytes:
    """A whole body, compressed; a large one in a thread."""
    return await asyncio.to_thread(compress, body, encoding) if len(body) > IN_THREAD_BYTES else compress(body, encoding)
