"""The coins at /: a page of the list, searched and ordered as /data is."""

from typing import Any
from urllib.parse import urlencode

import msgspec

from kasparro.catalog.entries import Catalog, Entry
from kasparro.catalog.orders import place_of
from kasparro.serving import parameters
from kasparro.serving.lists import CURSOR, coin_page, next_link
from kasparro.serving.operations import Call, Operation
from kasparro.web import words
from kasparro.web.frame import Frame, View
from kasparro.web.sparks import Spark, Sparks

ROWS = 50
_ORDERS = {"rank": "Market cap", "volume": "Volume", "id": "Id"}
_QUERY = [
    CURSOR,
    parameters.choice("order", "How the coins are ordered.", list(_ORDERS)),
    parameters.text("q", "Only coins whose name, symbol or id has these words."),
]


class Flag(msgspec.Struct, frozen=True):
    """A flag with what it means."""

    name: str
    short: str
    long: str


class Row(msgspec.Struct, frozen=True):
    """A coin in the list."""

    rank: int | None
    entry: Entry
    spark: Spark
    change: float | None  # per cent in a day
    flags: tuple[Flag, ...]


def pages(frame: Frame, sparks: Sparks) -> list[Operation]:
    """The list."""

    async def show_coins(call: Call) -> View:
        return await _view(call, sparks)

    return [frame.page("/", show_coins, operation_id="show_coins_page", summary="The coins")]


async def _view(call: Call, sparks: Sparks) -> View:
    query: dict[str, Any] = parameters.read(_QUERY, call.query_string)
    holder = call.services.catalog
    asked = query | {"limit": ROWS, "ids": None, "symbol": None, "source": None, "min_sources": 0, "all": False}
    page = await coin_page(holder, call.services.clock, call.path, asked)
    drawn = await sparks.of(page.entries)
    catalog = holder.current
    order = query["order"] or ("match" if query["q"] else "rank")
    context = {
        "rows": [row(catalog, entry, drawn[entry.coin_key]) for entry in page.entries],
        "total": page.total,
        "q": query["q"] or "",
        "order": order,
        "orders": _orders(query["q"]),
        "next": next_link(call, page.cursor),
        "first": _link(q=query["q"], order=query["order"]) if query["cursor"] else None,
        "ids": ",".join(entry.coin_id for entry in page.entries),
        "starting": page.version == 0,
        "flags": [flag(name) for name in words.FLAGS],
    }
    return View(template="coins.html", context=context, headers=(("vary", "Accept"),))


def row(catalog: Catalog, entry: Entry, spark: Spark) -> Row:
    """A coin as the list shows it."""
    price = entry.price
    return Row(
        rank=rank(catalog, entry),
        entry=entry,
        spark=spark,
        change=None if price is None else change(price.value, spark.day_ago),
        flags=() if price is None else tuple(map(flag, price.flags)),
    )


def rank(catalog: Catalog, entry: Entry) -> int | None:
    """A coin's rank, from 1; None without a price."""
    return None if entry.price is None else place_of(catalog.entries, catalog.orders.rank, entry) + 1


def change(value: float, before: float | None) -> float | None:
    """From one price to another, in per cent."""
    return None if before is None else (value / before - 1) * 100


def flag(name: str) -> Flag:
    """A flag with what it means."""
    meaning = words.flag(name)
    return Flag(name, meaning.short, meaning.long)


def _orders(q: str | None) -> list[tuple[str, str, str]]:
    """(name, what it is called, where it is). Without an order, what was searched for comes by how well it matches."""
    best = [("match", "Best match", _link(q=q))] if q else []
    return [*best, *((name, title, _link(q=q, order=name)) for name, title in _ORDERS.items())]


def _link(**query: str | None) -> str:
    kept = {name: value for name, value in query.items() if value}
    return f"/?{urlencode(kept)}" if kept else "/"
