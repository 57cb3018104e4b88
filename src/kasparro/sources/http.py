"""Calls to the sources over HTTP: spaced, timed, bounded, repeated where that may help. The only user of aiohttp's client.

A key travels in a header, to the base URL's host and to no other. No message or log event holds a key or a query: where the other side
repeats the key in what it says, it is masked before anybody reads or keeps it.
"""

import asyncio
import hashlib
import random
from collections.abc import Mapping
from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version

import aiohttp
import msgspec
from yarl import URL

from kasparro import logs
from kasparro.clock import Clock
from kasparro.errors import AbortError, KasparroError, RetryError, SkipError
from kasparro.records import Record, Request
from kasparro.settings import Secret, Settings, SourceSettings
from kasparro.sources import backoff
from kasparro.sources.answers import data_of, one_line
from kasparro.sources.base import Fetched, HttpSource, OnCall
from kasparro.sources.breaker import Moment
from kasparro.sources.manners import Manners, is_unchanged
from kasparro.sources.redirects import REDIRECTS, redirected

_CHUNK_BYTES = 65_536
_DIGEST_IN_LOOP_BYTES = 262_144  # hashed in 0.2 ms; a larger body goes to a thread
_MASK = b"****"
_ERROR_BYTES_MAX = 65_536  # of the body of an error: as much as is looked at

log = logs.get()


class _Errand(Record, frozen=True, kw_only=True):
    """What is asked, and how."""

    source: HttpSource
    settings: SourceSettings
    request: Request
    deadline: float | None = None
    on_call: OnCall | None = None
    committed: bytes = b""
    insist: bool = False

    @property
    def where(self) -> str:
        return f"{self.source.name} {self.request.path}"


class _Answer(Record, frozen=True, kw_only=True):
    status: int
    body: bytes
    etag: str
    retry_after_seconds: float | None
    location: str


