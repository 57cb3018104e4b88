"""/data, /coins, /coins/{id} and /prices."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote as percent_encoded

import msgspec

from kasparro.api.shapes import CoinEnvelope, CoinPrice
from kasparro.catalog.details import CoinDetail, detail
from kasparro.catalog.entries import Catalog, Entry
from kasparro.catalog.find import near_ids
from kasparro.catalog.rows import CoinRow, entry_row
from kasparro.serving import parameters
from kasparro.serving.lists import CoinPage, coin_page, list_parameters, next_link
from kasparro.serving.loading import knowing
from kasparro.serving.operations import Answer, Answered, Call, Operation, encoded
from kasparro.serving.problems import not_found

RETRY_BEFORE_DATA_SECONDS = 5


def operations(sources: Sequence[str]) -> list[Operation]:
    """What these paths answer."""
    listing = list_parameters(sources)
    answers = {
        200: Answered("The coins, by rank unless asked otherwise.", list[CoinRow] | CoinEnvelope, headers=("Link", "X-Total-Count")),
        410: Answered("The cursor's order is no longer kept."),
    }
    return [
        Operation(
            path="/data",
            handle=list_coins,
            operation_id="list_data",
            summary="Coins that have or had a price",
            tag="coins",
            parameters=listing,
            answers=answers,
            conditional=True,
        ),
        Operation(
            path="/coins",
            handle=list_coins,
            operation_id="list_coins",
            summary="Coins",
            tag="coins",
            parameters=listing,
            answers=answers,
            conditional=True,
        ),
        Operation(
            path="/coins/{coin_id}",
            handle=show_coin,
            operation_id="show_coin",
            summary="One coin with its listings, quotes, price and judgements",
            tag="coins",
            path_parameters={"coin_id": "The coin's id. An alias or a merged coin's id redirects."},
            answers={
                200: Answered("The coin.", CoinDetail),
                308: Answered("The coin has another id: see Location.", headers=("Location",)),
                404: Answered("No coin has this id."),
            },
            conditional=True,
            whole=True,
        ),
        Operation(
            path="/prices",
            handle=list_prices,
            operation_id="list_prices",
            summary="Prices of several coins at once",
            tag="coins",
            parameters=[parameters.names("ids", "The coins, by id or alias, separated by commas.", required=True, example=["bitcoin"])],
            answers={200: Answered("The prices of those that are known, in the order asked for.", list[CoinPrice])},
            conditional=True,
        ),
    ]


async def list_coins(call: Call) -> Answer:
    """A page of coins: a join of rows that were encoded before."""
    page = await coin_page(call.services.catalog, call.services.clock, call.path, call.query)
    link = next_link(call, page.cursor)
    rows = b"[" + b",".join([entry_row(entry) for entry in page.entries]) + b"]"
    body = _enveloped(call, page, link, rows) if call.query["envelope"] else rows
    headers = [("x-total-count", str(page.total))]
    if link is not None:
        headers.append(("link", f'<{link}>; rel="next"'))
    if page.version == 0:
        headers.append(("retry-after", str(RETRY_BEFORE_DATA_SECONDS)))
    return Answer(body=body, headers=headers, same_for_etag=page.is_present and not call.query["envelope"])


def _enveloped(call: Call, page: CoinPage, link: str | None, rows: bytes) -> bytes:
    head = {
        "request_id": call.request_id,
        "api_latency_ms": round((call.services.clock.monotonic() - call.started) * 1000, 3),
        "total": page.total,
        "next": link,
        "data": msgspec.Raw(rows),
    }
    return encoded(head)


async def show_coin(call: Call) -> Answer:
    """One coin, or where it is now."""
    entry = coin_of(call)
    return moved(call, entry, "") or Answer(body=detail(call.services.catalog.current, entry))


def coin_of(call: Call) -> Entry:
    """The coin that a path names by its id, an alias or the id of a coin that was merged into it. Raises ProblemError."""
    asked, catalog = call.path_parameters["coin_id"], call.services.catalog.current
    entry = catalog.find(asked)
    if entry is None:
        missing = f"no coin has the id {asked[:100]!r}; GET /data?q= finds coins by name or symbol"
        raise not_found(missing, candidates=near_ids(catalog, asked))
    return entry


def moved(call: Call, entry: Entry, below: str) -> Answer | None:
    """Where a coin is that was asked for by another id than its own; `below` follows the id in the path."""
    if entry.coin_id == call.path_parameters["coin_id"]:
        return None
    query = f"?{call.query_string.decode('latin-1')}" if call.query_string else ""
    location = f"/coins/{percent_encoded(entry.coin_id, safe='')}{below}{query}"
    return Answer(body=encoded({"id": entry.coin_id}), status=308, headers=[("location", location)])


async def list_prices(call: Call) -> Answer:
    """Prices of the coins that are known among those asked for."""
    catalog = await knowing(call.services.catalog, call.query["ids"])
    return Answer(body=encoded(list(_prices(catalog, call.query))))


def _prices(catalog: Catalog, query: dict[str, Any]) -> list[CoinPrice]:
    found = {entry.coin_key: entry for entry in map(catalog.find, query["ids"]) if entry is not None}
    return [
        CoinPrice(
            id=entry.coin_id,
            symbol=entry.symbol,
            latest_price_usd=entry.price.value if entry.price else None,
            observed_at=entry.price.observed_at if entry.price else None,
            confidence=entry.price.confidence if entry.price else None,
            flags=entry.price.flags if entry.price else (),
        )
        for entry in found.values()
    ]
