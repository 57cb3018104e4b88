"""One call to a source, timed and bounded. The only user of an HTTP client; everything goes through http.py, which keeps its manners."""

from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version

import aiohttp
from yarl import URL

from kasparro.errors import AbortError, RetryError, SkipError
from kasparro.settings import Secret
from kasparro.sources import backoff
from kasparro.sources.answers import Answer, one_line

_CHUNK_BYTES = 65_536
_MASK = b"****"
_ERROR_BYTES_MAX = 65_536  # of the body of an error: as much as is looked at


class Calls:
    """The connections to the sources. Made inside a running event loop, closed in it."""

    def __init__(self) -> None:
        self._session = aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(),
            middlewares=(_sent_once,),
            headers={"User-Agent": f"kasparro/{_version()} (+https://github.com/kasparro/kasparro)", "Accept": "application/json"},
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def get(
        self,
        url: URL,
        headers: Mapping[str, str],
        *,
        key: Secret | None,
        seconds: float,
        bytes_max: int,
        where: str,
        now: Callable[[], datetime],
        on_status: Callable[[int], None],
    ) -> Answer:
        """One answer, with `key` masked where it is repeated, of at most `bytes_max` bytes.

        `where` names what is asked, for messages. `on_status` is told of every call that was made; 0: there was no answer.
        Raises AbortError, RetryError and SkipError as HttpClient.fetch.
        """
        status = 0
        # A host that drops packets would hold a connect for the whole time; a third of it is plenty to connect in.
        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=max(0.001, seconds / 3))
        host = f"{url.host}:{url.port}"
        try:
            async with self._session.get(url, headers=headers, allow_redirects=False, timeout=timeout) as response:
                status = response.status
                is_data = status == HTTPStatus.OK
                limit = bytes_max if is_data else _ERROR_BYTES_MAX
                return Answer(
                    status=status,
                    body=_masked(await _read(response, limit, is_data=is_data, where=where), key),
                    etag=response.headers.get("ETag", ""),
                    retry_after_seconds=backoff.retry_after(response.headers.get("Retry-After"), now()),
                    location=_masked(response.headers.get("Location", "").encode(errors="replace"), key).decode(),
                )
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError) as error:
            message = f"{where}: the certificate of {host} was not accepted ({one_line(str(error.__cause__ or error))})"
            raise AbortError(message, code="certificate") from None
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            reason = one_line(str(getattr(error, "os_error", "") or "no connection in time"))
            message = f"{where}: cannot connect to {host} ({reason}); is the network up, and the base URL right?"
            raise RetryError(message, code="unreachable") from None
        except aiohttp.InvalidURL:
            message = f"{where}: the base URL is no address that can be asked"
            raise AbortError(message, code="settings") from None
        except TimeoutError:
            message = f"{where}: no whole answer within {seconds:.3g} s"
            raise RetryError(message, code="timeout") from None
        except (aiohttp.ClientError, OSError) as error:
            message = f"{where}: the answer broke off ({type(error).__name__})"
            raise RetryError(message, code="broken_off") from None
        finally:
            on_status(status)


async def _sent_once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending a request again by itself, unspaced and uncounted, where the connection was lost."""
    try:
        return await handler(request)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        message = "the connection was lost"
        raise aiohttp.ClientPayloadError(message) from error


async def _read(response: aiohttp.ClientResponse, limit: int, *, is_data: bool, where: str) -> bytes:
    """The body, counted after decompression; of an error only the beginning. Stops reading at the limit."""
    chunks: list[bytes] = []
    size = 0
    if response.content_length is not None and response.content_length > limit and is_data:
        response.close()
        raise _too_large(where, limit)
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        chunks.append(chunk)
        size += len(chunk)
        if size > limit:
            response.close()
            if is_data:
                raise _too_large(where, limit)
            break
    return b"".join(chunks)[:limit]


def _masked(said: bytes, key: Secret | None) -> bytes:
    return said if key is None else said.replace(key.reveal().encode(), _MASK)  # 2 ms for the largest answer


def _too_large(where: str, limit: int) -> SkipError:
    return SkipError(f"{where}: the answer is larger than {limit:,} bytes, the bound for one answer, and was not read on", code="too_large")


def _version() -> str:
    try:
        return version("kasparro")
    except PackageNotFoundError:  # a checkout on the path, not installed
        return "0"
