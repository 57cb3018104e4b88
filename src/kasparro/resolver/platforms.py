"""Which chain a source means, and how an address is spelled. The mapping has a test of its own.

CoinGecko's platform names serve as the chains' names. A source without a table of its own means a chain where it uses one
of these. A platform that is not in the table stays a chain of its source's own: addresses on it are never in conflict with
another source's, and an equal address still counts a little.
"""

import re

_EVM = re.compile(r"0[xX][0-9a-fA-F]{40}")

# What a source fills in where there is no contract: the zero address, the "native token" address, and burn addresses.
_PLACEHOLDER = re.compile(r"0x(?:0{36,40}[0-9a-f]{0,2}|e{40}|0{36}dead)|")

# CoinPaprika names a platform by the id of its coin, and ids get renamed: both spellings stand here where that happened.
_COINPAPRIKA = {
    "ada-cardano": "cardano",
    "algo-algorand": "algorand",
    "apt-aptos": "aptos",
    "arb-arbitrum": "arbitrum-one",
    "atom-cosmos": "cosmos",
    "avax-avalanche": "avalanche",
    "base-base": "base",
    "bera-berachain": "berachain",
    "blast-blast": "blast",
    "bnb-binance-coin": "binance-smart-chain",
    "bnb-bnb": "binance-smart-chain",
    "celo-celo": "celo",
    "cro-cronos": "cronos",
    "cro-cryptocom-chain": "cronos",
    "egld-elrond": "elrond",
    "egld-multiversx": "elrond",
    "eos-eos": "eos",
    "etc-ethereum-classic": "ethereum-classic",
    "eth-ethereum": "ethereum",
    "ftm-fantom": "fantom",
    "glmr-moonbeam": "moonbeam",
    "hbar-hedera-hashgraph": "hedera-hashgraph",
    "ht-huobi-token": "huobi-token",
    "hype-hyperliquid": "hyperliquid",
    "icp-internet-computer": "internet-computer",
    "icx-icon": "icon",
    "iotx-iotex": "iotex",
    "kava-kava": "kava",
    "kcs-kucoin-token": "kucoin-community-chain",
    "klay-klaytn": "klay-token",
    "linea-linea": "linea",
    "matic-matic-network": "polygon-pos",
    "matic-polygon": "polygon-pos",
    "metis-metis-token": "metis-andromeda",
    "mnt-mantle": "mantle",
    "movr-moonriver": "moonriver",
    "near-near-protocol": "near-protocol",
    "neo-neo": "neo",
    "okt-okexchain": "okex-chain",
    "one-harmony": "harmony-shard-0",
    "op-optimism": "optimistic-ethereum",
    "osmo-osmosis": "osmosis",
    "pls-pulsechain": "pulsechain",
    "pol-polygon-ecosystem-token": "polygon-pos",
    "ron-ronin-token": "ronin",
    "s-sonic": "sonic",
    "scr-scroll": "scroll",
    "sei-sei": "sei-v2",
    "sol-solana": "solana",
    "stx-stacks": "stacks",
    "strk-starknet": "starknet",
    "sui-sui": "sui",
    "theta-theta-token": "theta",
    "ton-the-open-network": "the-open-network",
    "ton-toncoin": "the-open-network",
    "trx-tron": "tron",
    "vet-vechain": "vechain",
    "waves-waves": "waves",
    "xdai-xdai": "xdai",
    "xlm-stellar": "stellar",
    "xrp-xrp": "xrp",
    "xtz-tezos": "tezos",
    "zil-zilliqa": "zilliqa",
    "zk-zksync": "zksync",
}
_OF_SOURCE = {"coinpaprika": _COINPAPRIKA}
_SHARED = {name: name for name in _COINPAPRIKA.values()}


def chain(source: str, platform: str) -> str:
    """The chain that a source means, by CoinGecko's name; "source:platform" where it is not known."""
    if source == "coingecko":
        return platform.lower()
    return _OF_SOURCE.get(source, _SHARED).get(platform) or f"{source}:{platform}"


def is_mapped(chain_name: str) -> bool:
    """Whether a chain's name is one that several sources share."""
    return ":" not in chain_name


def address(text: str) -> str | None:
    """An address as it is compared: Ethereum's kind without regard to case, any other exactly; None for no real address."""
    text = text.strip()
    spelled = text.lower() if _EVM.fullmatch(text) else text
    return None if _PLACEHOLDER.fullmatch(spelled.lower()) else spelled
