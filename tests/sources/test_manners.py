"""Manners over several calls: what slows them down, what stops them, what need not come twice."""

import asyncio
from datetime import timedelta
from email.utils import format_datetime

import pytest

from kasparro.errors import AbortError, RetryError, SkipError
from kasparro.sources.coinpaprika import TICKERS
from tests.sources.calling import PAGE, Caller, calling, failing
from tests.upstream.server import Upstream


async def test_a_429_slows_the_source_down_and_no_other(upstream: Upstream, caller: Caller) -> None:
    """For the calls after it, by whatever status it was disguised."""
    upstream.strike("ok429", PAGE, times=1)
    await caller.page()
    gecko, paprika = (caller.client.manners[name].pace for name in ("coingecko", "coinpaprika"))
    assert gecko.per_minute == pytest.approx(0.7 * gecko.most_per_minute)
    assert paprika.per_minute == paprika.most_per_minute


async def test_a_source_that_failed_five_times_in_a_row_is_left_alone(upstream: Upstream, caller: Caller) -> None:
    """The fifth failed call is the last; a later one is not made, and says why not, since when and until when."""
    upstream.strike("status", PAGE, status=502)
    assert isinstance(await failing(caller), RetryError)
    error = await failing(caller)
    assert (type(error), error.code, upstream.count(PAGE)) == (AbortError, "upstream_error", 5)

    error = await failing(caller)

    assert (type(error), error.code, upstream.count(PAGE)) == (AbortError, "breaker_open", 5)
    for word in ("coingecko was not asked", "alone since 2026-01-01 00:00:", "asked again from 2026-01-01 00:01:", "502"):
        assert word in str(error)
    await caller.fetch(caller.paprika.request(TICKERS, "all"))


async def test_one_look_brings_a_source_back_without_a_burst(upstream: Upstream, caller: Caller) -> None:
    """After the pause one call is made; where it fails no second one, where it is answered all is as before."""
    fault = upstream.strike("reset", PAGE)
    for _ in range(2):
        await failing(caller)
    caller.clock.advance(60)
    assert isinstance(await failing(caller), AbortError)
    assert upstream.count(PAGE) == 6
    caller.clock.advance(119)
    assert (await failing(caller)).code == "breaker_open"
    fault.times = 0
    caller.clock.advance(1)
    assert (await caller.page()).calls == 1
    assert caller.client.manners["coingecko"].breaker.state == "closed"


async def test_a_person_may_look_at_any_time(upstream: Upstream, caller: Caller) -> None:
    """Once: where that fails it is as before."""
    fault = upstream.strike("status", PAGE, status=401)
    for _ in range(5):
        await failing(caller)
    assert (await failing(caller)).code == "breaker_open"
    assert (await failing(caller, insist=True)).code == "key_refused"
    assert upstream.count(PAGE) == 6
    fault.times = 0
    assert (await caller.page(insist=True)).calls == 1


async def test_a_part_that_is_not_there_is_no_failure_of_the_source(upstream: Upstream, caller: Caller) -> None:
    """However often it is asked for."""
    upstream.strike("status", PAGE, status=404)
    for _ in range(8):
        assert isinstance(await failing(caller), SkipError)
    assert upstream.count(PAGE) == 8


async def test_an_answer_of_any_use_ends_a_row_of_failures(upstream: Upstream, caller: Caller) -> None:
    """Also one that says that a part is not there: the source is."""
    fault = upstream.strike("status", PAGE, status=401)
    for status in (401, 401, 401, 401, 404, 401, 401, 401, 401):
        fault.status = status
        await failing(caller)
    assert upstream.count(PAGE) == 9


