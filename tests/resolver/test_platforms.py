"""Which chain a source means, and how addresses are compared."""

import pytest

from kasparro.resolver import platforms
from kasparro.resolver.platforms import address, chain, is_mapped

EVM = "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"
SOLANA = "EKpQGSJtjMFqKZ9KQanSqYXRcF8fBopzLHYxdM65zcjm"


@pytest.mark.parametrize(
    ("gecko", "paprika"),
    [
        ("ethereum", "eth-ethereum"),
        ("solana", "sol-solana"),
        ("tron", "trx-tron"),
        ("base", "base-base"),
        ("arbitrum-one", "arb-arbitrum"),
        ("avalanche", "avax-avalanche"),
        ("near-protocol", "near-near-protocol"),
        ("stellar", "xlm-stellar"),
    ],
)
def test_both_sources_mean_one_chain(gecko: str, paprika: str) -> None:
    """CoinPaprika's id of a chain's coin stands for CoinGecko's name of the chain."""
    assert chain("coinpaprika", paprika) == chain("coingecko", gecko) == gecko
    assert is_mapped(gecko)


@pytest.mark.parametrize(
    ("former", "present"),
    [
        ("bnb-binance-coin", "bnb-bnb"),
        ("matic-matic-network", "matic-polygon"),
        ("matic-polygon", "pol-polygon-ecosystem-token"),
        ("ton-the-open-network", "ton-toncoin"),
        ("egld-elrond", "egld-multiversx"),
        ("cro-cryptocom-chain", "cro-cronos"),
    ],
)
def test_a_renamed_chain_stays_one(former: str, present: str) -> None:
    """Where CoinPaprika renamed the coin that a chain is called after, both spellings mean the chain."""
    assert chain("coinpaprika", former) == chain("coinpaprika", present)
    assert is_mapped(chain("coinpaprika", former))


def test_an_unknown_chain_is_its_sources_own() -> None:
    """A platform that no table knows is never taken for another source's."""
    assert chain("coinpaprika", "new-newchain") == "coinpaprika:new-newchain"
    assert chain("third", "eth-ethereum") == "third:eth-ethereum"
    assert not is_mapped("coinpaprika:new-newchain")


def test_a_source_without_a_table_may_use_the_chains_names() -> None:
    """A third source means the chain where it calls it by the shared name, and that of no table otherwise."""
    assert chain("third", "ethereum") == chain("coingecko", "ethereum")
    assert chain("coinpaprika", "ethereum") == "coinpaprika:ethereum"


def test_coingeckos_names_are_taken_as_they_are() -> None:
    """CoinGecko's names serve as the chains' names, whatever their case."""
    assert chain("coingecko", "Some-New-Chain") == "some-new-chain"


def test_the_table_is_spelled_as_the_sources_spell() -> None:
    """Every key is an id with a symbol before it, in lower case, and every chain is one word with hyphens."""
    for paprika, gecko in platforms._COINPAPRIKA.items():
        assert paprika == paprika.lower().strip()
        assert "-" in paprika
        assert gecko == gecko.lower().strip()
        assert ":" not in gecko


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        (EVM, EVM.lower()),
        (EVM.upper().replace("0X", "0x"), EVM.lower()),
        ("0X" + EVM[2:], EVM.lower()),
        (f" {EVM}\n", EVM.lower()),
        (SOLANA, SOLANA),
        ("TSSMHYeV2uE9qYH95DqyoCuNCzEL1NvU3S", "TSSMHYeV2uE9qYH95DqyoCuNCzEL1NvU3S"),
        ("0xdeeb7A::deep::DEEP", "0xdeeb7A::deep::DEEP"),
        ("CYBER-489c1c", "CYBER-489c1c"),
    ],
)
def test_only_ethereums_addresses_lose_their_case(text: str, spelled: str) -> None:
    """Forty hexadecimal digits are one address in any case; any other address is exact."""
    assert address(text) == spelled


@pytest.mark.parametrize(
    "text", ["", "  ", "0x" + "0" * 40, "0x" + "e" * 40, "0x" + "E" * 40, "0x" + "0" * 36 + "dead", "0x" + "0" * 38 + "10", "0x" + "0" * 36]
)
def test_what_is_filled_in_for_no_contract(text: str) -> None:
    """The zero address, the native token's and those where coins are burnt are no contracts."""
    assert address(text) is None
