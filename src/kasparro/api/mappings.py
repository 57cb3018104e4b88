"""/mappings, /mappings.csv and /resolve: which listing is which coin."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from kasparro.api.export import CSV, streamed
from kasparro.api.shapes import Resolved
from kasparro.catalog import find
from kasparro.catalog.entries import Catalog, Entry
from kasparro.catalog.rows import MappingRow, coin_row, mapping_rows
from kasparro.catalog.tables import MAPPINGS
from kasparro.resolver import platforms
from kasparro.serving import cursors, parameters
from kasparro.serving.cursors import Place
from kasparro.serving.lists import CURSOR, LIMIT, next_link
from kasparro.serving.operations import Answer, Answered, Call, Operation, encoded
from kasparro.serving.problems import invalid_parameters, not_found

CANDIDATES_MAX = 50


def operations(sources: Sequence[str]) -> list[Operation]:
    """What these paths answer."""
    return [
        Operation(
            path="/mappings",
            handle=list_mappings,
            operation_id="list_mappings",
            summary="Every listing that has a coin",
            tag="identity",
            parameters=[LIMIT, CURSOR],
            answers={200: Answered("Listings by coin id.", list[MappingRow], headers=("Link", "X-Total-Count"))},
            conditional=True,
            whole=True,
        ),
        Operation(
            path="/mappings.csv",
            handle=stream_mappings,
            operation_id="stream_mappings",
            summary="Every listing that has a coin, as CSV",
            tag="identity",
            answers={200: Answered("All listings by coin id, with a header line.", media_type=CSV)},
            conditional=True,
            whole=True,
        ),
        Operation(
            path="/resolve",
            handle=resolve,
            operation_id="resolve",
            summary="The coin that a source id, a contract address or a symbol means",
            tag="identity",
            parameters=[
                parameters.choice("source", "With source_id: the source.", sources),
                parameters.text("source_id", "With source: the listing's id there.", example="btc-bitcoin"),
                parameters.text("platform", "With address: the chain, as a source names it."),
                parameters.text("address", "With platform: the contract's address; one of Ethereum's kind in any case."),
                parameters.text("symbol", "A symbol, in any case.", example="BTC"),
            ],
            answers={
                200: Answered("The coin; for a symbol always candidates, best first.", Resolved),
                404: Answered("No coin is known by this."),
            },
            conditional=True,
            whole=True,
        ),
    ]


async def list_mappings(call: Call) -> Answer:
    """A page of listings. A page may hold few coins with many listings, so that a place names both."""
    catalog = call.services.catalog.current
    place = cursors.read(call.query["cursor"], call.path) if call.query["cursor"] else Place(0)
    keys, entries, limit = catalog.orders.id_all, catalog.entries, call.query["limit"]
    after = place.after or ""
    number = bisect_left(keys, after, key=lambda key: entries[key].coin_id)
    rows: list[MappingRow] = []
    following: Place | None = None
    while number < len(keys) and following is None:
        entry = entries[keys[number]]
        skipped = place.position if entry.coin_id == after else 0
        for position, mapping in enumerate(mapping_rows(entry)[skipped:], start=skipped):
            if len(rows) == limit:
                following = Place(0, position, entry.coin_id)
                break
            rows.append(mapping)
        number += 1
    link = next_link(call, None if following is None else cursors.write(following, call.path))
    headers = [("x-total-count", str(sum(map(len, catalog.listings.values()))))]
    if link is not None:
        headers.append(("link", f'<{link}>; rel="next"'))
    return Answer(body=encoded(rows), headers=headers)


async def stream_mappings(call: Call) -> Answer:
    """Everything, of the catalog that is current when it begins."""
    return streamed(call, "mappings", MAPPINGS, "csv")


async def resolve(call: Call) -> Answer:
    """Exactly one of the three ways to ask."""
    query, catalog = call.query, call.services.catalog.current
    ways = [query["source"] or query["source_id"], query["platform"] or query["address"], query["symbol"]]
    if sum(way is not None for way in ways) != 1:
        raise invalid_parameters([("symbol", "or source with source_id, or platform with address: exactly one of these is needed")])
    if query["symbol"] is not None:
        return _answer(find.by_symbol(catalog, query["symbol"]), always_candidates=True)
    names = ("source", "source_id") if query["source"] or query["source_id"] else ("platform", "address")
    missing = [(name, f"is required with {names[0] if name == names[1] else names[1]}") for name in names if query[name] is None]
    if missing:
        raise invalid_parameters(missing)
    if names[0] == "source":
        entry = catalog.find_listing(query["source"], query["source_id"])
        return _answer([] if entry is None else [entry])
    return _answer(_by_contract(catalog, call.services.settings.sources, query["platform"], query["address"]))


def _answer(found: list[Entry], *, always_candidates: bool = False) -> Answer:
    if not found:
        detail = "no coin is known by this; GET /data?q= finds coins by name or symbol"
        raise not_found(detail)
    rows = [coin_row(entry) for entry in found[:CANDIDATES_MAX]]
    ambiguous = len(found) > 1
    resolved = Resolved(coin=None if ambiguous else rows[0], candidates=rows if ambiguous or always_candidates else [], ambiguous=ambiguous)
    return Answer(body=encoded(resolved))


def _by_contract(catalog: Catalog, sources: Iterable[str], platform: str, address: str) -> list[Entry]:
    """The coins one of whose listings has the contract, whichever source's name of the chain was given."""
    wanted = platforms.address(address)
    if wanted is None:
        return []
    chains = {platforms.chain(source, spelled) for source in sources for spelled in (platform, platform.lower())}

    def has(entry: Entry) -> bool:
        return any(
            platforms.address(contract.address) == wanted and platforms.chain(contract.source, contract.platform) in chains
            for n in entry.listings
            for contract in n.contracts
        )

    return [entry for entry in find.by_address(catalog, wanted) if has(entry)]
