"""Calls over HTTP: what is repeated, what ends them, and what never leaves the process."""

import asyncio
import hashlib
import random
import time
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from structlog.testing import capture_logs
from yarl import URL

from kasparro.errors import AbortError, KasparroError, RetryError, SkipError
from kasparro.sources import redirects
from kasparro.sources.coingecko import LIST
from kasparro.sources.coinpaprika import TICKERS
from tests.sources.calling import PAGE, Caller, calling, failing
from tests.sources.parsing import KEY
from tests.upstream.server import Upstream


class Unlucky(random.Random):
    """Always the longest wait."""

    def uniform(self, a: float, b: float) -> float:
        """See random.Random."""
        return b


async def test_an_answer_is_its_bytes_with_their_digest(upstream: Upstream, caller: Caller) -> None:
    """One call, one answer, the time at which it came."""
    fetched = await caller.page()
    assert fetched.body.startswith(b'[{"id":"bitcoin"')
    assert fetched.digest == hashlib.sha256(fetched.body).digest()
    assert (fetched.calls, fetched.fetched_at) == (1, caller.clock.now())
    assert caller.calls == [("coingecko", 200)]
    assert (await caller.page()).digest == fetched.digest


async def test_a_large_body_has_its_digest_too(upstream: Upstream, caller: Caller) -> None:
    """It is hashed beside the event loop."""
    upstream.strike("giant", megabytes=0.5)
    fetched = await caller.page()
    assert len(fetched.body) == 500_002
    assert fetched.digest == hashlib.sha256(fetched.body).digest()


async def test_a_call_says_who_calls_and_holds_the_key_in_its_header_only(upstream: Upstream, caller: Caller) -> None:
    """The key is in no address; the User-Agent names the project."""
    await caller.page()
    await caller.fetch(caller.paprika.request(TICKERS, "all"))
    ours, others = upstream.requests
    assert ours.headers["x-cg-demo-api-key"] == KEY
    assert ours.headers["user-agent"].startswith("kasparro/")
    assert "github.com/kasparro/kasparro" in ours.headers["user-agent"]
    assert "gzip" in ours.headers["accept-encoding"]
    assert KEY not in str(ours.query) + ours.path
    assert KEY not in str(others.headers)


@pytest.mark.parametrize(
    ("mode", "options", "status"),
    [
        ("status", {"status": 500}, 500),
        ("status", {"status": 503, "html": "<html>busy</html>"}, 503),
        ("status", {"status": 408}, 408),
        ("status", {"status": 429}, 429),
        ("ok429", {}, 200),
        ("garbage", {}, 200),
        ("cutjson", {}, 200),
        ("badzip", {}, 200),
        ("truncate", {}, 200),
        ("reset", {}, 0),
    ],
)
async def test_passing_trouble_is_asked_again(upstream: Upstream, caller: Caller, mode: str, options: dict[str, Any], status: int) -> None:
    """The next attempt succeeds, and each call was reported with its status."""
    upstream.strike(mode, PAGE, times=1, **options)
    with capture_logs() as logged:
        fetched = await caller.page()
    assert fetched.calls == 2
    assert upstream.count(PAGE) == 2  # aiohttp would send a lost one again by itself
    assert caller.calls == [("coingecko", status), ("coingecko", 200)]
    [event] = logged
    assert (event["event"], event["source"], event["part"], event["attempt"]) == ("source.retry_scheduled", "coingecko", "page:1", 1)
    assert event["wait_seconds"] <= caller.waited + 0.001


async def test_attempts_end(upstream: Upstream, caller: Caller) -> None:
    """After four attempts the trouble is the caller's, and the waits grew."""
    upstream.strike("status", PAGE, status=502)
    error = await failing(caller)
    assert isinstance(error, RetryError)
    assert "502" in str(error)
    assert upstream.count(PAGE) == 4
    assert 0 < caller.waited < 1 + 2 + 4 + 1


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_retry_after_is_kept(upstream: Upstream, caller: Caller, form: str) -> None:
    """The other side's wait, in either form, and not our own."""
    header = "17" if form == "seconds" else format_datetime(caller.clock.now() + timedelta(seconds=17), usegmt=True)
    upstream.strike("status", PAGE, times=1, status=429, retry_after=header)
    await caller.page()
    assert 17 <= caller.waited <= 17.6


async def test_a_limit_without_a_wait_means_a_minute_at_coingecko(upstream: Upstream, caller: Caller) -> None:
    """Its window is a minute long, and it does not always say so."""
    upstream.strike("ok429", PAGE, times=1)
    await caller.page()
    assert 60 <= caller.waited <= 60.6


@pytest.mark.parametrize(("status", "code"), [(429, "limit_reached"), (503, "upstream_error")])
async def test_a_wait_longer_than_ours_ends_the_source(upstream: Upstream, caller: Caller, status: int, code: str) -> None:
    """Asked to wait for two minutes, the run goes on without this source at once."""
    upstream.strike("status", PAGE, status=status, retry_after="119")
    error = await failing(caller)
    assert isinstance(error, AbortError)
    assert error.code == code
    assert "119 s" in str(error)
    assert (upstream.count(PAGE), caller.waited) == (1, 0.0)


