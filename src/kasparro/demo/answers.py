"""What both sources answer of a made-up market, in their own shapes. Pure: time is what it was last set to."""

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from kasparro.demo import past
from kasparro.demo.market import Market, Row

RATES = {"btc": 1.0, "eth": 28.4, "usd": 91_234.5, "eur": 78_400.25, "jpy": 14_100_000.0}
_PAGE_ROWS_MAX = 250
_PAGE_ROWS = 100  # where the caller names no number


class Answers:
    """Both sources' answers. Prices stand still until `move`; what a listing is called, and whether it is there, may be changed."""

    def __init__(self, market: Market, observed_at: datetime) -> None:
        self.market = market
        self.minutes = 0
        self.began = self.observed_at = observed_at
        self.renamed: dict[str, str] = {}  # id -> the name that it has now
        self.removed: set[str] = set()  # ids that are in no answer any more
        self.symbols: dict[str, str] = {}  # id -> the symbol that it has now

    def move(self, minutes: int, seconds: float) -> None:
        """Let the market walk on by some minutes within so many seconds of the clock."""
        self.minutes += minutes
        self.observed_at += timedelta(seconds=seconds)

    def price(self, listing: str) -> float:
        """What a listing costs now, by its id at either source."""
        row = next(r for r in self.market.gecko_markets + self.market.paprika_tickers if r["id"] == listing)
        first = row["current_price"] if "current_price" in row else row["quotes"]["USD"]["price"]
        return float(first * self._factor(row["symbol"]))

    def gecko(self, path: str, query: Mapping[str, str]) -> Any:  # noqa: ANN401  # any JSON
        """CoinGecko's answer to a path below /api/v3; None where it has none."""
        match path:
            case "/ping":
                return {"gecko_says": "(V3) To the Moon!"}
            case "/coins/list":
                return self._present(self.market.gecko_list)
            case "/exchange_rates":
                return {"rates": {c: {"name": c.upper(), "unit": c, "value": v, "type": "fiat"} for c, v in RATES.items()}}
            case "/coins/markets":
                return [self._market(row) for row in self._asked_for(query)]
            case path:
                return self._market_chart(path, query)

    def paprika(self, path: str, query: Mapping[str, str]) -> Any:  # noqa: ANN401  # any JSON
        """CoinPaprika's answer to a path below /v1; None where it has none."""
        match path:
            case "/global":
                return {"cryptocurrencies_number": len(self.market.paprika_coins), "last_updated": int(self.observed_at.timestamp())}
            case "/coins":
                return self._present(self.market.paprika_coins)
            case "/tickers":
                return [self._ticker(r) for r in self._present(self.market.paprika_tickers)]
            case "/contracts":
                return sorted(self.market.paprika_contracts)
            case path if path.startswith("/tickers/"):
                return self._historical(path, query)
            case path:
                rows = self.market.paprika_contracts.get(path.removeprefix("/contracts/"))
                return None if rows is None else [r for r in rows if r["id"] not in self.removed]

    def _market_chart(self, path: str, query: Mapping[str, str]) -> Any:  # noqa: ANN401  # any JSON
        row, days = self._row(self.market.gecko_markets, path, "/coins/{}/market_chart"), query.get("days", "")
        if row is None or not days.isdigit():
            return None
        amounts = row["current_price"], row["market_cap"], row["total_volume"]
        return past.market_chart(*amounts, int(days), self.began, self.observed_at)

    def _historical(self, path: str, query: Mapping[str, str]) -> Any:  # noqa: ANN401  # any JSON
        row = self._row(self.market.paprika_tickers, path, "/tickers/{}/historical")
        if row is None or "start" not in query:
            return None
        usd = row["quotes"]["USD"]
        begin = datetime.fromisoformat(query["start"]).replace(tzinfo=self.observed_at.tzinfo)
        return past.historical(usd["price"], usd["market_cap"], usd["volume_24h"], begin, self.began, self.observed_at)

    def _row(self, rows: list[Row], path: str, pattern: str) -> Row | None:
        """The row whose id makes a path of a pattern."""
        return next((r for r in self._present(rows) if path == pattern.format(r["id"])), None)

    def _asked_for(self, query: Mapping[str, str]) -> list[Row]:
        """The rows of one page of /coins/markets, of all coins or of those in `ids`."""
        rows = self._present(self.market.gecko_markets)
        if ids := {i for i in query.get("ids", "").split(",") if i}:
            rows = [r for r in rows if r["id"] in ids]
        order, _, direction = query.get("order", "market_cap_desc").rpartition("_")
        column = {"market_cap": "market_cap", "volume": "total_volume", "id": "id"}.get(order, "market_cap")
        rows.sort(key=lambda r: r[column], reverse=direction == "desc")
        size, page = min(_PAGE_ROWS_MAX, int(query.get("per_page", _PAGE_ROWS))), int(query.get("page", "1"))
        return rows[(page - 1) * size : page * size]

    def _market(self, row: Row) -> Row:
        stamp = f"{self.observed_at:%Y-%m-%dT%H:%M:%S}.{self.observed_at.microsecond // 1000:03d}Z"
        return dict(row, current_price=row["current_price"] * self._factor(row["symbol"]), last_updated=stamp)

    def _ticker(self, row: Row) -> Row:
        usd = row["quotes"]["USD"]
        moved = dict(usd, price=usd["price"] * self._factor(row["symbol"]))
        return dict(row, last_updated=f"{self.observed_at:%Y-%m-%dT%H:%M:%SZ}", quotes={"USD": moved})

    def _present(self, rows: list[Row]) -> list[Row]:
        return [
            dict(r, name=self.renamed.get(r["id"], r["name"]), symbol=self.symbols.get(r["id"], r["symbol"]))
            for r in rows
            if r["id"] not in self.removed
        ]

    def _factor(self, symbol: str) -> float:
        """How far the prices of a symbol have walked: by a per mille or so a minute, in one course for both sources."""
        if not self.minutes:
            return 1.0
        return math.exp(0.02 * math.sin(self.minutes / 31 + sum(symbol.upper().encode())) + 0.001 * math.sin(self.minutes * 7.0))
