"""Calls to the sources over HTTP: spaced, timed, bounded, repeated where that may help. The only user of calls.py.

A key travels in a header, to the base URL's host and to no other. No message or log event holds a key or a query: where the other side
repeats the key in what it says, it is masked before anybody reads or keeps it.
"""

import asyncio
import hashlib
import random
from collections.abc import Mapping
from http import HTTPStatus
from importlib import import_module
from typing import TYPE_CHECKING

import msgspec
from yarl import URL

from kasparro import logs
from kasparro.clock import Clock
from kasparro.errors import AbortError, KasparroError, RetryError, SkipError
from kasparro.records import Record, Request
from kasparro.settings import Settings, SourceSettings
from kasparro.sources import backoff
from kasparro.sources.answers import Answer, data_of
from kasparro.sources.base import Fetched, HttpSource, OnCall
from kasparro.sources.breaker import Moment
from kasparro.sources.manners import Manners, is_unchanged
from kasparro.sources.redirects import REDIRECTS, redirected

_DIGEST_IN_LOOP_BYTES = 262_144  # hashed in 0.2 ms; a larger body goes to a thread

if TYPE_CHECKING:
    from kasparro.sources.calls import Calls

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


class HttpClient:
    """The one client of the process. Made inside a running event loop, closed in it.

    It keeps its manners towards each source over all calls, whoever makes them.
    """

    def __init__(self, settings: Settings, clock: Clock, rng: random.Random) -> None:
        self._settings = settings
        self._clock = clock
        self._rng = rng
        self._manners = {name: Manners(source.calls_per_minute) for name, source in settings.sources.items()}
        self._calls: Calls | None = None  # made for the first call

    @property
    def manners(self) -> Mapping[str, Manners]:
        """Each source's pace and breaker, to be looked at."""
        return self._manners

    async def close(self) -> None:
        """Close the connections."""
        if self._calls is not None:
            await self._calls.close()

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

    async def _attempt(self, errand: _Errand) -> Answer:
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

    async def _asked(self, errand: _Errand, etag: str | None) -> Answer:
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

    async def _call(self, errand: _Errand, url: URL, etag: str | None) -> Answer:
        source, where = errand.source, errand.where
        await self._take_turn(errand)
        manners = self._manners[source.name]
        manners.breaker = manners.breaker.calling(self._moment())
        total = self._settings.request_timeout_seconds
        if errand.deadline is not None:
            total = min(total, max(0.001, errand.deadline - self._clock.monotonic()))
        headers = source.headers() | ({} if etag is None else {"If-None-Match": etag})
        key, limit = errand.settings.api_key, self._settings.response_bytes_max
        calls = await self._opened()

        def counted(status: int) -> None:
            if errand.on_call is not None:
                errand.on_call(source.name, status)

        return await calls.get(url, headers, key=key, seconds=total, bytes_max=limit, where=where, now=self._clock.now, on_status=counted)

    async def _opened(self) -> "Calls":
        if self._calls is None:
            # Importing it takes a tenth of a second, which nobody's answer should wait for.
            await asyncio.to_thread(import_module, "kasparro.sources.calls")
        return self._made()

    def _made(self) -> "Calls":
        if self._calls is None:
            from kasparro.sources.calls import Calls  # noqa: PLC0415  # see above

            self._calls = Calls()
        return self._calls


async def _sha256(body: bytes) -> bytes:
    if len(body) <= _DIGEST_IN_LOOP_BYTES:
        return hashlib.sha256(body).digest()
    return await asyncio.to_thread(lambda: hashlib.sha256(body).digest())
