"""The `quotes`, `latest_quotes` and `exchange_rates` tables: what sources said a listing costs."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime

import asyncpg

from kasparro.records import CoinQuote, Courses, ExchangeRate, Quote, Record
from kasparro.store import candles, partitions, queries
from kasparro.store.columns import scalars, texts

_SQL = queries.load("quotes")


class QuotesWritten(Record, frozen=True, kw_only=True):
    """What one statement of quotes did."""

    inserted: int
    revised: int
    listing_ids: tuple[int, ...]  # listings whose newest quote is another one now
    first_ids: tuple[int, ...]  # listings that had none before


async def make_partitions(conn: asyncpg.Connection, days: Iterable[date]) -> None:
    """Make what quotes of some days are written into, where it is missing: they are rolled up as they are written."""
    await partitions.make(conn, ("quotes", "candles_hourly"), days)


async def write(
    conn: asyncpg.Connection,
    source: str,
    quotes: Sequence[Quote],
    *,
    run_id: int,
    kept_from: datetime,
    fetched_at: datetime,
    now: datetime,
    is_replayed: bool = False,
) -> QuotesWritten:
    """Write quotes of one source, each listing at most once, and the candles that they are in. See `make_partitions` for their days.

    With `is_replayed` they revise nothing that was fetched after `fetched_at`. Without, nobody asks: a clock may have been set back.
    """
    row = await conn.fetchrow(
        _SQL["insert_quotes"],
        source,
        texts([q.source_id for q in quotes]),
        scalars([q.observed_at for q in quotes]),
        scalars([q.price for q in quotes]),
        scalars([q.market_cap for q in quotes]),
        scalars([q.volume_24h for q in quotes]),
        scalars([q.ath_price for q in quotes]),
        scalars([q.ath_at for q in quotes]),
        [q.raw.decode() for q in quotes],
        kept_from,
        run_id,
        fetched_at,
        now,
        is_replayed,
    )
    await candles.roll_up(conn, row["written_ids"] or (), row["written_at"] or ())
    return QuotesWritten(
        inserted=row["inserted"],
        revised=row["revised"],
        listing_ids=tuple(row["listing_ids"] or ()),
        first_ids=tuple(row["first_ids"] or ()),
    )


async def courses(conn: asyncpg.Connection, listing_ids: Sequence[int], since: datetime) -> Courses:
    """How the prices of listings went: the last quote of each hour."""
    rows = await conn.fetch(_SQL["select_courses"], listing_ids, since)
    return {row["listing_id"]: tuple(zip(row["times"], row["prices"], strict=True)) for row in rows}


async def write_rates(conn: asyncpg.Connection, source: str, rates: Sequence[ExchangeRate], observed_at: datetime) -> int:
    """Write exchange rates as of a time; how many of them are new or other than they were."""
    columns = texts([r.currency for r in rates]), scalars([r.per_usd for r in rates])
    return len(await conn.fetch(_SQL["insert_rates"], source, observed_at, *columns))


async def coins_since_run(conn: asyncpg.Connection, run_id: int) -> list[int]:
    """Keys of the coins that have a newest quote of a run from this one on."""
    return [row["coin_key"] for row in await conn.fetch(_SQL["select_coins_since_run"], run_id)]


async def of_coins(conn: asyncpg.Connection, coin_keys: Sequence[int]) -> dict[int, list[CoinQuote]]:
    """The newest quotes, by coin key. A coin without any has no entry."""
    return _by_coin(await conn.fetch(_SQL["select_quotes_of_coins"], coin_keys))


async def coins_of_listings(conn: asyncpg.Connection, listing_ids: Sequence[int]) -> list[int]:
    """Keys of the coins that listings are judged to be."""
    return [row["coin_key"] for row in await conn.fetch(_SQL["select_coins_of_listings"], listing_ids)]


def _by_coin(rows: Sequence[asyncpg.Record]) -> dict[int, list[CoinQuote]]:
    answer: dict[int, list[CoinQuote]] = {}
    for coin_key, source, listing_id, price, observed_at, market_cap, volume_24h in rows:
        quote = CoinQuote(
            source=source, listing_id=listing_id, price=price, observed_at=observed_at, market_cap=market_cap, volume_24h=volume_24h
        )
        answer.setdefault(coin_key, []).append(quote)
    return answer


async def told_numbers(conn: asyncpg.Connection, paths: Sequence[tuple[int, tuple[str, ...]]]) -> dict[int, float]:
    """A number that the newest row of each listing has at a path, as its source sent it. A listing without one is not there."""
    listing_ids, spelled = [listing for listing, _ in paths], ["{" + ",".join(path) + "}" for _, path in paths]
    rows = await conn.fetch(_SQL["select_told_numbers"], listing_ids, spelled)
    return {row["listing_id"]: row["number"] for row in rows if row["number"] is not None}