class HttpClient:
    """The one client of the process. Made inside a running event loop, closed in it.

    It keeps its manners towards each source over all calls, whoever makes them.
    """

    def __init__(self, settings: Settings, clock: Clock, rng: random.Random) -> None:
        self._settings = settings
        self._clock = clock
        self._rng = rng
        self._manners = {name: Manners(source.calls_per_minute) for name, source in settings.sources.items()}
        self._session = aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(),
            middlewares=(_sent_once,),
            headers={"User-Agent": f"kasparro/{_version()} (+https://github.com/kasparro/kasparro)", "Accept": "application/json"},
        )

    @property
    def manners(self) -> Mapping[str, Manners]:
        """Each source's pace and breaker, to be looked at."""
        return self._manners

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def fetch(
        self,
        source: HttpSource,
        settings: SourceSettings,
        request: Request,
        *,
        deadline: float | None = None,
        on_call: OnCall | None = None,
        committed: bytes = b"",
        insist: bool = False,
    ) -> Fetched:
        """Ask until there is an answer, at most `request_attempts_max` times. `deadline` is on the clock's monotonic time.

        `committed` is the digest of the body last committed: if the source says that it has not changed, the answer has this
        digest and no body. `insist`: a person wants the first attempt, though the source is being left alone.
        Raises SkipError where this part cannot be had, AbortError where nothing of the source can be had now, and
        RetryError where the last attempt failed in a way that may pass.
        """
        calls = 0

        def count(name: str, status: int) -> None:
            nonlocal calls
            calls += 1
            if on_call is not None:
                on_call(name, status)

        errand = _Errand(
            source=source, settings=settings, request=request, deadline=deadline, on_call=count, committed=committed, insist=insist
        )
        attempt = 0
        while True:  # the wait after the last attempt raises
            attempt += 1
            try:
                answer = await self._attempt(errand)
            except RetryError as error:
                await self._wait_to_retry(errand, error, attempt)
                errand = msgspec.structs.replace(errand, insist=False)
                continue
            fetched_at = self._clock.now()
            if answer.status == HTTPStatus.NOT_MODIFIED:
                return Fetched(body=b"", digest=committed, fetched_at=fetched_at, calls=calls)
            digest = await _sha256(answer.body)
            self._manners[source.name].remember(request, answer.etag, digest)
            return Fetched(body=answer.body, digest=digest, fetched_at=fetched_at, calls=calls)

    async def probe(self, source: HttpSource, settings: SourceSettings) -> float:
        """Ask the source's cheapest question once and answer with the seconds that it took. Raises what `fetch` raises."""
        started = self._clock.monotonic()
        await self._attempt(_Errand(source=source, settings=settings, request=source.ping(), insist=True))
        return self._clock.monotonic() - started

    async def _wait_to_retry(self, errand: _Errand, error: RetryError, attempt: int) -> None:
        """Wait before the next attempt, or raise the error that ends the attempts."""
        manners, asked, deadline = self._manners[errand.source.name], error.retry_after_seconds, errand.deadline
        longest = self._settings.retry_wait_seconds_max
        if deadline is not None:
            longest = min(longest, deadline - self._clock.monotonic())
        if asked is not None and asked > longest:
            manners.asked_to_wait(error, self._moment())
            message = f"{error} (it asks to wait {asked:,.0f} s, longer than this run waits); {manners.breaker.words()}"
            raise AbortError(message, code="limit_reached" if error.code == "rate_limited" else error.code) from error
        if manners.breaker.state != "closed":
            message = f"{error} ({manners.breaker.failures} calls in a row failed); {manners.breaker.words()}"
            raise AbortError(message, code=error.code) from error
        if attempt == self._settings.request_attempts_max:
            manners.asked_to_wait(error, self._moment())
            if error.code == "unreachable":
                raise AbortError(str(error), code=error.code) from error
            raise error
        # Several clients behind one address were told the same time: they should not all come back in the same instant.
        wait = backoff.full_jitter(attempt, self._rng) if asked is None else asked + self._rng.uniform(0.0, 0.5)
        if deadline is not None and self._clock.monotonic() + wait > deadline:
            raise error
        # Trouble is told once, by the run, and not once per attempt.
        log.debug(
            "source.retry_scheduled",
            source=errand.source.name,
            stream=errand.request.stream,
            part=errand.request.part,
            attempt=attempt,
            wait_seconds=round(wait, 3),
            code=error.code,
            error=str(error),
        )
        await self._clock.sleep(wait)

    def _moment(self) -> Moment:
        return Moment(at=self._clock.now(), monotonic=self._clock.monotonic())

    async def _take_turn(self, errand: _Errand) -> None:
        manners, now = self._manners[errand.source.name], self._clock.monotonic()
        turn = manners.pace.turn(now, manners.previous_turn)
        if errand.deadline is not None and turn > errand.deadline:
            message = f"no time is left in this run for another call to {errand.source.name}: the next run goes on"
            raise AbortError(message, code="deadline")
        manners.previous_turn = turn  # before the wait, so that calls made meanwhile queue up behind this one
        if turn > now:
            await self._clock.sleep(turn - now)

    async def _attempt(self, errand: _Errand) -> _Answer:
        """One call, with one more where it is redirected on the same host: the answer with data, or that there is nothing new."""
        manners = self._manners[errand.source.name]
        manners.check(errand.source.name, self._moment(), insist=errand.insist)
        try:
            answer = await self._asked(errand, manners.etag(errand.request, errand.committed))
        except KasparroError as error:
            manners.failed(error, self._moment())
            raise
        manners.answered()
        return answer

    async def _asked(self, errand: _Errand, etag: str | None) -> _Answer:
        base = URL(errand.settings.base_url)
        url = URL(errand.settings.base_url + errand.request.path).with_query(errand.request.query)
        answer = await self._call(errand, url, etag)
        if answer.status in REDIRECTS:
            answer = await self._call(errand, redirected(base, answer.location, errand.where, errand.source.name), etag)
            if answer.status in REDIRECTS:
                name = errand.source.name.upper()
                message = f"{errand.where}: redirected twice, which is not followed; is {name}_BASE_URL right, https included?"
                raise SkipError(message, code="redirected")
        if not is_unchanged(answer.status, etag):
            data_of(errand.source, answer.status, answer.body, answer.retry_after_seconds, errand.where)
        return answer

    async def _call(self, errand: _Errand, url: URL, etag: str | None) -> _Answer:
        source, where = errand.source, errand.where
        await self._take_turn(errand)
        manners = self._manners[source.name]
        manners.breaker = manners.breaker.calling(self._moment())
        total = self._settings.request_timeout_seconds
        if errand.deadline is not None:
            total = min(total, max(0.001, errand.deadline - self._clock.monotonic()))
        status = 0
        # A host that drops packets would hold a connect for the whole time; a third of it is plenty to connect in.
        timeout = aiohttp.ClientTimeout(total=total, sock_connect=max(0.001, total / 3))
        host = f"{url.host}:{url.port}"
        headers = source.headers() | ({} if etag is None else {"If-None-Match": etag})
        try:
            async with self._session.get(url, headers=headers, allow_redirects=False, timeout=timeout) as response:
                status = response.status
                is_data = status == HTTPStatus.OK
                limit = self._settings.response_bytes_max if is_data else _ERROR_BYTES_MAX
                key = errand.settings.api_key
                return _Answer(
                    status=status,
                    body=_masked(await _read(response, limit, is_data=is_data, where=where), key),
                    etag=response.headers.get("ETag", ""),
                    retry_after_seconds=backoff.retry_after(response.headers.get("Retry-After"), self._clock.now()),
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
            message = f"{where}: no whole answer within {total:.3g} s"
            raise RetryError(message, code="timeout") from None
        except (aiohttp.ClientError, OSError) as error:
            message = f"{where}: the answer broke off ({type(error).__name__})"
            raise RetryError(message, code="broken_off") from None
        finally:
            if errand.on_call is not None:
                errand.on_call(source.name, status)


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


async def _sha256(body: bytes) -> bytes:
    if len(body) <= _DIGEST_IN_LOOP_BYTES:
        return hashlib.sha256(body).digest()
    return await asyncio.to_thread(lambda: hashlib.sha256(body).digest())


def _version() -> str:
    try:
        return version("kasparro")
    except PackageNotFoundError:  # a checkout on the path, not installed
        return "0"
