"""Calls to the sources over HTTP: spaced, timed, bounded, repeated where that may help. The only user of aiohttp's client.

A key travels in a header, to the base URL's host and to no other. No message or log event holds a key or a query.
"""

import asyncio
import hashlib
import random
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version

import aiohttp
from yarl import URL

from kasparro import logs
from kasparro.clock import Clock
from kasparro.errors import AbortError, KasparroError, RetryError, SkipError
from kasparro.records import Record, Request
from kasparro.settings import Settings, SourceSettings
from kasparro.sources import backoff
from kasparro.sources.answers import described, one_line
from kasparro.sources.base import Source
from kasparro.sources.limits import Spacing

# Told of every call that got an answer, with its status, and with 0 of one that got none: (source, status).
OnCall = Callable[[str, int], None]

_CHUNK_BYTES = 65_536
_ERROR_BYTES_MAX = 65_536  # of the body of an error: as much as is looked at
_DIGEST_IN_LOOP_BYTES = 262_144  # hashed in 0.2 ms; a larger body goes to a thread
_REDIRECTS = {
    HTTPStatus.MOVED_PERMANENTLY,
    HTTPStatus.FOUND,
    HTTPStatus.SEE_OTHER,
    HTTPStatus.TEMPORARY_REDIRECT,
    HTTPStatus.PERMANENT_REDIRECT,
}

log = logs.get()


class Fetched(Record, frozen=True):
    """A body as it came, decompressed."""

    body: bytes
    digest: bytes  # sha256 of the body
    fetched_at: datetime  # when its last byte came
    calls: int  # how many it took


class HttpClient:
    """The one client of the process. Made inside a running event loop, closed in it.

    It holds each source's spacing over all calls, whoever makes them.
    """

    def __init__(self, settings: Settings, clock: Clock, rng: random.Random) -> None:
        self._settings = settings
        self._clock = clock
        self._rng = rng
        self._turns: dict[str, float] = {}  # source -> when its latest call was allowed to leave, monotonic
        self._session = aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(),
            middlewares=(_sent_once,),
            headers={"User-Agent": f"kasparro/{_version()} (+https://github.com/kasparro/kasparro)", "Accept": "application/json"},
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def fetch(
        self,
        source: Source,
        settings: SourceSettings,
        request: Request,
        *,
        deadline: float | None = None,
        on_call: OnCall | None = None,
    ) -> Fetched:
        """Ask until there is an answer, at most `request_attempts_max` times. `deadline` is on the clock's monotonic time.

        Raises SkipError where this part cannot be had, AbortError where nothing of the source can be had now, and
        RetryError where the last attempt failed in a way that may pass.
        """
        calls = 0

        def count(name: str, status: int) -> None:
            nonlocal calls
            calls += 1
            if on_call is not None:
                on_call(name, status)

        attempt = 0
        while True:  # the wait after the last attempt raises
            attempt += 1
            try:
                body, fetched_at = await self._attempt(source, settings, request, deadline, count)
            except RetryError as error:
                await self._wait_to_retry(source, request, error, attempt, deadline)
            else:
                return Fetched(body=body, digest=await _sha256(body), fetched_at=fetched_at, calls=calls)

    async def probe(self, source: Source, settings: SourceSettings) -> float:
        """Ask the source's cheapest question once and answer with the seconds that it took. Raises what `fetch` raises."""
        started = self._clock.monotonic()
        await self._attempt(source, settings, source.ping(), None, None)
        return self._clock.monotonic() - started

    async def _wait_to_retry(self, source: Source, request: Request, error: RetryError, attempt: int, deadline: float | None) -> None:
        """Wait before the next attempt, or raise the error that ends the attempts."""
        asked = error.retry_after_seconds
        if attempt == self._settings.request_attempts_max:
            if error.code == "unreachable":
                raise AbortError(str(error), code=error.code) from error
            raise error
        longest = self._settings.retry_wait_seconds_max
        if deadline is not None:
            longest = min(longest, deadline - self._clock.monotonic())
        if asked is not None and asked > longest:
            message = f"{error} (it asks to wait {asked:,.0f} s, longer than this run waits: the next run goes on)"
            raise AbortError(message, code="limit_reached" if error.code == "rate_limited" else error.code) from error
        # Several clients behind one address were told the same time: they should not all come back in the same instant.
        wait = backoff.full_jitter(attempt, self._rng) if asked is None else asked + self._rng.uniform(0.0, 0.5)
        if deadline is not None and self._clock.monotonic() + wait > deadline:
            raise error
        # A refused connection is told once, by the run that it fails, not once per attempt.
        level = log.debug if error.code == "unreachable" else log.info
        level(
            "source.retry_scheduled",
            source=source.name,
            stream=request.stream,
            part=request.part,
            attempt=attempt,
            wait_seconds=round(wait, 3),
            code=error.code,
            error=str(error),
        )
        await self._clock.sleep(wait)

    async def _take_turn(self, source: Source, settings: SourceSettings, deadline: float | None) -> None:
        now = self._clock.monotonic()
        turn = Spacing(calls_per_minute=settings.calls_per_minute).turn(now, self._turns.get(source.name))
        if deadline is not None and turn > deadline:
            message = f"no time is left in this run for another call to {source.name}: the next run goes on"
            raise AbortError(message, code="deadline")
        self._turns[source.name] = turn  # before the wait, so that calls made meanwhile queue up behind this one
        if turn > now:
            await self._clock.sleep(turn - now)

    async def _attempt(
        self, source: Source, settings: SourceSettings, request: Request, deadline: float | None, on_call: OnCall | None
    ) -> tuple[bytes, datetime]:
        """One call, with one more where it is redirected on the same host."""
        base = URL(settings.base_url)
        url = URL(settings.base_url + request.path).with_query(request.query)
        where = f"{source.name} {request.path}"
        answer = await self._call(source, settings, url, where=where, deadline=deadline, on_call=on_call)
        if answer.status in _REDIRECTS:
            target = _redirected(base, answer.location, where, source)
            answer = await self._call(source, settings, target, where=where, deadline=deadline, on_call=on_call)
            if answer.status in _REDIRECTS:
                message = f"{where}: redirected twice, which is not followed; is {source.name.upper()}_BASE_URL right, https included?"
                raise SkipError(message, code="redirected")
        return _checked(source, answer, where), self._clock.now()

    async def _call(
        self, source: Source, settings: SourceSettings, url: URL, *, where: str, deadline: float | None, on_call: OnCall | None
    ) -> "_Answer":
        await self._take_turn(source, settings, deadline)
        total = self._settings.request_timeout_seconds
        if deadline is not None:
            total = min(total, max(0.001, deadline - self._clock.monotonic()))
        status = 0
        # A host that drops packets would hold a connect for the whole time; a third of it is plenty to connect in.
        timeout = aiohttp.ClientTimeout(total=total, sock_connect=max(0.001, total / 3))
        host = f"{url.host}:{url.port}"
        try:
            async with self._session.get(url, headers=source.headers(), allow_redirects=False, timeout=timeout) as response:
                status = response.status
                is_data = status == HTTPStatus.OK
                body = await _read(
                    response, self._settings.response_bytes_max if is_data else _ERROR_BYTES_MAX, is_data=is_data, where=where
                )
                wait = backoff.retry_after(response.headers.get("Retry-After"), self._clock.now())
                return _Answer(status=status, body=body, retry_after_seconds=wait, location=response.headers.get("Location", ""))
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
            message = f"{where}: no whole answer within {total:.3g} s"
            raise RetryError(message, code="timeout") from None
        except (aiohttp.ClientError, OSError) as error:
            message = f"{where}: the answer broke off ({type(error).__name__})"
            raise RetryError(message, code="broken_off") from None
        finally:
            if on_call is not None:
                on_call(source.name, status)


