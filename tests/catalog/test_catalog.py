"""Reading and following the catalog over a real database."""

import asyncio
from array import array
from collections.abc import Container
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import structlog

from kasparro.api.conditional import etag
from kasparro.app import tell_of_first
from kasparro.catalog import search
from kasparro.catalog.catalog import CatalogHolder
from kasparro.catalog.details import detail
from kasparro.catalog.entries import EMPTY
from kasparro.catalog.remembered import ORDERS_MAX, RememberedOrders
from kasparro.clock import FakeClock
from kasparro.store import catalog_rows
from kasparro.store.pool import Database
from tests.api.factory import NOW, Market


async def test_a_refresh_reads_only_what_changed(db: Database) -> None:
    """The same version is no work; a new one takes over the changed coins, shares the others and lets go of what was before."""
    market, holder = Market(db), CatalogHolder(db, FakeClock(), ["coingecko"])
    key = await market.coin("a", 1.0)
    await market.coin("b", 2.0)
    assert await holder.refresh()
    first = holder.current
    assert not await holder.refresh()
    assert holder.current is first

    await market.reprice(key, 3.0)

    assert await holder.refresh()
    assert holder.current.find("a") is not first.find("a")
    assert holder.current.find("b") is first.find("b")
    assert holder.current.version == 3
    assert not holder._replaced


async def test_what_is_served_first_is_told(db: Database) -> None:
    """Once, in the log that everybody sees: of an empty database nothing is, and what comes later is for who looks for it."""
    market, holder = Market(db), CatalogHolder(db, FakeClock(), ["coingecko"])
    with structlog.testing.capture_logs() as lines:
        telling = asyncio.create_task(tell_of_first(holder, FakeClock()))
        await holder.refresh()
        for coin_id in ("a", "b"):
            await market.coin(coin_id, 1.0)
            await holder.refresh()
            await telling
    assert [line for line in lines if line["log_level"] == "info"] == [
        {"event": "catalog.served", "log_level": "info", "version": 1, "coins": 1}
    ]


async def test_following_equals_reading_anew(db: Database) -> None:
    """After prices, quotes, first prices and what turns stale: all that is shown, what counts as stale, and when the next price will."""
    clock = FakeClock(NOW)
    market, holder = Market(db), CatalogHolder(db, clock, ["coingecko"])
    keys = [await market.coin(f"coin-{n}", 1.0 + n, sources=("coingecko", "coinpaprika")[: 1 + n % 2]) for n in range(6)]
    unpriced = await market.coin("unpriced")
    await holder.refresh()
    for n, key in enumerate(keys[:4]):
        await market.reprice(key, 7.0 - n, market_cap=100.0 - n)
    age = [timedelta(minutes=m) for m in (10, 59, 61, 200)]
    async with db.write() as conn:
        await conn.executemany(
            "UPDATE latest_prices SET observed_at = $2, flags = $3, sources_used = $4 WHERE coin_key = $1",
            [(key, NOW - age[n], ["single_source"], ["coingecko"]) for n, key in enumerate(keys[:4])],
        )
        await conn.execute("UPDATE latest_prices SET flags = '{stale,thin}' WHERE coin_key = $1", keys[0])
        await conn.execute("UPDATE latest_quotes SET price = price * 2, volume_24h = 5, fetched_at = fetched_at + interval '1 minute'")
        await conn.execute(
            "INSERT INTO latest_prices SELECT $1, listing_id, published_at, observed_at, value, method, sources_used, spread_pct,"
            " confidence, flags, market_cap, volume_24h, version FROM latest_prices WHERE coin_key = $2",
            unpriced, keys[3],
        )  # fmt: skip

    for minutes in (0, 2, 120):
        clock.advance(60 * minutes)
        await holder.refresh()
        fresh = CatalogHolder(db, clock, ["coingecko"])
        await fresh.refresh()

        (a, b) = (holder.current, fresh.current)
        changed = [*keys[:4], unpriced]
        assert {key: (a.entries[key].row, detail(a, a.entries[key])) for key in changed} == {
            key: (b.entries[key].row, detail(b, b.entries[key])) for key in changed
        }
        assert (a.stale, a.orders.rank, a.orders.volume, a.orders.id) == (b.stale, b.orders.rank, b.orders.volume, b.orders.id)


