"""Text search: what matches, how well, and that an index which was carried on finds the same as one made anew."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kasparro.catalog.search import BEGINS, CONTAINS, EXACT, NEARLY, STALE_MAX, WORDS, carried_on, folded, indexed, line_of, search
from kasparro.catalog.text_index import EMPTY_INDEX, TextIndex, make_index
from kasparro.records import Pieces


def _end(pieces: Pieces[Any]) -> Any:
    while True:
        try:
            next(pieces)
        except StopIteration as stop:
            return stop.value


def _entries(*coins: tuple[str, str]) -> dict[int, Any]:
    return {
        key: SimpleNamespace(name=name, symbol=symbol, coin_id=name.lower().replace(" ", "-"), price=1.0)
        for key, (name, symbol) in enumerate(coins)
    }


def _found(index: TextIndex, entries: dict[int, Any], text: str) -> dict[int, int]:
    catalog: Any = SimpleNamespace(texts=index, entries=entries)
    found: dict[int, int] = _end(search(catalog, text))
    return found


COINS = _entries(
    ("Bitcoin", "BTC"),
    ("BitCone", "CONE"),
    ("Bitcoin Cash", "BCH"),
    ("Wrapped Bitcoin", "WBTC"),
    ("Ethereum", "ETH"),
    ("Ethereum Classic", "ETC"),
    ("Lido Staked Ether", "STETH"),
    ("Shiba Inu", "SHIB"),
    ("BabyDoge", "BABYDOGE"),
    ("$WIF", "$WIF"),
    ("Ωmega", "Ω"),
    ("The O'Token (V2)", "OT"),
)
_NAMES = {key: entry.name for key, entry in COINS.items()}
_INDEX = _end(make_index((key, line_of(e.name, e.symbol, e.coin_id)) for key, e in COINS.items()))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("bitcoin", {"Bitcoin": EXACT, "Bitcoin Cash": BEGINS, "Wrapped Bitcoin": WORDS}),
        ("BTC", {"Bitcoin": EXACT, "Wrapped Bitcoin": CONTAINS}),
        ("bitcon", {"Bitcoin": BEGINS, "BitCone": BEGINS, "Bitcoin Cash": NEARLY, "Wrapped Bitcoin": NEARLY}),
        ("etherium", {"Ethereum": BEGINS, "Ethereum Classic": NEARLY}),
        ("ehtereum", {"Ethereum": BEGINS, "Ethereum Classic": NEARLY}),
        ("ether", {"Ethereum": BEGINS, "Ethereum Classic": BEGINS, "Lido Staked Ether": WORDS}),
        ("bitcoin-cash", {"Bitcoin Cash": EXACT}),
        ("  Bitcoin   CASH ", {"Bitcoin Cash": EXACT}),
        ("cash bit", {"Bitcoin Cash": WORDS}),
        ("bitcon cash", {"Bitcoin Cash": BEGINS}),
        ("bit coin", {"Bitcoin": BEGINS, "Bitcoin Cash": CONTAINS, "Wrapped Bitcoin": CONTAINS}),
        ("wrapped bitcion", {"Wrapped Bitcoin": BEGINS}),
        ("coin ca", {"Bitcoin Cash": CONTAINS}),
        ("doge", {"BabyDoge": CONTAINS}),
        ("shibb", {"Shiba Inu": BEGINS}),
        ("wif", {"$WIF": EXACT}),
        ("b", {"Bitcoin": BEGINS, "BitCone": BEGINS, "Bitcoin Cash": BEGINS, "Wrapped Bitcoin": WORDS, "BabyDoge": BEGINS}),
        ("it", {}),  # fewer than three letters are looked for where words begin
        ("doeg", {}),  # and of fewer than five none may be wrong
        ("ωMEGA", {"Ωmega": EXACT}),
        ("o'token", {"The O'Token (V2)": WORDS}),
        ("bitcoin nothing", {}),
        ("$", {}),
        (" ", {}),
        ("x" * 200, {}),
        ("\udcff", {}),
    ],
)
def test_what_matches_and_how_well(text: str, names: dict[str, int]) -> None:
    """A whole field is better than its beginning, that than words, those than what is inside of words, that than a typo."""
    found = {_NAMES[key]: grade for key, grade in _found(_INDEX, COINS, text).items()}
    assert found == names


_texts = st.lists(st.text("abc", min_size=1, max_size=7), min_size=1, max_size=2).map(" ".join)
_worlds = st.dictionaries(st.integers(1, 8), st.tuples(_texts, _texts), max_size=8)


@pytest.mark.slow
@given(_worlds, _worlds, _texts)
def test_an_index_that_was_carried_on_finds_the_same(before: dict[int, Any], after: dict[int, Any], text: str) -> None:
    """Coins that are new, called otherwise or gone since the index was made are found as if it had been made for them."""
    index = _end(make_index((key, line_of(e.name, e.symbol, e.coin_id)) for key, e in _entries_of(before).items()))
    entries = _entries_of(after)

    carried = carried_on(index, [key for key, coin in after.items() if before.get(key) != coin])

    assert carried.text is index.text
    assert _found(carried, entries, text) == _found(carried_on(EMPTY_INDEX, entries), entries, text)


def test_all_are_indexed_anew_after_many_changes() -> None:
    """What is looked through coin by coin stays bounded, and without many changes the index stays as it is."""
    many = _entries(*[(f"Coin {number}", "C") for number in range(STALE_MAX + 1)])
    some = carried_on(EMPTY_INDEX, range(STALE_MAX))
    assert _end(indexed(some, many)) is some
    assert carried_on(some, []) is some

    index = _end(indexed(carried_on(some, [STALE_MAX]), many))

    assert (len(index.stale), len(index.keys)) == (0, STALE_MAX + 1)
    assert _found(index, many, "coin 7")[7] == EXACT


@given(st.text(max_size=20))
def test_folding_leaves_words_one_space_apart(text: str) -> None:
    """Nothing stands around them, and no tab inside."""
    once = folded(text)
    assert b"  " not in once
    assert once == once.strip()
    assert b"\t" not in once


@given(st.text(st.characters(max_codepoint=127), max_size=20))
def test_ascii_is_folded_as_any_text_is(text: str) -> None:
    """Separators, white space and case are the same ones, whether or not a letter of another alphabet stands beside them."""
    assert folded(f"{text} ß") == b" ".join(filter(None, [folded(text), b"ss"]))


def _entries_of(world: dict[int, Any]) -> dict[int, Any]:
    return {key: SimpleNamespace(name=name, symbol=symbol, coin_id=f"id {name}", price=1.0) for key, (name, symbol) in world.items()}
