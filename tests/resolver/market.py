"""A made-up market with the truth about it: coins that two sources list, and everything that makes them hard to tell apart.

Made from a seed, so that every test names its own market. Nothing in it is a real coin.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from kasparro.records import EvidenceRow

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
_SYLLABLES = (
    "ba",
    "cor",
    "den",
    "fi",
    "gra",
    "hex",
    "ix",
    "jo",
    "kal",
    "lum",
    "mo",
    "nar",
    "or",
    "pel",
    "qua",
    "ri",
    "sol",
    "tur",
    "ux",
    "vex",
    "wyn",
    "zed",
)
_ENDINGS = ("", "", "", " Network", " Protocol", " Token", " Finance", " Coin", " Gold", " DAO")
_GREEK = ("Ωμέγα", "龙币", "Ёлка", "Café Ñandú", "🚀", "$RICH", "İstanbul")
_PLATFORMS = (  # CoinGecko's name, CoinPaprika's id, a maker of addresses
    ("ethereum", "eth-ethereum", True),
    ("binance-smart-chain", "bnb-binance-coin", True),
    ("solana", "sol-solana", False),
    ("polygon-pos", "matic-polygon", True),
)


@dataclass
class Coin:
    """What a coin really is: both sources say parts of it, with mistakes."""

    label: str
    name: str
    symbol: str
    price: float
    supply: float
    volume: float
    ath_price: float
    ath_at: datetime
    contracts: list[tuple[int, str]] = field(default_factory=list)  # (place in _PLATFORMS, address)


@dataclass
class Market:
    """Rows of both sources and, for each (source, source id), the label of the coin that it is."""

    rows: list[EvidenceRow]
    truth: dict[tuple[str, str], str]

    def labels(self) -> dict[int, str]:
        """The truth by listing id."""
        return {row.listing_id: self.truth[row.source, row.source_id] for row in self.rows}


class Maker:
    """Makes listings of coins, one source after the other."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.rows: list[EvidenceRow] = []
        self.truth: dict[tuple[str, str], str] = {}
        self._labels = 0

    def word(self) -> str:
        """A word that sounds like a coin."""
        return "".join(self.random.choice(_SYLLABLES) for _ in range(self.random.randint(2, 4))).capitalize()

    def coin(self, **given: Any) -> Coin:
        """A new coin, with what is not given made up."""
        rng = self.random
        self._labels += 1
        name = given.get("name", "") or self.word() + rng.choice(_ENDINGS)
        made: dict[str, Any] = {
            "label": f"coin {self._labels}",
            "name": name,
            "symbol": "".join(c for c in name if c.isalpha())[: rng.randint(3, 5)].upper() or "X",
            "price": 10 ** rng.uniform(-8, 4),
            "supply": 10 ** rng.uniform(6, 12),
            "volume": 10 ** rng.uniform(3, 9),
            "ath_at": NOW - timedelta(days=rng.uniform(30, 2000)),
            "contracts": [(p, self.address(p)) for p in range(len(_PLATFORMS)) if rng.random() < 0.35],
        }
        made["ath_price"] = made["price"] * 10 ** rng.uniform(0.1, 2)
        return Coin(**{**made, **given})

    def address(self, platform: int) -> str:
        """A contract address as that chain spells them, in mixed case."""
        if _PLATFORMS[platform][2]:
            return "0x" + "".join(self.random.choice("0123456789abcdefABCDEF") for _ in range(40))
        return "".join(self.random.choice("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz") for _ in range(43))

    def listing(self, coin: Coin, source: str, *, priced: bool = True, contracts: float = 0.9, **given: Any) -> EvidenceRow:
        """One source's listing of a coin, as that source would put it."""
        rng = self.random
        name = given.get("name", coin.name)
        slug = "-".join(name.lower().split()) or "coin"
        source_id = given.get("source_id") or (slug if source == "coingecko" else f"{coin.symbol.lower()}-{slug}")
        base, number = source_id, 1
        while (source, source_id) in self.truth:
            number += 1
            source_id = f"{base}-{number}"
        column = 0 if source == "coingecko" else 1
        row: dict[str, Any] = {
            "listing_id": len(self.rows) + 1,
            "source": source,
            "source_id": source_id,
            "symbol": coin.symbol,
            "name": name,
            "active": True,
            "settled": True,
            "contracts": tuple((_PLATFORMS[p][column], self._spelled(a, p)) for p, a in coin.contracts if rng.random() < contracts),
        }
        if priced:
            row |= {
                "price": coin.price * rng.uniform(0.995, 1.005),
                "observed_at": NOW - timedelta(seconds=rng.uniform(0, 300)),
                "market_cap": coin.price * coin.supply * rng.uniform(0.99, 1.01),
                "volume_24h": coin.volume * rng.uniform(0.7, 1.4),
                "ath_price": coin.ath_price * rng.uniform(0.98, 1.02),
                "ath_at": coin.ath_at + timedelta(hours=rng.uniform(-6, 6)),
            }
        made = EvidenceRow(**{**row, **given, "source_id": source_id})
        self.rows.append(made)
        self.truth[source, source_id] = coin.label
        return made

    def _spelled(self, address: str, platform: int) -> str:
        return address.lower() if _PLATFORMS[platform][2] and self.random.random() < 0.5 else address