async def test_a_wait_beyond_the_deadline_ends_the_source(upstream: Upstream, caller: Caller) -> None:
    """No wait is begun that could not be finished."""
    upstream.strike("status", PAGE, status=429, retry_after="30")
    error = await failing(caller, deadline=20.0)
    assert (type(error), error.code, caller.waited) == (AbortError, "limit_reached", 0.0)


async def test_no_attempt_is_begun_beyond_the_deadline(upstream: Upstream, caller: Caller) -> None:
    """Our own wait, of a second at its longest, does not cross it either."""
    caller.client._rng = Unlucky()
    upstream.strike("status", PAGE, status=500)
    error = await failing(caller, deadline=0.9)
    assert isinstance(error, RetryError)
    assert upstream.count(PAGE) == 1


@pytest.mark.parametrize(
    ("status", "family"), [(400, SkipError), (401, AbortError), (402, AbortError), (403, AbortError), (404, SkipError), (304, SkipError)]
)
async def test_what_will_not_pass_is_asked_once(upstream: Upstream, caller: Caller, status: int, family: type[KasparroError]) -> None:
    """A refusal is believed."""
    upstream.strike("status", PAGE, status=status)
    assert type(await failing(caller)) is family
    assert upstream.count(PAGE) == 1


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["slow", "drip"])
async def test_an_answer_has_to_be_whole_in_time(upstream: Upstream, mode: str) -> None:
    """Neither silence nor a trickle holds a call longer than the bound."""
    async with calling(upstream.environment(), request_timeout_seconds=0.2, request_attempts_max=2) as caller:
        upstream.strike(mode, PAGE, seconds=30)
        started = time.monotonic()
        error = await failing(caller)
        assert (type(error), error.code) == (RetryError, "timeout")
        assert time.monotonic() - started < 2
        assert upstream.count(PAGE) == 2


async def test_the_deadline_shortens_a_call(upstream: Upstream, caller: Caller) -> None:
    """A call gets what is left of the run's time."""
    upstream.strike("slow", PAGE, seconds=30)
    started = time.monotonic()
    error = await failing(caller, deadline=0.1)
    assert error.code == "timeout"
    assert time.monotonic() - started < 2


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "megabytes"), [("giant", 20), ("bomb", 100)])
async def test_a_body_is_read_up_to_a_bound(upstream: Upstream, mode: str, megabytes: float) -> None:
    """What is larger, also after decompression, is not read on, and the event loop is not held by it."""
    async with calling(upstream.environment(), response_bytes_max=5_000_000) as caller:
        upstream.strike(mode, PAGE, megabytes=megabytes)
        longest = 0.0

        async def watch() -> None:
            nonlocal longest
            while True:
                started = time.monotonic()
                await asyncio.sleep(0.001)
                longest = max(longest, time.monotonic() - started)

        watcher = asyncio.create_task(watch())
        await asyncio.sleep(0)
        error = await failing(caller)
        watcher.cancel()
        assert (type(error), error.code) == (SkipError, "too_large")
        assert "5,000,000 bytes" in str(error)
        assert upstream.count(PAGE) == 1
        # Most of it is the fake upstream, which makes the body in this same loop.
        assert longest < 5


async def test_a_giant_error_is_read_no_further_than_it_is_looked_at(upstream: Upstream, caller: Caller) -> None:
    """Only the beginning of an error's body matters."""
    upstream.strike("status", PAGE, status=404, body={"error": "gone", "more": "x" * 1_000_000})
    error = await failing(caller)
    assert (error.code, len(str(error)) < 600) == ("not_found", True)


async def test_another_host_never_sees_a_call(upstream: Upstream, caller: Caller) -> None:
    """A redirect away is refused; nothing, and no key, goes there."""
    other = Upstream(upstream.market)
    await other.start()
    try:
        upstream.strike("redirect", PAGE, to=other.url.replace("127.0.0.1", "localhost") + "/api/v3" + PAGE)
        error = await failing(caller)
        assert (type(error), error.code) == (SkipError, "redirected")
        assert "localhost" in str(error)
        assert "COINGECKO_BASE_URL" in str(error)
        assert other.requests == []
    finally:
        await other.stop()


