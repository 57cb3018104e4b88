"""Which platform of one source is which platform of the other, and how addresses compare there. Pure."""

import re

# CoinPaprika's platform ids by CoinGecko's. Both lists name the chain; nothing here speaks of a coin.
_PAPRIKA_OF_GECKO: dict[str, str] = {
    "ethereum": "eth-ethereum",
    "binance-smart-chain": "bnb-binance-coin",
    "polygon-pos": "matic-polygon",
    "solana": "sol-solana",
    "tron": "trx-tron",
    "avalanche": "avax-avalanche",
    "fantom": "ftm-fantom",
    "arbitrum-one": "arb-arbitrum",
    "optimistic-ethereum": "op-optimism",
    "base": "base-base",
}
_GECKO_OF_PAPRIKA = {paprika: gecko for gecko, paprika in _PAPRIKA_OF_GECKO.items()}
_EVM_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


def contract_key(source: str, platform: str, address: str) -> tuple[str, str]:
    """A contract in a form that is equal for both sources. EVM addresses have no case; others do."""
    chain = _GECKO_OF_PAPRIKA.get(platform, platform) if source == "coinpaprika" else platform
    return chain, address.lower() if _EVM_ADDRESS.fullmatch(address) else address