def make(seed: int, size: int = 300) -> Market:
    """A market of about `size` coins and some two listings of each, in no order."""
    maker = Maker(seed)
    rng = maker.random
    for n in range(size):
        coin = maker.coin(**({"name": _GREEK[n]} if n < len(_GREEK) else {}))
        _list_coin(maker, coin, both_priced=rng.random() < 0.4)
        if rng.random() < 0.35:
            rng.choice((_clone, _namesake, _wrapped, _listed_twice, _generic, _impostor))(maker, coin)
    rng.shuffle(maker.rows)
    rows = [EvidenceRow(**{f: getattr(row, f) for f in row.__struct_fields__} | {"listing_id": n}) for n, row in enumerate(maker.rows, 1)]
    return Market(rows, maker.truth)


def _list_coin(maker: Maker, coin: Coin, *, both_priced: bool) -> None:
    """Both sources list it, or one of them only; CoinPaprika may use an older name or a longer one, or call it dead."""
    rng = maker.random
    chance = rng.random()
    if chance < 0.85:
        maker.listing(coin, "coingecko", name=coin.name.removesuffix(" Token") or coin.name)
    if chance > 0.1:
        name = coin.name
        if rng.random() < 0.1:
            name = f"{coin.name} ({coin.symbol})"
        elif rng.random() < 0.1:
            name = coin.name.upper()
        maker.listing(coin, "coinpaprika", name=name, priced=both_priced, active=both_priced or rng.random() < 0.8)


def _clone(maker: Maker, coin: Coin) -> None:
    """Another coin under the same name and symbol, on another contract and at another price.

    Where one source lists only the original and the other only the clone, nothing but chance could tell them apart: it is
    not done to a coin that is not listed by both.
    """
    listed = [r for r in maker.rows if maker.truth[r.source, r.source_id] == coin.label]
    if len(listed) < 2 or any(r.price is None and not r.contracts for r in listed):
        return
    clone = maker.coin(name=coin.name, symbol=coin.symbol)
    maker.listing(clone, "coingecko")
    if maker.random.random() < 0.5:
        maker.listing(clone, "coinpaprika")


def _namesake(maker: Maker, coin: Coin) -> None:
    """Another coin with the same symbol, under its own name, known to one of the sources."""
    maker.listing(maker.coin(symbol=coin.symbol), maker.random.choice(("coingecko", "coinpaprika")), priced=maker.random.random() < 0.7)


def _wrapped(maker: Maker, coin: Coin) -> None:
    """A wrapped or bridged coin: nearly the same price, and sometimes the same symbol."""
    rng = maker.random
    kind = rng.choice(("Wrapped {}", "Bridged {}", "Binance-Peg {}", "{} (Wormhole)", "Staked {}"))
    wrapped = maker.coin(
        name=kind.format(coin.name), symbol=coin.symbol if rng.random() < 0.5 else f"W{coin.symbol}", price=coin.price, ath_at=coin.ath_at
    )
    for source in rng.choice((("coingecko",), ("coinpaprika",), ("coingecko", "coinpaprika"))):
        maker.listing(wrapped, source)


def _listed_twice(maker: Maker, coin: Coin) -> None:
    """CoinPaprika gave the coin a new id and keeps the old one, dead, with the same contract."""
    if not coin.contracts:
        coin.contracts.append((0, maker.address(0)))
    old = next((r for r in maker.rows if maker.truth[r.source, r.source_id] == coin.label and r.source == "coinpaprika"), None)
    if old is None:
        return
    at = maker.rows.index(old)
    contracts = tuple((_PLATFORMS[p][1], a) for p, a in coin.contracts)
    fields = {f: getattr(old, f) for f in old.__struct_fields__}
    maker.rows[at] = EvidenceRow(**fields | {"contracts": contracts, "active": True})
    maker.listing(coin, "coinpaprika", source_id=f"{coin.symbol.lower()}-{maker.word().lower()}", priced=False, active=False, contracts=1.0)


def _generic(maker: Maker, coin: Coin) -> None:
    """Another coin whose name differs in one telling word."""
    other = maker.coin(name=f"{coin.name.split()[0]} {maker.random.choice(('Cash', 'Inu', 'Classic', 'AI'))}", symbol=coin.symbol)
    for source in ("coingecko", "coinpaprika"):
        maker.listing(other, source)


def _impostor(maker: Maker, coin: Coin) -> None:
    """A row that claims the contract of a coin with which it has nothing else in common."""
    impostor = maker.coin(contracts=list(coin.contracts))
    maker.listing(impostor, "coinpaprika", contracts=1.0)


def figures(coin_of: dict[int, str], rows: Sequence[EvidenceRow], labels: dict[int, str]) -> tuple[float, float, list[str]]:
    """Precision and recall over pairs of listings that are one coin, and every wrong or missing pair as text."""
    together: dict[str, list[EvidenceRow]] = {}
    true: dict[str, list[EvidenceRow]] = {}
    for row in rows:
        together.setdefault(coin_of[row.listing_id], []).append(row)
        true.setdefault(labels[row.listing_id], []).append(row)
    said = {(a.listing_id, b.listing_id) for group in together.values() for a in group for b in group if a.listing_id < b.listing_id}
    is_so = {(a.listing_id, b.listing_id) for group in true.values() for a in group for b in group if a.listing_id < b.listing_id}
    by_id = {row.listing_id: row for row in rows}
    wrong = [f"wrong: {shown(by_id[a])} with {shown(by_id[b])}" for a, b in sorted(said - is_so)]
    missing = [f"missing: {shown(by_id[a])} with {shown(by_id[b])}" for a, b in sorted(is_so - said)]
    right = len(said & is_so)
    return right / max(1, len(said)), right / max(1, len(is_so)), wrong + missing


def shown(row: EvidenceRow) -> str:
    """A row in a line."""
    state = "active" if row.active else "dead"
    return f"{row.source}:{row.source_id} ({row.name}, {row.symbol}, {state}, price {row.price}, {len(row.contracts)} contracts)"
