"""What one client may ask: the bucket, who the client is, and the answer."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kasparro.errors import SettingsError
from kasparro.serving.clients import Clients
from kasparro.serving.rate_limit import Buckets
from kasparro.store.pool import Database
from tests.api.conftest import api_over
from tests.api.factory import Market
from tests.conftest import make_settings

PROXIES = [ip_network("10.0.0.0/8"), ip_network("127.0.0.1"), ip_network("fd00::/8")]


def test_a_bucket_holds_a_minute_and_fills_evenly() -> None:
    """A minute's requests at once, then one as each token comes, and after a quiet minute all of them again."""
    buckets = Buckets(60)
    assert [buckets.refuse("a", 0.0) for _ in range(60)] == [None] * 60
    assert buckets.refuse("a", 0.0) == pytest.approx(1.0)
    assert buckets.refuse("a", 0.5) == pytest.approx(0.5)  # being refused costs nothing
    assert buckets.refuse("a", 1.0) is None
    assert buckets.refuse("a", 1.0) is not None
    assert [buckets.refuse("a", 61.0) for _ in range(61)].count(None) == 60
    assert buckets.refuse("b", 0.0) is None


@given(st.integers(1, 1_000), st.lists(st.floats(0, 20), max_size=200))
def test_no_minute_lets_more_than_two_minutes_worth_through(per_minute: int, steps: list[float]) -> None:
    """The bucket's fill and what comes in meanwhile; and who waits as long as was said is let through."""
    buckets, now, passed = Buckets(per_minute), 0.0, list[float]()
    for step in steps:
        now += step
        wait = buckets.refuse("a", now)
        if wait is not None:
            assert 0 < wait <= 60 / per_minute + 1e-6
            now += wait
            assert buckets.refuse("a", now) is None
        passed.append(now)
        assert len([at for at in passed if at > now - 60]) <= 2 * per_minute


def test_of_too_many_clients_the_oldest_is_forgotten() -> None:
    """What is kept is bounded."""
    buckets = Buckets(1, clients_max=2)
    for client in ("a", "b", "a", "c"):
        buckets.refuse(client, 0.0)
    assert len(buckets) == 2
    assert buckets.refuse("a", 0.0) is not None
    assert buckets.refuse("b", 0.0) is None


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        ("192.0.2.1", "", "192.0.2.1"),
        ("192.0.2.1", "198.51.100.7", "192.0.2.1"),  # not a proxy of ours
        ("127.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "203.0.113.9, 198.51.100.7", "198.51.100.7"),  # what stands before it may be made up
        ("127.0.0.1", "198.51.100.7,10.1.2.3 , 10.9.9.9", "198.51.100.7"),
        ("::ffff:127.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "198.51.100.7:4711", "198.51.100.7"),
        ("127.0.0.1", '"[2001:db8:1:2:3::4]:4711"', "2001:db8:1:2::/64"),
        ("127.0.0.1", "10.1.2.3", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.7, nonsense", "127.0.0.1"),
        ("127.0.0.1", "\xff", "127.0.0.1"),
        ("fd00::1", "198.51.100.7", "198.51.100.7"),
        ("2001:db8:1:2:ffff::1", "", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "", "fe80::/64"),
        ("testclient", "198.51.100.7", "testclient"),
        (None, "198.51.100.7", "unknown"),
    ],
)
def test_who_asks(peer: str | None, forwarded_for: str, client: str) -> None:
    """The other end, or whom a trusted proxy was asked by; of version 6 the network, which is one subscriber's."""
    assert Clients(PROXIES).name(peer, forwarded_for.encode("latin-1")) == client


async def test_who_asks_too_often_is_told_when_to_come_back(db: Database) -> None:
    """429 with Retry-After for that client alone; /health and /metrics are free, and bad requests count."""
    settings = make_settings(KASPARRO_RATE_LIMIT_PER_MINUTE="3", KASPARRO_TRUSTED_PROXIES="127.0.0.1")
    async with api_over(db, settings) as api:
        for path in ("/data", "/nowhere", "/data?limit=0"):
            assert (await api.get(path))[0] in {200, 404, 400}

        status, body, headers = await api.get("/data")

        assert (status, body["code"], headers["Retry-After"]) == (429, "rate_limited", "20")
        assert headers["Content-Type"] == "application/problem+json"
        assert headers["X-Request-ID"]
        for path in ("/health", "/health/live", "/metrics"):
            assert (await api.get(path))[0] == 200
        assert (await api.get("/data", headers={"X-Forwarded-For": "198.51.100.7"}))[0] == 200
        api.clock.advance(20)
        assert (await api.get("/data"))[0] == 200


@pytest.mark.parametrize("path", ["/data", "/coins/bitcoin"])
async def test_what_is_kept_is_refused_as_well(db: Database, path: str) -> None:
    """It costs little, but the limit is the client's."""
    async with api_over(db, make_settings(KASPARRO_RATE_LIMIT_PER_MINUTE="3")) as api:
        await Market(db).coin("bitcoin", 1.0)
        await api.refresh()
        for _ in range(2):
            assert [(await api.get(path))[0] for _ in range(4)] == [200, 200, 200, 429]
            api.clock.advance(60)


async def test_without_a_limit_nobody_is_refused(db: Database) -> None:
    """The default."""
    async with api_over(db, make_settings()) as api:
        assert api.services.rate_limit is None
        assert {(await api.get("/data"))[0] for _ in range(100)} == {200}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KASPARRO_RATE_LIMIT_PER_MINUTE", "-1"),
        ("KASPARRO_RATE_LIMIT_PER_MINUTE", "ten"),
        ("KASPARRO_TRUSTED_PROXIES", "nginx"),
        ("KASPARRO_TRUSTED_PROXIES", "10.0.0.1/8"),
    ],
)
def test_settings_that_cannot_be_are_named(name: str, value: str) -> None:
    """The variable and what it must be."""
    with pytest.raises(SettingsError, match=name):
        make_settings(**{name: value})
