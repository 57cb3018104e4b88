"""/stream: the state on connect, what changes, and what becomes of readers that are slow, gone or too many."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import pytest

from kasparro.serving import readers as module
from kasparro.serving.readers import HEARTBEAT, QUEUED_BYTES_MAX, RESET, Reader
from tests.api.conftest import Server
from tests.api.factory import Market

Event = tuple[str, str, Any]  # name, id, data


class Events:
    """An open stream."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer

    async def next(self) -> Event:
        """The next event; comments and what only sets the time to wait are left out."""
        while True:
            fields = await self._fields()
            if "event" in fields:
                return fields["event"], fields.get("id", ""), msgspec.json.decode(fields["data"])

    async def until(self, name: str) -> list[Event]:
        """The events up to the first of a name."""
        found = [await self.next()]
        while found[-1][0] != name:
            found.append(await self.next())
        return found

    async def ended(self) -> bool:
        """Whether nothing comes any more."""
        async with asyncio.timeout(5):
            return await self.answer.content.read() == b""

    async def _fields(self) -> dict[str, str]:
        fields: dict[str, str] = {}
        async with asyncio.timeout(5):
            while line := (await self.answer.content.readline()).decode().rstrip("\n"):
                name, _, value = line.partition(": ")
                fields[name] = value
        return fields


@asynccontextmanager
async def stream(api: Server, query: str = "", **headers: str) -> AsyncIterator[Events]:
    """An open stream of a running API."""
    async with api.client.get(f"{api.url}/stream?{query}", headers={"Accept-Encoding": "gzip, zstd", **headers}) as answer:
        assert answer.status == 200
        yield Events(answer)


def _prices(events: list[Event]) -> dict[str, float]:
    return {data["id"]: data["latest_price_usd"] for name, _, data in events if name == "price"}


async def _until_gone(api: Server, count: int) -> None:
    async with asyncio.timeout(5):
        while len(api.services.readers) > count:
            await asyncio.sleep(0.01)


@pytest.mark.smoke
async def test_a_reader_has_the_state_and_then_what_changes(api: Server, market: Market) -> None:
    """The rows of /data of the coins asked for on connect, and of those that a publication changes; nothing of others."""
    a, b = await market.coin("a", 1.0, source_ids={"coingecko": "a-alias"}), await market.coin("b", 2.0)
    await market.coin("c")
    await api.refresh()
    rows = {row["id"]: row for row in (await api.get("/data?all=true"))[1]}

    async with stream(api, "ids=a-alias,c,nothing") as events:
        first = await events.until("version")
        assert [(name, data) for name, _, data in first[:-1]] == [("price", rows["a"]), ("price", rows["c"])]
        assert first[-1][1:] == ("3", {"version": 3, "published_at": "2026-03-01T12:00:00Z"})

        await market.reprice(b, 9.0)
        await api.refresh()
        assert await events.until("version") == [("version", "4", {"version": 4, "published_at": "2026-03-01T12:00:00Z"})]
        await market.reprice(a, 5.0)
        await api.refresh()
        assert _prices(await events.until("version")) == {"a": 5.0}


async def test_the_answer_is_not_held_back_on_its_way(api: Server, market: Market) -> None:
    """Neither compressed nor kept by anyone; HEAD has its headers and ends."""
    await market.coin("a", 1.0)
    await api.refresh()
    async with stream(api, "ids=a") as events:
        headers = events.answer.headers
        assert headers["Content-Type"] == "text/event-stream"
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Accel-Buffering"] == "no"
        assert "Content-Encoding" not in headers
        assert await events.answer.content.readline() == b"retry: 5000\n"
    status, body, headers = await api.request("HEAD", "/stream?ids=a")
    assert (status, body, headers["Content-Type"]) == (200, b"", "text/event-stream")


async def test_the_last_event_says_whether_the_state_is_sent_again(api: Server, market: Market) -> None:
    """Not where its id is the present version, and again where a version was missed or seen in part."""
    key = await market.coin("a", 1.0)
    await api.refresh()
    async with stream(api, "ids=a") as events:
        part, whole = [event_id for _, event_id, _ in await events.until("version")]

    async with stream(api, "ids=a", **{"Last-Event-ID": part}) as events:
        assert _prices(await events.until("version")) == {"a": 1.0}
    async with stream(api, "ids=a", **{"Last-Event-ID": whole}) as events:
        await market.reprice(key, 2.0)
        await api.refresh()
        assert [(name, _prices([event])) for event in await events.until("version") if (name := event[0]) == "price"] == [
            ("price", {"a": 2.0})
        ]
    async with stream(api, "ids=a", **{"Last-Event-ID": whole}) as events:
        assert _prices(await events.until("version")) == {"a": 2.0}


async def test_a_run_that_ends_is_told_to_everyone(api: Server, market: Market) -> None:
    """Once, when it has ended, in whichever process it worked."""
    await market.run()
    await api.refresh()
    async with stream(api) as events:
        assert (await events.next())[0] == "version"
        run_id = await market.run(status="running")
        await api.refresh()
        await market.execute("UPDATE runs SET status = 'degraded', finished_at = started_at, open = false WHERE run_id = $1", run_id)
        await api.refresh()

        name, _, run = await events.next()

    assert name == "run"
    assert (run["run_id"], run["status"], run["trigger"], run["finished_at"]) == (run_id, "degraded", "schedule", run["started_at"])