async def test_only_one_of_many_looks(upstream: Upstream, caller: Caller) -> None:
    """Those who ask while the look is under way are told that the source is left alone."""
    upstream.strike("status", PAGE, status=429, retry_after="120", times=1)
    await failing(caller)
    caller.clock.advance(120)
    found = await asyncio.gather(*(caller.page(n) for n in range(1, 5)), return_exceptions=True)
    assert [getattr(x, "code", "answered") for x in found] == ["answered"] + ["breaker_open"] * 3


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_a_long_retry_after_is_kept_over_runs(upstream: Upstream, caller: Caller, form: str) -> None:
    """Ten minutes, as a number or as a date: no call before they have passed."""
    header = "600" if form == "seconds" else format_datetime(caller.clock.now() + timedelta(seconds=600), usegmt=True)
    upstream.strike("status", PAGE, times=1, status=429, retry_after=header)
    assert (await failing(caller)).code == "limit_reached"
    caller.clock.advance(599)
    assert (await failing(caller)).code == "breaker_open"
    caller.clock.advance(1)
    assert (await caller.page()).calls == 1


async def test_a_look_that_was_broken_off_is_looked_again(upstream: Upstream, caller: Caller) -> None:
    """A run that ends while it looks leaves the source asked again a minute later."""
    upstream.strike("status", PAGE, times=1, status=429, retry_after="120")
    await failing(caller)
    caller.clock.advance(120)
    manners = caller.client.manners["coingecko"]
    manners.breaker = manners.breaker.calling(caller.client._moment())
    assert (await failing(caller)).code == "breaker_open"
    caller.clock.advance(60)
    assert (await caller.page()).calls == 1


async def test_a_body_that_has_not_changed_does_not_come_again(upstream: Upstream, caller: Caller) -> None:
    """Where the source sends an ETag, and the body that it came with is the one last committed."""
    upstream.etags = True
    first = await caller.page()
    again = await caller.page(committed=first.digest)
    assert (again.body, again.digest, again.calls) == (b"", first.digest, 1)
    assert caller.calls[-1] == ("coingecko", 304)
    upstream.tick()
    moved = await caller.page(committed=first.digest)
    assert moved.body
    assert moved.digest != first.digest


@pytest.mark.parametrize("committed", [b"", b"another"])
async def test_a_body_that_was_not_committed_comes_again(upstream: Upstream, caller: Caller, committed: bytes) -> None:
    """A part that was fetched and then refused, rolled back or wanted in full is fetched whole."""
    upstream.etags = True
    first = await caller.page()
    assert (await caller.page(committed=committed)).body == first.body
    assert "if-none-match" not in upstream.requests[-1].headers


async def test_nothing_new_that_was_not_asked_for_is_an_error(upstream: Upstream, caller: Caller) -> None:
    """A 304 without an ETag of ours says nothing."""
    upstream.strike("status", PAGE, status=304)
    assert isinstance(await failing(caller, committed=b"x"), SkipError)


async def test_few_etags_are_kept(upstream: Upstream, caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest is forgotten first, and one of absurd length at once."""
    monkeypatch.setattr("kasparro.sources.manners.VALIDATORS_MAX", 2)
    manners = caller.client.manners["coingecko"]
    requests = [caller.gecko.request("coingecko.markets", f"page:{n}") for n in range(1, 4)]
    for request in requests:
        manners.remember(request, '"tag"', b"d")
    assert [manners.etag(r, b"d") for r in requests] == [None, '"tag"', '"tag"']
    manners.remember(requests[2], "x" * 201, b"d")
    assert manners.etag(requests[2], b"d") is None


async def test_the_key_goes_to_no_other_host_with_an_etag_either(upstream: Upstream) -> None:
    """A redirect away with a key and an ETag in hand is refused before anything is sent."""
    other = Upstream(upstream.market)
    await other.start()
    async with calling(upstream.environment(COINGECKO_API_KEY="key-of-no-one-0123456789")) as caller:
        upstream.etags = True
        first = await caller.page()
        upstream.strike("redirect", PAGE, to=other.url.replace("127.0.0.1", "localhost") + "/api/v3" + PAGE)
        assert (await failing(caller, committed=first.digest)).code == "redirected"
    assert other.requests == []
    await other.stop()
