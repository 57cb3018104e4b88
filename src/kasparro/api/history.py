"""/coins/{id}/history and /coins/{id}/candles: what a coin's listings were quoted at, read from the database.

A coin's series are those of the listings that are judged the same as it now, so that a merge or a split changes the whole of them.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import TypeAlias

import asyncpg
import msgspec

from kasparro.api.coins import coin_of, moved
from kasparro.api.series import CSV, Candle, Candles, History, Point, as_csv, as_json
from kasparro.api.spans import CHOSEN_POINTS_MAX, POINTS_MAX, STEPS, Span, span_of
from kasparro.catalog.entries import Entry
from kasparro.clock import in_pieces
from kasparro.records import Pieces
from kasparro.serving import parameters
from kasparro.serving.operations import Answer, Answered, Call, Operation
from kasparro.serving.parameters import Parameter
from kasparro.serving.problems import invalid_parameters
from kasparro.store import history
from kasparro.store.history import StoredCandle, StoredPoint, StoredRate

_INTERVALS = ["raw", *STEPS]
_ROWS_PER_PIECE = 250
_USD = "usd"
_JUST_AFTER = timedelta(microseconds=1)

_Names: TypeAlias = dict[int, tuple[str, str]]  # source and source id by listing


def operations(sources: Sequence[str]) -> list[Operation]:
    """What these paths answer."""
    path_parameters = {"coin_id": "The coin's id. An alias or a merged coin's id redirects."}
    others = {
        308: Answered("The coin has another id: see Location.", headers=("Location",)),
        404: Answered("No coin has this id."),
        503: Answered("The database does not answer, or the service has just started."),
    }
    return [
        Operation(
            path="/coins/{coin_id}/history",
            handle=show_history,
            operation_id="show_history",
            summary="How a coin's price went",
            tag="history",
            parameters=[
                *_shared(_INTERVALS, sources),
                parameters.text("vs", "Another currency, by the rates that were stored at the time.", most=20, example="eur"),
            ],
            path_parameters=path_parameters,
            whole=True,
            answers={200: Answered("The points, oldest first; gaps stay gaps.", History, or_text=CSV), **others},
        ),
        Operation(
            path="/coins/{coin_id}/candles",
            handle=show_candles,
            operation_id="show_candles",
            summary="A coin's candles by the hour or the day of UTC",
            tag="history",
            parameters=_shared(list(history.CANDLES), sources),
            path_parameters=path_parameters,
            whole=True,
            answers={200: Answered("The candles, oldest first; gaps stay gaps.", Candles, or_text=CSV), **others},
        ),
    ]


def _shared(intervals: Sequence[str], sources: Sequence[str]) -> list[Parameter]:
    chosen = f"Without it the finest that is kept so long and has at most {CHOSEN_POINTS_MAX} points; else up to {POINTS_MAX}."
    return [
        parameters.moment("from", "The first time, ISO 8601 or Unix time: intervals that open from then on. Without it as fits interval."),
        parameters.moment("to", "The end, exclusive. Without it now."),
        parameters.choice("interval", chosen, intervals),
        parameters.choice("source", "Only what this source said.", sources),
        parameters.choice("format", "How it is written.", ["json", "csv"], default="json"),
    ]


async def show_history(call: Call) -> Answer:
    """A coin's points."""
    entry = coin_of(call)
    if (answer := moved(call, entry, "/history")) is not None:
        return answer
    query, services = call.query, call.services
    span, names = span_of(query, _INTERVALS, services.settings, services.clock.now()), _names(entry, query["source"])
    vs = (query["vs"] or _USD).lower()
    rates: list[StoredRate | None] | None = None
    async with services.database.read() as conn:
        if vs != _USD and not await history.has_rates(conn, vs):
            raise invalid_parameters([("vs", f"must be a currency that a source has told the rate of; {vs!r} is none, usd needs none")])
        stored = await _stored_points(conn, span, list(names))
        if len(stored) > span.most:
            raise span.too_many()
        if vs != _USD:
            after = span.step or _JUST_AFTER
            rates = await history.rates(conn, vs, [point.at + after for point in stored], list(services.settings.sources))
    points = await in_pieces(_points(stored, names, rates), services.clock)
    return await _answer(call, History(id=entry.coin_id, interval=span.interval, from_=span.low, to=span.high, vs=vs, points=points))