async def test_many_new_names_are_indexed_after_the_swap(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The text index is made anew once more names changed than are looked through one by one, and not for prices."""
    monkeypatch.setattr(search, "STALE_MAX", 1)
    market, holder = Market(db), CatalogHolder(db, FakeClock(), ["coingecko"])
    key = await market.coin("a", 1.0)
    await holder.refresh()
    assert (holder.current.texts.keys.tolist(), holder.current.texts.stale) == ([], {key})
    await market.coin("b", 2.0)

    await holder.refresh()

    indexed = holder.current.texts
    assert (len(indexed.keys), indexed.stale) == (2, frozenset())
    await market.reprice(key, 3.0)
    await holder.refresh()
    assert holder.current.texts is indexed


async def test_a_version_that_runs_backwards_is_another_database(db: Database) -> None:
    """Everything is read anew, and no order of before is remembered."""
    market, holder = Market(db), CatalogHolder(db, FakeClock(), ["coingecko"])
    await market.coin("a", 1.0)
    await holder.refresh()
    await market.coin("b", 1.0)
    await holder.refresh()
    await market.coin("c", 1.0)
    await holder.refresh()
    assert holder.orders(2) is not None
    await market.execute("UPDATE catalog_version SET version = 1")
    await market.execute("UPDATE coins SET version = 1")
    await market.execute("DELETE FROM latest_prices")

    assert await holder.refresh()

    assert holder.current.version == 1
    assert len(holder.current.entries) == 3
    assert len(holder.current.orders.rank) == 0
    assert holder.orders(2) is None


async def test_a_pulse_that_was_overtaken_changes_nothing(db: Database) -> None:
    """Where one refresh has taken over more than another's pulse told of, the other does not take it for another database."""
    market, holder = Market(db), CatalogHolder(db, FakeClock(), ["coingecko"])
    await market.coin("a", 1.0)
    stale = await holder._read_pulse()
    await market.coin("b", 2.0)
    await holder.refresh()
    first = holder.current

    assert not await holder._follow_catalog(stale)

    assert holder.current is first


def test_orders_are_remembered_for_fifteen_minutes_and_bounded() -> None:
    """By version, from when they were replaced."""
    remembered = RememberedOrders()
    remembered.replace(msgspec.structs.replace(EMPTY, version=1), 0.0)
    found = remembered.find(1, 900.0)
    assert found is not None
    assert found.rank is EMPTY.orders.rank
    placed = msgspec.structs.replace(EMPTY.orders, rank=array("i", [1]), rank_by=array("d", [1.0]), volume_by=array("d", [1.0]))
    remembered.replace(msgspec.structs.replace(EMPTY, version=3, orders=placed), 0.0)
    found = remembered.find(3, 0.0)
    assert found is not None
    assert (found.rank.tolist(), found.rank_by.tolist(), found.volume_by.tolist()) == ([1], [], []), "nothing is placed by them any more"
    assert remembered.find(2, 900.0) is None
    assert remembered.find(1, 900.1) is None
    for version in range(ORDERS_MAX + 1):
        remembered.replace(msgspec.structs.replace(EMPTY, version=version), 1000.0)
    assert remembered.find(0, 1000.0) is None
    assert remembered.find(1, 1000.0) is not None


async def test_prices_turn_stale_without_a_run(db: Database) -> None:
    """They are flagged when they fall due, in the coin, its row and its detail; the tag of every answer changes with it."""
    clock = FakeClock(NOW)
    market, holder = Market(db), CatalogHolder(db, clock, ["coingecko"])
    await market.coin("a", 1.0)
    await holder.refresh()
    fresh, tag = holder.current, etag(holder.current, b"/data", b"")
    clock.advance(3_599)
    await holder.refresh()
    assert holder.current is fresh

    clock.advance(2)
    await holder.refresh()

    entry = holder.current.find("a")
    assert entry is not None
    assert entry.price is not None
    assert (entry.price.flags, entry.price.confidence) == (("stale",), 0.4)
    assert b'"flags":["stale"]' in (entry.row or b"")
    assert b'"flags":["stale"]' in detail(holder.current, entry)
    assert etag(holder.current, b"/data", b"") != tag
    other = CatalogHolder(db, clock, ["coingecko"])
    await other.refresh()
    assert etag(other.current, b"/data", b"") == etag(holder.current, b"/data", b""), "another process has the same by then"


async def test_what_turned_stale_before_a_swap_is_told_with_it(db: Database) -> None:
    """Followers hear of the coins that the swap flags besides those that were read: pages of these are kept otherwise."""
    clock = FakeClock(NOW)
    market, holder = Market(db), CatalogHolder(db, clock, ["coingecko"])
    old, moved = await market.coin("a", 1.0), await market.coin("b", 2.0)
    await holder.refresh()
    told: list[list[int]] = []
    holder.followers.append(SimpleNamespace(swapped=lambda keys: told.append(sorted(keys)), run_ended=None))  # type: ignore[arg-type]
    clock.advance(3_601)
    await market.reprice(moved, 3.0)
    await market.execute("UPDATE latest_prices SET observed_at = $1 WHERE coin_key = $2", clock.now(), moved)

    await holder.refresh()

    assert told == [[old, moved]]
    assert holder.current.stale == 1


async def test_a_start_that_broke_off_is_begun_anew(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that goes away while the rest is read leaves the lists served; once it is back everything is read."""
    market, holder = Market(db), CatalogHolder(db, FakeClock(NOW), ["coingecko"])
    await market.coin("a", 1.0, source_ids={"coingecko": "a-a"})
    await market.coin("b")

    async def fails(_conn: Any, _known: Container[int]) -> list[int]:
        message = "gone"
        raise OSError(message)

    with monkeypatch.context() as patched:
        patched.setattr(catalog_rows, "read_other_coin_keys", fails)
        with pytest.raises(OSError, match="gone"):
            await holder.refresh()
    assert (holder.current.complete, holder.complete.is_set(), holder.current.find("a-a")) == (False, False, None)
    await market.coin("c", 3.0)

    assert await holder.refresh()

    assert holder.current.complete
    assert holder.complete.is_set()
    assert [holder.current.find(coin_id) is None for coin_id in ("a", "a-a", "b", "c")] == [False] * 4


async def test_a_look_that_finds_nothing_is_a_look(db: Database) -> None:
    """The schedule waits for the first one, and an empty database has nothing to swap."""
    holder = CatalogHolder(db, FakeClock(NOW), ["coingecko"])
    following = asyncio.create_task(holder.follow(0.05))
    async with asyncio.timeout(5):
        await holder.looked.wait()
    assert holder.current is EMPTY
    following.cancel()


async def test_coins_with_a_price_are_listed_before_all_is_read(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a start, with the rows, prices and orders that they then keep; until all is read the catalog says that it is not complete."""
    market, holder = Market(db), CatalogHolder(db, FakeClock(NOW + timedelta(minutes=90)), ["coingecko"])
    await market.coin("a")
    await market.coin("b", 2.0, sources=("coingecko", "coinpaprika"), source_ids={"coinpaprika": "b-b"}, market_cap=1.0)
    await market.coin("c", 3.0, sources=("coinpaprika",), flags=("thin",))
    await market.coin("d", 4.0, sources=("coinpaprika", "coingecko"))
    await market.merge(await market.coin("e", 5.0), 1)
    await market.execute("DELETE FROM latest_quotes WHERE listing_id = (SELECT max(listing_id) FROM listings WHERE source_id = 'd')")
    await market.judge("coingecko", "b", "c", "unsure")
    another = await market.coin("f", 6.0)
    await market.execute("UPDATE judgements SET superseded_at = created_at WHERE coin_key = $1", another)
    told: list[list[int]] = []
    holder.followers.append(SimpleNamespace(swapped=lambda keys: told.append(sorted(set(keys))), run_ended=None))  # type: ignore[arg-type]
    seen = []
    read = catalog_rows.read_other_coin_keys

    async def noted(conn: Any, known: Container[int]) -> list[int]:
        seen.append(holder.current)
        return await read(conn, known)

    monkeypatch.setattr(catalog_rows, "read_other_coin_keys", noted)
    await holder.refresh()

    (listed,), whole = seen, holder.current
    assert (listed.complete, whole.complete) == (False, True)
    assert [entry.coin_id for entry in listed.entries.values()] == ["b", "c", "d"]
    for entry in listed.entries.values():
        after = whole.entries[entry.coin_key]
        assert (entry.price, entry.row, entry.sources) == (after.price, after.row, after.sources)
        assert (entry.symbol, entry.name, entry.listings) == (after.symbol, after.name, ())
    assert [listed.entries[key].sources for key in listed.orders.id] == [("coingecko", "coinpaprika"), ("coinpaprika",), ("coinpaprika",)]
    assert (listed.orders.rank, listed.orders.volume, listed.stale) == (whole.orders.rank, whole.orders.volume, whole.stale)
    assert listed.stale == 3
    assert told == [[2, 3, 4], [1, 5, 6]]
    assert {entry.coin_id for entry in whole.entries.values()} == {"a", "b", "c", "d", "f"}
