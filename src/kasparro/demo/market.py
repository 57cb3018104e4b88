"""A made-up market: what two providers say of the same coins, with the truth of which listings are the same coin.

Everything here is invented: the names come from two lists of words, the figures from a seeded generator. Bitcoin, Ethereum
and a few others lend their names, so that a reader sees at once what should come first; their prices are made up too.
"""

import math
import random
from collections.abc import Iterator
from functools import cache
from itertools import count
from typing import Any

import msgspec

Row = dict[str, Any]

# CoinGecko's name of a platform -> CoinPaprika's.
PLATFORMS = {"ethereum": "eth-ethereum", "binance-smart-chain": "bnb-binance-coin", "solana": "sol-solana"}
GREAT = (
    ("bitcoin", "BTC", "Bitcoin", 91_234.567891234, 1.8e12),
    ("ethereum", "ETH", "Ethereum", 3_210.987654321, 3.9e11),
    ("tether", "USDT", "Tether", 1.000312, 1.4e11),
    ("solana", "SOL", "Solana", 151.4142135623731, 8.1e10),
)
_FIRST = "Amber Basalt Cinder Dapple Ember Fathom Gable Heather Indigo Juniper Kelp Lantern Mallow Nettle Opal Pewter Quill Russet Sable Thistle Umber Velvet Willow Yarrow Zephyr".split()  # noqa: E501, SIM905  # words read best as words
_SECOND = "Anchor Bridge Causeway Dock Estuary Ferry Gate Harbour Inlet Jetty Keel Lighthouse Marina Narrows Outpost Pier Quay Rigging Spit Tideway Upland Vessel Wharf Yard".split()  # noqa: E501, SIM905  # see above
_CLONED = ("BTC", "ETH", "USDT", "SOL")


class Market(msgspec.Struct):
    """Both providers' rows, in the shapes in which they send them, and the truth about them."""

    gecko_list: list[Row]
    gecko_markets: list[Row]  # by market cap, falling
    paprika_coins: list[Row]
    paprika_tickers: list[Row]
    paprika_contracts: dict[str, list[Row]]
    same: list[tuple[str, str]]  # (CoinGecko id, CoinPaprika id) of one coin
    twice: list[tuple[str, str]]  # (CoinPaprika id, CoinPaprika id) of one coin
    different: list[tuple[str, str]]  # (CoinGecko id, CoinPaprika id) of one symbol and two coins
    kinds: dict[str, str]  # any id -> great, plain, renamed, clone, wrapped, twice, alone, doubted


class _Coin(msgspec.Struct, kw_only=True):
    """What a coin really is, before the providers tell of it."""

    slug: str
    symbol: str
    name: str
    price: float
    market_cap: float
    kind: str
    contracts: list[tuple[str, str]]
    paprika_name: str | None = None  # None: the same


def _doubted(slug: str, symbol: str, name: str, price: float, market_cap: float) -> _Coin:
    return _Coin(slug=slug, symbol=symbol, name=name, price=price, market_cap=market_cap, kind="doubted", contracts=[])


# One of which the names have nothing in common, symbol and price all; one of which the names share a word, and two that might
# be the same one of the other source.
_DOUBTED_AT_GECKO = (
    _doubted("marigold-reef", "MGLD", "Marigold Reef", 4.2718, 412_000_000.0),
    _doubted("copper-lagoon", "CPLG", "Copper Lagoon", 0.08315, 57_300_000.0),
    _doubted("saffron-shoal-protocol", "SASH", "Saffron Shoal", 0.4203, 82_000_000.0),
    _doubted("saffron-shoal-network", "SASH", "Saffron Shoal", 0.4211, 61_000_000.0),
)
_DOUBTED_AT_PAPRIKA = (
    _doubted("", "MGLD", "Tourmaline Sound", 4.2718, 19_500_000.0),
    _doubted("", "CPLG", "Lagoon Labs", 0.0871, 12_400_000.0),
    _doubted("", "SASH", "Saffron Shoal", 0.4207, 9_400_000.0),
)


