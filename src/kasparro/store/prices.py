"""The `prices` and `latest_prices` tables: what was published for a coin."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import asyncpg

from kasparro.records import Price, Record
from kasparro.store import queries
from kasparro.store.columns import parts, scalars, texts

_SQL = queries.load("prices")


async def latest(conn: asyncpg.Connection, coin_keys: Sequence[int]) -> dict[int, Price]:
    """What stands published, by coin key."""
    answer: dict[int, Price] = {}
    rows = await conn.fetch(_SQL["select_latest_prices"], coin_keys)
    for key, listing_id, observed_at, value, method, sources_used, spread_pct, confidence, flags, market_cap, volume_24h in rows:
        answer[key] = Price(
            value=value,
            observed_at=observed_at,
            method=method,
            sources_used=parts(sources_used),
            listing_id=listing_id,
            spread_pct=spread_pct,
            confidence=confidence,
            flags=parts(flags),
            market_cap=market_cap,
            volume_24h=volume_24h,
        )
    return answer


async def turned_stale(conn: asyncpg.Connection, before: datetime, flag: str) -> list[int]:
    """The keys of coins whose price was observed before a time and is not flagged so."""
    return [row["coin_key"] for row in await conn.fetch(_SQL["select_turned_stale"], before, flag)]


async def write(conn: asyncpg.Connection, chosen: Mapping[int, Price], changed: Sequence[int], now: datetime, version: int) -> None:
    """Publish prices by coin key; those of `changed` coins go into the published history as well."""
    p = [chosen[key] for key in changed]
    if p:
        await conn.execute(
            _SQL["insert_prices"],
            scalars(changed),
            scalars([x.listing_id for x in p]),
            scalars([x.observed_at for x in p]),
            scalars([x.value for x in p]),
            scalars([x.confidence for x in p]),
            scalars([x.spread_pct for x in p]),
            texts([x.method for x in p]),
            now,
        )
    p = list(chosen.values())
    await conn.execute(
        _SQL["upsert_latest_prices"],
        scalars(list(chosen)),
        scalars([x.listing_id for x in p]),
        scalars([x.observed_at for x in p]),
        scalars([x.value for x in p]),
        texts([x.method for x in p]),
        texts([",".join(x.sources_used) for x in p]),
        scalars([x.spread_pct for x in p]),
        scalars([x.confidence for x in p]),
        texts([",".join(x.flags) for x in p]),
        scalars([x.market_cap for x in p]),
        scalars([x.volume_24h for x in p]),
        now,
        version,
    )


class HourlyPrice(Record, frozen=True, kw_only=True):
    """The last price of a coin in an hour."""

    coin_id: str
    hour: datetime
    value: float
    spread_pct: float | None  # between its sources


async def hourly(conn: asyncpg.Connection, coins: int, flag: str, since: datetime) -> list[HourlyPrice]:
    """The hourly prices since a time of the `coins` that are traded most and of as many that carry a flag, by coin and hour."""
    return [HourlyPrice(**dict(row)) for row in await conn.fetch(_SQL["select_hourly_prices"], coins, flag, since)]


async def withdraw(conn: asyncpg.Connection, coin_keys: Sequence[int]) -> int:
    """Take back what stands published for coins that have no quote any more; how many had something."""
    return len(await conn.fetch(_SQL["delete_latest_prices"], coin_keys))
