"""A small made-up market, put into the database as the ingestion would leave it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import msgspec

from kasparro.store import candles, quotes
from kasparro.store.pool import Database

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Market:
    """Writes coins, listings, quotes and prices; every call publishes a new version."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.now = NOW

    async def coin(
        self,
        coin_id: str,
        price: float | None = None,
        *,
        symbol: str | None = None,
        name: str | None = None,
        sources: tuple[str, ...] = ("coingecko",),
        market_cap: float | None = None,
        volume: float | None = None,
        source_ids: dict[str, str] | None = None,
        contract: tuple[str, str] | None = None,
        flags: tuple[str, ...] = (),
        wraps: int | None = None,
    ) -> int:
        """A coin with one listing per source, each with a quote of the same price; its key."""
        symbol, name = symbol or coin_id.upper()[:4], name or coin_id.title()
        async with self._database.write() as conn:
            version = await _publish(conn, self.now)
            key: int = await conn.fetchval(
                "INSERT INTO coins (coin_id, symbol, name, wraps, created_at, version) VALUES ($1, $2, $3, $4, $5, $6) RETURNING coin_key",
                coin_id, symbol, name, wraps, self.now, version,
            )  # fmt: skip
            first = None
            for source in sources:
                source_id = (source_ids or {}).get(source, coin_id)
                listing = await conn.fetchval(
                    "INSERT INTO listings (source, source_id, symbol, name, active, first_seen_at, last_seen_at)"
                    " VALUES ($1, $2, $3, $4, true, $5, $5) RETURNING listing_id",
                    source, source_id, symbol, name, self.now,
                )  # fmt: skip
                first = first or listing
                await self._judge(conn, listing, key, version)
                if source_id != coin_id:
                    await conn.execute("INSERT INTO coin_aliases (alias, coin_key, version) VALUES ($1, $2, $3)", source_id, key, version)
                if contract is not None:
                    await conn.execute(
                        "INSERT INTO listing_contracts (source, source_id, platform, address) VALUES ($1, $2, $3, $4)",
                        source, source_id, *contract,
                    )  # fmt: skip
                if price is not None:
                    await self._quote(conn, listing, price, market_cap)
            if price is not None:
                await self._price(conn, key, first, price, sources, market_cap, volume, flags, version)
        return key

    async def reprice(self, key: int, price: float, *, market_cap: float | None = None, volume: float | None = None) -> None:
        """Another price for a coin that has one."""
        async with self._database.write() as conn:
            version = await _publish(conn, self.now)
            await conn.execute(
                "UPDATE latest_prices SET value = $2, market_cap = $3, volume_24h = $4, version = $5 WHERE coin_key = $1",
                key, price, market_cap, volume, version,
            )  # fmt: skip

    async def merge(self, loser: int, winner: int) -> None:
        """A coin becomes another one, with its listings."""
        async with self._database.write() as conn:
            version = await _publish(conn, self.now)
            await conn.execute("UPDATE coins SET merged_into = $2, version = $3 WHERE coin_key = $1", loser, winner, version)
            moved = await conn.fetch(
                "UPDATE judgements SET superseded_at = $2, version = $3 WHERE coin_key = $1 AND superseded_at IS NULL RETURNING listing_id",
                loser, self.now, version,
            )  # fmt: skip
            for row in moved:
                await self._judge(conn, row["listing_id"], winner, version)
            await conn.execute("DELETE FROM latest_prices WHERE coin_key = $1", loser)

    async def judge(
        self, source: str, source_id: str, coin_id: str, verdict: str, *, decided_by: str = "rule", note: str | None = None
    ) -> tuple[int, int, int]:
        """A judgement beside those that stand; its id, its listing's, and the version that shows it."""
        async with self._database.write() as conn:
            version = await _publish(conn, self.now)
            row = await conn.fetchrow(
                "INSERT INTO judgements (listing_id, coin_key, verdict, rule, confidence, evidence, decided_by, note, created_at, version)"
                " SELECT l.listing_id, c.coin_key, $4, 'symbol', 0.6, $5, $6, $7, $8, $9 FROM listings l, coins c"
                " WHERE l.source = $1 AND l.source_id = $2 AND c.coin_id = $3 RETURNING judgement_id, listing_id",
                source, source_id, coin_id, verdict, {"symbol": "rare"}, decided_by, note, self.now, version,
            )  # fmt: skip
        return row["judgement_id"], row["listing_id"], version

    async def quotes(self, listing_id: int, rows: Sequence[tuple[datetime, float]], market_cap: float | None = None) -> None:
        """Quotes of a listing as (observed at, price), with their candles."""
        async with self._database.write() as conn:
            await quotes.make_partitions(conn, [at.date() for at, _ in rows])
            await conn.executemany(
                "INSERT INTO quotes (listing_id, run_id, observed_at, price, market_cap, fetched_at, recorded_at)"
                " VALUES ($1, 1, $2, $3, $4, $2, $2)",
                [(listing_id, at, price, market_cap) for at, price in rows],
            )
            await candles.roll_up(conn, [listing_id] * len(rows), [at for at, _ in rows])

    async def run(
        self, *, status: str = "succeeded", outcomes: dict[str, str] | None = None, error: str | None = None, age: float = 0
    ) -> int:
        """A run that ended `age` seconds ago, or works (status running)."""
        at = self.now - timedelta(seconds=age)
        working = status == "running"
        async with self._database.write() as conn:
            run_id: int = await conn.fetchval(
                "INSERT INTO runs (trigger, status, owner_host, owner_process, started_at, finished_at, lease_until, open)"
                " VALUES ('schedule', $1, 'h', 'p', $2, $3, $2, $4) RETURNING run_id",
                status, at, None if working else at, working,
            )  # fmt: skip
            for source, outcome in (outcomes or {}).items():
                await conn.execute(
                    "INSERT INTO run_sources (run_id, source, outcome, error, calls, parts, rows_received, rows_written, rows_revised,"
                    " rows_rejected, duration_seconds) VALUES ($1, $2, $3, $4, 3, 2, 100, 90, 5, 1, 1.5)",
                    run_id, source, outcome, None if outcome == "succeeded" else error,
                )  # fmt: skip
        return run_id

    async def execute(self, sql: str, *arguments: Any) -> None:
        """Anything else."""
        async with self._database.write() as conn:
            await conn.execute(sql, *arguments)

    async def _judge(self, conn: asyncpg.Connection, listing: int, key: int, version: int) -> None:
        await conn.execute(
            "INSERT INTO judgements (listing_id, coin_key, verdict, rule, confidence, evidence, created_at, version)"
            " VALUES ($1, $2, 'same', 'same_contract', 0.9, $3, $4, $5)",
            listing, key, {"contract": "0xabc"}, self.now, version,
        )  # fmt: skip

    async def _quote(self, conn: asyncpg.Connection, listing: int, price: float, market_cap: float | None) -> None:
        await conn.execute(
            "INSERT INTO latest_quotes (listing_id, run_id, observed_at, price, market_cap, fetched_at, recorded_at, raw)"
            " VALUES ($1, 1, $2, $3, $4, $2, $2, $5)",
            listing, self.now, price, market_cap, msgspec.json.encode({"price": price}).decode(),
        )  # fmt: skip

    async def _price(
        self,
        conn: asyncpg.Connection,
        key: int,
        listing: int | None,
        price: float,
        sources: tuple[str, ...],
        market_cap: float | None,
        volume: float | None,
        flags: tuple[str, ...],
        version: int,
    ) -> None:
        await conn.execute(
            "INSERT INTO latest_prices (coin_key, listing_id, published_at, observed_at, value, method, sources_used, spread_pct,"
            " confidence, flags, market_cap, volume_24h, version) VALUES ($1, $2, $3, $3, $4, 'newest', $5, NULL, 0.8, $6, $7, $8, $9)",
            key, listing, self.now, price, list(sources), list(flags), market_cap, volume, version,
        )  # fmt: skip


async def _publish(conn: asyncpg.Connection, now: datetime) -> int:
    version: int = await conn.fetchval("UPDATE catalog_version SET version = version + 1, published_at = $1 RETURNING version", now)
    return version