async def _sent_once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending a request again by itself, unspaced and uncounted, where the connection was lost."""
    try:
        return await handler(request)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        message = "the connection was lost"
        raise aiohttp.ClientPayloadError(message) from error


class _Answer(Record, frozen=True):
    status: int
    body: bytes
    retry_after_seconds: float | None
    location: str


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


def _too_large(where: str, limit: int) -> SkipError:
    return SkipError(f"{where}: the answer is larger than {limit:,} bytes, the bound for one answer, and was not read on", code="too_large")


def _checked(source: Source, answer: _Answer, where: str) -> bytes:
    """The body of an answer that looks like data. Raises the error that it amounts to otherwise."""
    if answer.status == HTTPStatus.OK:
        hidden = source.hidden_error(answer.body)
        if hidden is None:
            text = answer.body.strip()
            if text[:1] + text[-1:] in {b"[]", b"{}"}:
                return answer.body
            hidden = RetryError(f"{where}: expected JSON, got {described(answer.body)}", code="not_json")
        error: KasparroError = hidden
    else:
        error = source.explain(answer.status, answer.body)
    if isinstance(error, RetryError) and answer.retry_after_seconds is not None:
        error.retry_after_seconds = answer.retry_after_seconds
    raise error


def _redirected(base: URL, location: str, where: str, source: Source) -> URL:
    """Where a redirect leads, if that is the same host. The scheme and the port stay the base URL's: a key is not sent in the clear."""
    try:
        target = base.join(URL(location))
    except ValueError:
        target = URL()
    if not location or target.host != base.host:
        message = (
            f"{where}: redirected to {one_line(target.host or 'nowhere')}, which is not followed; is {source.name.upper()}_BASE_URL right?"
        )
        raise SkipError(message, code="redirected")
    return base.with_path(target.raw_path, encoded=True).with_query(target.query)


async def _sha256(body: bytes) -> bytes:
    if len(body) <= _DIGEST_IN_LOOP_BYTES:
        return hashlib.sha256(body).digest()
    return await asyncio.to_thread(lambda: hashlib.sha256(body).digest())


def _version() -> str:
    try:
        return version("kasparro")
    except PackageNotFoundError:  # a checkout on the path, not installed
        return "0"
