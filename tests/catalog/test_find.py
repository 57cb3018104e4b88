"""Finding coins by symbol, by address, by what they wrap, and near an id that no coin has."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from kasparro.catalog.build import Draft
from kasparro.catalog.entries import EMPTY, Catalog
from kasparro.catalog.find import by_address, by_symbol, near_ids, wrapped_coin, wrapping_coins
from kasparro.records import Pieces
from tests.catalog.columns import in_columns

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def _end(pieces: Pieces[Any]) -> Any:
    while True:
        try:
            next(pieces)
        except StopIteration as stop:
            return stop.value


def _catalog(*coins: dict[str, Any]) -> Catalog:
    """Coins by `id`, each with a listing of that id and what else is given: symbol, cap, address, wraps, merged."""
    rows = SimpleNamespace(coins=[], listings=[], contracts=[], aliases=[])
    for key, coin in enumerate(coins, start=1):
        cap = coin.get("cap")
        merged = coin.get("merged")
        rows.coins.append(
            {
                "coin_key": key, "coin_id": coin["id"], "symbol": coin.get("symbol", "SYM"), "name": coin["id"], "merged_into": merged,
                "wraps": coin.get("wraps"), "listing_id": None if cap is None else key, "published_at": NOW, "observed_at": NOW,
                "value": 1.0, "method": "newest", "sources_used": "a", "spread_pct": None, "confidence": 1.0, "flags": "",
                "market_cap": cap, "volume_24h": None,
            }
        )  # fmt: skip
        if merged is not None:
            continue
        rows.listings.append(
            {
                "coin_key": key, "judgement_id": key, "verdict": "same", "rule": "r", "confidence": 1.0, "evidence": "{}",
                "decided_by": "rule", "note": None, "created_at": NOW, "listing_id": key, "source": "a", "source_id": coin["id"],
                "symbol": "SYM", "name": "n", "active": True, "price": cap and 1.0, "market_cap": cap, "volume_24h": None,
                "observed_at": NOW, "fetched_at": NOW,
            }
        )  # fmt: skip
        if "address" in coin:
            rows.contracts.append({"listing_id": key, "platform": "eth", "address": coin["address"]})
    draft = Draft(EMPTY)
    _end(draft.add(range(1, len(coins) + 1), in_columns(rows)))
    return _end(draft.finish(1, NOW))


def _ids(entries: list[Any]) -> list[str]:
    return [entry.coin_id for entry in entries]


def test_a_symbol_finds_its_coins_best_first() -> None:
    """In any case; by market cap, those without one after them, those without a price last."""
    catalog = _catalog(
        {"id": "dead", "symbol": "BTC"}, {"id": "clone", "symbol": "Btc", "cap": 5.0}, {"id": "bitcoin", "symbol": "BTC", "cap": 9.0},
        {"id": "x"},
    )  # fmt: skip
    assert _ids(by_symbol(catalog, "bTc")) == ["bitcoin", "clone", "dead"]
    assert _ids(by_symbol(catalog, "nothing")) == []


def test_an_address_finds_its_coins_in_any_case() -> None:
    """Also where several have it; which spelling counts on which chain is for the one who asks."""
    catalog = _catalog({"id": "a", "address": "AbC"}, {"id": "b", "address": "aBc", "cap": 1.0}, {"id": "c", "address": "abd"})
    assert _ids(by_address(catalog, "ABC")) == ["b", "a"]
    assert _ids(by_address(catalog, "abd")) == ["c"]
    assert _ids(by_address(catalog, "abe")) == []


def test_wrapped_coins_are_linked_both_ways_over_merges() -> None:
    """What is wrapped is followed to the coin that it became; a coin never stands for itself."""
    catalog = _catalog(
        {"id": "bitcoin", "wraps": 2}, {"id": "old-bitcoin", "merged": 1}, {"id": "wrapped", "wraps": 2, "cap": 1.0},
        {"id": "pegged", "wraps": 1}, {"id": "lost", "wraps": 99},
    )  # fmt: skip
    bitcoin, wrapped, lost = (catalog.find(name) for name in ("bitcoin", "wrapped", "lost"))
    assert bitcoin is not None
    assert wrapped is not None
    assert lost is not None
    assert wrapped_coin(catalog, wrapped) is bitcoin
    assert wrapped_coin(catalog, bitcoin) is None
    assert wrapped_coin(catalog, lost) is None
    assert _ids(wrapping_coins(catalog, bitcoin)) == ["wrapped", "pegged"]
    assert wrapping_coins(catalog, wrapped) == []


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("BTC", ("bitcoin", "btc-clone")),  # a symbol
        ("bitcoin-c", ("bitcoin", "bitcoin-cash")),
        ("Bitcoin", ("bitcoin", "bitcoin-cash", "wrapped-bitcoin")),
        ("ethereun", ("ethereum", "ethereum-classic")),
        ("etherium", ("ethereum", "ethereum-classic")),
        ("zzz", ()),
        ("", ("bitcoin", "ethereum", "bitcoin-cash", "ethereum-classic", "wrapped-bitcoin")),
    ],
)
def test_near_ids(text: str, near: tuple[str, ...]) -> None:
    """Coins whose symbol it is, whose ids begin like it or contain it; at most five."""
    catalog = _catalog(
        {"id": "bitcoin", "symbol": "BTC", "cap": 9.0}, {"id": "ethereum", "cap": 8.0}, {"id": "bitcoin-cash", "cap": 7.0},
        {"id": "ethereum-classic", "cap": 6.0}, {"id": "wrapped-bitcoin", "cap": 5.0}, {"id": "btc-clone", "symbol": "BTC", "cap": 4.0},
    )  # fmt: skip
    assert near_ids(catalog, text) == near