@cache
def made_market(gecko: int = 600, coins: int = 400, tickers: int = 250, seed: int = 1) -> Market:
    """A market of so many CoinGecko rows, CoinPaprika coins and CoinPaprika tickers. One object per size: change no row of it.

    Half of the CoinPaprika coins are CoinGecko's too. CoinGecko lists a tenth more coins than it prices.
    """
    rng = random.Random(seed)  # noqa: S311  # a market that is the same each time, not a secret
    market = Market(
        gecko_list=[],
        gecko_markets=[],
        paprika_coins=[],
        paprika_tickers=[],
        paprika_contracts={},
        same=[],
        twice=[],
        different=[],
        kinds={},
    )
    names = _names()
    shared = [*_great(), *_wrapped(rng), *(_plain(rng, names, "renamed" if i % 9 == 0 else "plain") for i in range(coins // 2))]
    gecko_only = [*_clones(rng, names, 12), *(_plain(rng, names, "alone") for _ in range(max(0, gecko - len(shared) - 12)))]
    paprika_only = _clones(rng, names, 8)
    twice = [coin for coin in shared if coin.contracts and coin.kind == "plain"][:5]
    paprika_only += [_plain(rng, names, "alone") for _ in range(max(0, coins - len(shared) - len(paprika_only) - len(twice)))]
    for coin in sorted(shared + gecko_only, key=lambda c: -c.market_cap)[:gecko]:
        _tell_gecko(market, rng, coin)
    for _ in range(gecko // 10):
        unpriced = _plain(rng, names, "alone")
        market.gecko_list.append(_gecko_listed(unpriced))
        market.kinds[unpriced.slug] = unpriced.kind
    told = {row["id"] for row in market.gecko_list}
    of_both = {coin.slug for coin in shared}
    for rank, coin in enumerate(sorted(shared + paprika_only, key=lambda c: -c.market_cap), start=1):
        ident = _tell_paprika(market, rng, coin, rank, is_ticker=rank <= tickers)
        if coin.slug in of_both and coin.slug in told:
            market.same.append((coin.slug, ident))
    for coin in twice:
        old = _tell_paprika(market, rng, msgspec.structs.replace(coin, kind="twice"), 0, is_ticker=False, suffix="-old")
        market.twice.append((_paprika_id(coin), old))
    market.different = _of_one_symbol(market)
    market.gecko_list.sort(key=lambda r: r["id"])
    return market


def with_doubts(made: Market) -> Market:
    """A market to which listings are added that nobody can tell by evidence whether they are one coin: something for a person to decide."""
    rng = random.Random(7)  # noqa: S311  # see made_market
    market = msgspec.structs.replace(
        made,
        gecko_list=[*made.gecko_list],
        gecko_markets=[*made.gecko_markets],
        paprika_coins=[*made.paprika_coins],
        paprika_tickers=[*made.paprika_tickers],
        paprika_contracts={platform: [*rows] for platform, rows in made.paprika_contracts.items()},
        kinds={**made.kinds},
    )
    for coin in _DOUBTED_AT_GECKO:
        _tell_gecko(market, rng, coin)
    for rank, coin in enumerate(_DOUBTED_AT_PAPRIKA, start=len(market.paprika_coins) + 1):
        _tell_paprika(market, rng, coin, rank, is_ticker=True)
    market.gecko_list.sort(key=lambda r: r["id"])
    market.gecko_markets.sort(key=lambda r: -r["market_cap"])
    return market


def _names() -> Iterator[str]:
    """Invented names, each once."""
    for number in count():
        first, second = _FIRST[number % len(_FIRST)], _SECOND[(number // len(_FIRST) + number % len(_FIRST)) % len(_SECOND)]
        third = number // (len(_FIRST) * len(_SECOND))
        yield f"{first} {second}" + (f" {third + 1}" if third else "")


def _great() -> list[_Coin]:
    return [_Coin(slug=s, symbol=y, name=n, price=p, market_cap=m, kind="great", contracts=[]) for s, y, n, p, m in GREAT]


def _wrapped(rng: random.Random) -> list[_Coin]:
    """Coins that promise another one: nearly its price, another identity."""
    return [
        _Coin(
            slug=f"wrapped-{slug}",
            symbol=f"W{symbol}",
            name=f"Wrapped {name}",
            price=price * rng.uniform(0.998, 1.002),
            market_cap=cap / 50,
            kind="wrapped",
            contracts=[("ethereum", _address(rng, "ethereum"))],
        )
        for slug, symbol, name, price, cap in GREAT
        if slug != "tether"
    ]


def _plain(rng: random.Random, names: Iterator[str], kind: str) -> _Coin:
    name = next(names)
    platforms = rng.sample(sorted(PLATFORMS), rng.choice((0, 1, 1, 2)))
    if kind == "renamed":
        platforms = platforms or ["ethereum"]
    return _Coin(
        slug=name.lower().replace(" ", "-"),
        symbol="".join(word[:2] for word in name.split()).upper() + rng.choice(("", "", "X", "O")),
        name=name,
        price=10 ** rng.uniform(-9, 3),
        market_cap=10 ** rng.uniform(4, 10),
        kind=kind,
        contracts=[(p, _address(rng, p)) for p in platforms],
        paprika_name=f"{name.split()[0]} Protocol" if kind == "renamed" else None,
    )


def _clones(rng: random.Random, names: Iterator[str], number: int) -> list[_Coin]:
    """Coins that took a great one's symbol, some of them its name as well with a word more."""
    found: list[_Coin] = []
    for i in range(number):
        symbol = _CLONED[i % len(_CLONED)]
        great = next(name for _, s, name, _, _ in GREAT if s == symbol)
        name = f"{great} {next(names).split()[1]}" if i % 2 else next(names)
        coin = _plain(rng, names, "clone")
        found.append(msgspec.structs.replace(coin, slug=name.lower().replace(" ", "-"), symbol=symbol, name=name))
    return found


def _address(rng: random.Random, platform: str) -> str:
    if platform == "solana":
        return "".join(rng.choices("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", k=44))
    return "0x" + "".join(rng.choices("0123456789abcdef", k=40))


def _gecko_listed(coin: _Coin) -> Row:
    # A coin with a chain of its own has no platform, which CoinGecko tells in either of two ways.
    platforms: dict[str, str | None] = dict(coin.contracts) or ({"": ""} if coin.kind == "great" else {})
    return {"id": coin.slug, "symbol": coin.symbol.lower(), "name": coin.name, "platforms": platforms}


def _tell_gecko(market: Market, rng: random.Random, coin: _Coin) -> None:
    market.kinds[coin.slug] = coin.kind
    market.gecko_list.append(_gecko_listed(coin))
    ath = coin.price * rng.uniform(1, 40)
    # CoinGecko says 0 for a market cap that it does not know.
    cap = 0.0 if coin.kind == "clone" else round(coin.market_cap)
    market.gecko_markets.append(
        {
            "id": coin.slug,
            "symbol": coin.symbol.lower(),
            "name": coin.name,
            "image": f"https://images.example/{coin.slug}.png",
            "current_price": coin.price,
            "market_cap": cap,
            "market_cap_rank": len(market.gecko_markets) + 1 if cap else None,
            "fully_diluted_valuation": None,
            "total_volume": round(coin.market_cap * rng.uniform(0, 0.2), 3),
            "high_24h": coin.price * 1.03,
            "low_24h": coin.price * 0.96,
            "price_change_24h": coin.price * _day_change(coin) / 100,
            "price_change_percentage_24h": _day_change(coin),
            "circulating_supply": coin.market_cap / coin.price,
            "total_supply": None,
            "max_supply": None,
            "ath": ath,
            "ath_change_percentage": -50.5,
            "ath_date": "2025-03-04T05:06:07.089Z",
            "atl": coin.price / 50,
            "atl_date": "2020-02-03T04:05:06.000Z",
            "roi": None,
            "last_updated": None,  # the server writes the present minute
        }
    )


def _day_change(coin: _Coin) -> float:
    """Per cent in a day."""
    return round(4 * math.sin(7 * math.log(coin.price)), 2)


def _paprika_id(coin: _Coin) -> str:
    return f"{coin.symbol.lower()}-{(coin.paprika_name or coin.name).lower().replace(' ', '-')}"


def _tell_paprika(market: Market, rng: random.Random, coin: _Coin, rank: int, *, is_ticker: bool, suffix: str = "") -> str:
    ident, name = _paprika_id(coin) + suffix, coin.paprika_name or coin.name
    market.kinds[ident] = coin.kind
    kind = "token" if coin.contracts else "coin"
    head = {"id": ident, "name": name, "symbol": coin.symbol, "rank": rank}
    market.paprika_coins.append(head | {"is_new": False, "is_active": not suffix, "type": kind})
    for platform, address in coin.contracts:
        # Hexadecimal addresses are the same in any case; CoinPaprika writes some with capitals.
        spelled = f"0x{address[2:].upper()}" if address.startswith("0x") and rank % 2 else address
        rows = market.paprika_contracts.setdefault(PLATFORMS[platform], [])
        rows.append({"address": spelled, "type": "ERC20", "id": ident, "active": not suffix})
    if is_ticker:
        price = coin.price * rng.uniform(0.995, 1.005)
        usd = {
            "price": price,
            "volume_24h": coin.market_cap * rng.uniform(0, 0.2),
            "volume_24h_change_24h": 0,
            "market_cap": 0 if coin.kind == "clone" else round(price / coin.price * coin.market_cap),
            "percent_change_24h": _day_change(coin),
            "ath_price": None if rank % 7 == 0 else coin.price * 41,
            "ath_date": None if rank % 7 == 0 else "2025-03-04T05:06:00Z",
        }
        ticker = {
            "total_supply": "" if rank % 11 == 0 else 1_000_000,
            "max_supply": 0,
            "beta_value": 1.1,
            "first_data_at": "2020-01-01T00:00:00Z",
        }
        market.paprika_tickers.append(head | ticker | {"last_updated": None, "quotes": {"USD": usd}})
    return ident


def _of_one_symbol(market: Market) -> list[tuple[str, str]]:
    """Pairs that share a symbol and are two coins."""
    same = set(market.same) | {(g, old) for g, p in market.same for kept, old in market.twice if kept == p}
    by_symbol: dict[str, list[str]] = {}
    for row in market.gecko_list:
        by_symbol.setdefault(row["symbol"].upper(), []).append(row["id"])
    return [(g, row["id"]) for row in market.paprika_coins for g in by_symbol.get(row["symbol"], []) if (g, row["id"]) not in same]
