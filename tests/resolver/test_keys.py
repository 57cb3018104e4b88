"""The keys of all listings are the same, whether they are made of rows of evidence or of names and addresses alone."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kasparro.records import EvidenceRow, NamedRow
from kasparro.resolver.features import texts_of
from kasparro.resolver.keys import Keys, KeysDraft
from tests.resolver.driving import finish

_TEXT = st.text(st.sampled_from("Ab -1."), min_size=1, max_size=6)
_ADDRESS = st.sampled_from(
    ["0x52908400098527886e0f7030069857d2e4169ee7", "0x52908400098527886E0F7030069857D2E4169EE7", "native", "T1x", ""]
)


@st.composite
def listed(draw: st.DrawFn) -> list[EvidenceRow]:
    """Some listings of two sources."""
    rows = []
    for listing_id in range(1, draw(st.integers(0, 8)) + 1):
        contracts = tuple((f"chain-{n}", address) for n, address in enumerate(draw(st.lists(_ADDRESS, max_size=3))))
        source = draw(st.sampled_from(["coingecko", "coinpaprika"]))
        called = {"source_id": draw(_TEXT), "symbol": draw(_TEXT), "name": draw(_TEXT)}
        rows.append(EvidenceRow(listing_id=listing_id, source=source, contracts=contracts, active=True, settled=True, **called))
    return rows


def entries(keys: Keys) -> dict[str, list[Any]]:
    """(hash, listing) of each kind, by source."""
    return {source: [sorted(zip(b._hashes, b._ids, strict=True)) for b in blocks] for source, blocks in keys.sources.items()}


@given(listed())
def test_keys_of_names_and_addresses_are_those_of_evidence(rows: list[EvidenceRow]) -> None:
    """An address that a listing has on several chains, or in two spellings, counts once."""
    whole, parts = KeysDraft(), KeysDraft()
    for row in rows:
        whole.put(row, texts_of(row))
    called = ("listing_id", "source", "source_id", "symbol", "name")
    finish(parts.add_names([NamedRow(**{field: getattr(row, field) for field in called}) for row in rows]))
    for source in parts.sources:
        finish(parts.add_addresses(source, [(row.listing_id, text) for row in rows if row.source == source for _, text in row.contracts]))

    assert entries(finish(parts.finish())) == entries(finish(whole.finish()))