async def _stored_points(conn: asyncpg.Connection, span: Span, listing_ids: list[int]) -> list[StoredPoint]:
    """One more than an answer may have, where there are so many."""
    low, high = span.opening()
    most = span.most + 1
    if span.step is None:
        return await history.quotes(conn, listing_ids, low, high, most)
    if span.interval not in history.CANDLES:
        return await history.spans(conn, listing_ids, low, high, most, span.step)
    candles = await history.candles(conn, span.interval, listing_ids, low, high, most)
    return [StoredPoint(c.opens_at, c.listing_id, c.close, c.market_cap, c.volume_24h, c.samples) for c in candles]


def _points(stored: Sequence[StoredPoint], names: _Names, rates: Sequence[StoredRate | None] | None) -> Pieces[list[Point]]:
    points: list[Point] = []
    for number, p in enumerate(stored):
        source, source_id = names[p.listing_id]
        point = Point(
            at=p.at,
            price_usd=p.price,
            market_cap_usd=p.market_cap,
            volume_24h_usd=p.volume_24h,
            samples=p.samples,
            source=source,
            source_id=source_id,
        )
        points.append(point if rates is None else _converted(point, rates[number]))
        if number % _ROWS_PER_PIECE == _ROWS_PER_PIECE - 1:
            yield
    return points


def _converted(point: Point, rate: StoredRate | None) -> Point:
    """A point with its amounts in another currency."""

    def amount(usd: float | None) -> float | None:
        return None if usd is None or rate is None else usd * rate.per_usd

    return msgspec.structs.replace(
        point,
        price=amount(point.price_usd),
        market_cap=amount(point.market_cap_usd),
        volume_24h=amount(point.volume_24h_usd),
        per_usd=rate and rate.per_usd,
        rate_source=rate and rate.source,
        rate_observed_at=rate and rate.observed_at,
    )


async def show_candles(call: Call) -> Answer:
    """A coin's candles."""
    entry = coin_of(call)
    if (answer := moved(call, entry, "/candles")) is not None:
        return answer
    query, services = call.query, call.services
    names = _names(entry, query["source"])
    span = span_of(query, list(history.CANDLES), services.settings, services.clock.now())
    async with services.database.read() as conn:
        stored = await history.candles(conn, span.interval, list(names), *span.opening(), span.most + 1)
    if len(stored) > span.most:
        raise span.too_many()
    candles = await in_pieces(_candles(stored, names), services.clock)
    return await _answer(call, Candles(id=entry.coin_id, interval=span.interval, from_=span.low, to=span.high, candles=candles))


def _candles(stored: Sequence[StoredCandle], names: _Names) -> Pieces[list[Candle]]:
    candles: list[Candle] = []
    for number, c in enumerate(stored, start=1):
        source, source_id = names[c.listing_id]
        candles.append(
            Candle(
                opens_at=c.opens_at,
                open=c.open,
                high=c.high,
                low=c.low,
                close=c.close,
                samples=c.samples,
                market_cap_usd=c.market_cap,
                volume_24h_usd=c.volume_24h,
                source=source,
                source_id=source_id,
            )
        )
        if number % _ROWS_PER_PIECE == 0:
            yield
    return candles


def _names(entry: Entry, source: str | None) -> _Names:
    return {n.listing_id: (n.source, n.source_id) for n in entry.listings if source in {None, n.source}}


async def _answer(call: Call, series: History | Candles) -> Answer:
    if call.query["format"] == "json":
        return Answer(body=await in_pieces(as_json(series), call.services.clock))
    kind = "candles" if isinstance(series, Candles) else "history"
    headers = [("content-disposition", f'attachment; filename="{kind}-{series.interval}.csv"')]
    return Answer(body=await in_pieces(as_csv(series), call.services.clock), media_type=CSV, headers=headers)