async def test_a_coin_that_is_merged_is_followed_to_what_it_became(api: Server, market: Market) -> None:
    """The reader sees the other coin from then on."""
    winner, loser = await market.coin("winner", 1.0), await market.coin("loser", 2.0, sources=("coinpaprika",))
    await api.refresh()
    async with stream(api, "ids=loser") as events:
        assert _prices(await events.until("version")) == {"loser": 2.0}
        await market.merge(loser, winner)
        await api.refresh()
        assert _prices(await events.until("version")) == {"winner": 1.0}
        await market.reprice(winner, 3.0)
        await api.refresh()
        assert _prices(await events.until("version")) == {"winner": 3.0}
    await market.reprice(winner, 4.0)
    await api.refresh()
    await _until_gone(api, 0)
    assert api.services.readers._of_coin == {}


async def test_before_the_first_data_a_reader_waits_for_it(api: Server, market: Market) -> None:
    """Its coins are looked up once there are any."""
    async with stream(api, "ids=a") as events:
        assert (await events.next())[0] == "version"
        await market.coin("a", 1.0)
        await api.refresh()
        assert _prices(await events.until("version")) == {"a": 1.0}


async def test_a_reader_that_has_gone_is_forgotten(api: Server, market: Market) -> None:
    """With the next event that would be sent to it, however quietly it went."""
    key = await market.coin("a", 1.0)
    await api.refresh()
    for _ in range(3):
        async with stream(api, "ids=a") as events:
            await events.until("version")
    await market.reprice(key, 2.0)
    await api.refresh()

    await _until_gone(api, 0)


async def test_a_slow_reader_is_told_to_start_over(api: Server, market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for it is bounded; beyond that it gets one event that says so, and its stream ends."""
    monkeypatch.setattr(module, "QUEUED_BYTES_MAX", 500)
    key = await market.coin("a", 1.0)
    await api.refresh()
    async with stream(api, "ids=a") as events:
        await events.until("version")
        reader = next(iter(api.services.readers._readers))
        for _ in range(3):
            reader.put(b"event: price\ndata: {}\n\n" * 10)
        assert (await events.until("reset"))[-1][2]["detail"]
        assert await events.ended()
    del key
    await _until_gone(api, 0)


async def test_what_waits_for_a_reader_is_bounded() -> None:
    """Nothing but the reset is kept once there is too much, and parts are small."""
    reader = Reader([])
    event = b"x" * 1_000
    for _ in range(QUEUED_BYTES_MAX // 1_000):
        reader.put(event)
    assert await reader.part() == event * 16
    for _ in range(17):
        reader.put(event)
    assert await reader.part() == RESET
    reader.put(event)
    assert await reader.part() == b""


async def test_what_belongs_together_is_sent_at_once() -> None:
    """Events with more to follow wait for it, but for the one that ends the stream."""
    reader = Reader([])
    waiting = asyncio.create_task(reader.part())
    await asyncio.sleep(0)
    reader.put(b"a", more=True)
    await asyncio.sleep(0)
    assert not waiting.done()
    reader.put(b"b")
    assert await waiting == b"ab"
    waiting = asyncio.create_task(reader.part())
    await asyncio.sleep(0)
    reader.put(b"x" * (QUEUED_BYTES_MAX + 1), more=True)
    assert await waiting == RESET


async def test_heartbeats_come_while_nothing_else_does(api: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Comments, which clients ignore and proxies count as life."""
    monkeypatch.setattr(api.services.readers, "_heartbeat_seconds", 0.05)
    async with stream(api) as events:
        await events.next()
        api.services.readers._news.set()  # begins to wait anew, for the shorter time
        async with asyncio.timeout(5):
            assert await events.answer.content.readline() == HEARTBEAT[:-1]


async def test_open_streams_end_with_the_service(api: Server) -> None:
    """At once, so that a stop does not wait for them."""
    async with stream(api) as events:
        await events.next()
        api.services.readers.end()
        assert await events.ended()


async def test_streams_are_bounded_in_number(api: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more than are served is a problem that says when to come back."""
    monkeypatch.setattr("kasparro.api.stream.READERS_MAX", 1)
    async with stream(api) as events:
        await events.next()
        status, body, headers = await api.get("/stream")
    assert (status, body["code"], headers["Retry-After"]) == (503, "too_many_streams", "30")


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("ids=nothing,none", 404, "not_found"),
        ("ids=" + ",".join(map(str, range(101))), 400, "invalid_parameter"),
    ],
)
async def test_a_stream_of_nothing_is_refused(filled: Server, query: str, status: int, code: str) -> None:
    """Where no coin is known of those asked for, and where there are too many of them."""
    got, body, _ = await filled.get(f"/stream?{query}")
    assert (got, body["code"]) == (status, code)


async def test_a_stream_is_neither_slow_nor_timed(api: Server) -> None:
    """How long a reader stays says nothing of the service: the metrics count the request and not its time."""
    async with stream(api) as events:
        await events.next()
        api.clock.advance(60)
        api.services.readers.end()
        await events.ended()
    text = (await api.get("/metrics"))[1].decode()
    assert 'kasparro_http_requests_total{method="GET",route="/stream",status_class="2xx"} 1.0' in text
    assert 'kasparro_http_request_seconds_count{route="/stream"}' not in text