async def test_a_redirect_on_the_same_host_is_followed_once(upstream: Upstream, caller: Caller) -> None:
    """With the key, since it is the same host; a second one is not followed."""
    upstream.strike("redirect", PAGE, times=1, to="/api/v3/coins/list?include_platform=true")
    fetched = await caller.page()
    assert (fetched.calls, upstream.requests[-1].path) == (2, "/coins/list")
    assert [r.headers["x-cg-demo-api-key"] for r in upstream.requests] == [KEY, KEY]
    assert upstream.requests[-1].query == {"include_platform": "true"}
    upstream.strike("redirect", to="/api/v3/coins/list")
    assert (await failing(caller)).code == "redirected"


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("http://api.example.com/v1/tickers/x", "https://api.example.com/v1/tickers/x"),
        ("https://api.example.com:8443/v1/y?a=b", "https://api.example.com/v1/y?a=b"),
        ("/v1/z", "https://api.example.com/v1/z"),
        ("https://user:word@api.example.com/v1/z", "https://api.example.com/v1/z"),
        ("http://api.example.com.evil.example/v1", None),
        ("//evil.example/v1", None),
        ("https://api.example.com@evil.example/", None),
        ("http://[", None),
        ("", None),
    ],
)
def test_a_redirect_keeps_scheme_and_port(location: str, expected: str | None) -> None:
    """A key is not sent in the clear, however the redirect is spelled."""
    base = URL("https://api.example.com/v1")
    if expected is None:
        with pytest.raises(SkipError):
            redirects.redirected(base, location, "x", "coinpaprika")
    else:
        assert str(redirects.redirected(base, location, "x", "coinpaprika")) == expected


async def test_nothing_tells_the_key(upstream: Upstream, caller: Caller) -> None:
    """Not in an error, nor in its causes, nor in a log event, though the other side repeats it."""
    for status in (400, 401, 403, 404, 429, 500):
        upstream.faults.clear()
        upstream.strike("status", PAGE, status=status, body={"error": f"the key {KEY} is bad"})
        with capture_logs() as logged:
            error: BaseException | None = await failing(caller, insist=True)
        assert KEY not in caller.client.manners["coingecko"].breaker.reason
        assert KEY not in str(logged)
        while error is not None:
            assert KEY not in str(error) + repr(error)
            error = error.__cause__


async def test_an_upstream_that_is_not_there_ends_the_source_quietly(upstream: Upstream, caller: Caller) -> None:
    """Refused four times: one error that says what to look at, and no line of log before it."""
    await upstream.stop()
    with capture_logs() as logged:
        error = await failing(caller)
    assert (type(error), error.code) == (AbortError, "unreachable")
    assert "cannot connect to 127.0.0.1" in str(error)
    assert {event["log_level"] for event in logged} == {"debug"}
    assert caller.calls == [("coingecko", 0)] * 4


async def test_a_name_that_does_not_resolve_is_unreachable() -> None:
    """An address that no server has is told like a server that is down."""
    async with calling({"COINGECKO_BASE_URL": "http://no-such-host.invalid/api/v3"}, request_attempts_max=1) as caller:
        error = await failing(caller)
        assert (type(error), error.code) == (AbortError, "unreachable")
        assert "no-such-host.invalid" in str(error)


async def test_calls_are_spaced_over_all_callers(upstream: Upstream) -> None:
    """Five a minute: the fifth leaves after four spacings, whoever asks; the other source has a spacing of its own."""
    async with calling(upstream.environment(COINGECKO_CALLS_PER_MINUTE="5")) as caller:
        await caller.page()
        assert caller.waited == 0
        for number in range(2, 6):
            await caller.page(number)
        assert caller.waited == pytest.approx(4 * 12.24)
        await caller.fetch(caller.paprika.request(TICKERS, "all"))
        assert caller.waited == pytest.approx(4 * 12.24)


async def test_calls_made_together_queue_up(upstream: Upstream) -> None:
    """Turns are given out before the waits, so that no two callers share one."""
    async with calling(upstream.environment(COINGECKO_CALLS_PER_MINUTE="60")) as caller:
        await asyncio.gather(*(caller.page(n) for n in range(1, 4)))
        assert caller.client.manners["coingecko"].previous_turn == pytest.approx(2 * 1.02)


async def test_a_turn_beyond_the_deadline_is_not_waited_for(upstream: Upstream) -> None:
    """The next run goes on instead."""
    async with calling(upstream.environment(COINGECKO_CALLS_PER_MINUTE="5")) as caller:
        await caller.page()
        error = await failing(caller, deadline=10.0)
        assert (type(error), error.code) == (AbortError, "deadline")
        assert upstream.count(PAGE) == 1


async def test_a_probe_asks_once(upstream: Upstream, caller: Caller) -> None:
    """The cheapest call of each source; trouble is told at once."""
    for source in (caller.gecko, caller.paprika):
        assert await caller.client.probe(source, caller.settings.sources[source.name]) >= 0
    assert [r.path for r in upstream.requests] == ["/ping", "/global"]
    upstream.strike("status", status=503)
    with pytest.raises(RetryError):
        await caller.client.probe(caller.gecko, caller.settings.sources["coingecko"])
    assert upstream.count() == 3


async def test_a_cancelled_call_is_cancelled(upstream: Upstream, caller: Caller) -> None:
    """Stopping the service does not wait for an answer."""
    upstream.strike("slow", seconds=30)
    task = asyncio.create_task(caller.fetch(caller.gecko.request(LIST, "all")))
    while not upstream.requests:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("body", ['{"x": 1}', "[1]", " [] "])
async def test_any_json_is_left_to_the_parser(upstream: Upstream, caller: Caller, body: str) -> None:
    """The client does not know what a stream's answer looks like."""
    upstream.strike("status", status=200, html=body)
    assert (await caller.page()).body == body.encode()
