"""Which fields the rows of each stream have, and what it means when one goes: the contracts that drift is measured against. Pure.

`reject`: without it the answer is not what it was, and nothing of it may be written. `warn`: the rest is worth having, and the
source is degraded. `accept`: it is noted.
"""

from kasparro.sources.drift import NUMBER, OBJECT, TEXT, TIME, TRUTH, Expected, Field

_ID = Field(path="id", kinds=TEXT, verdict="reject", like="id")
_SYMBOL = Field(path="symbol", kinds=TEXT, verdict="reject", like="symbol")
_NAME = Field(path="name", kinds=TEXT, verdict="reject", like="name")


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PERIODS = ("1h", "24h", "7d", "14d", "30d", "200d", "1y")

EXPECTED: dict[str, Expected] = {
    # Without platforms every contract would count as withdrawn.
    "coingecko.list": Expected(fields=(_ID, _SYMBOL, _NAME, Field(path="platforms", kinds=OBJECT, verdict="reject"))),
    "coingecko.markets": Expected(
        fields=(
            _ID,
            _SYMBOL,
            _NAME,
            Field(path="current_price", kinds=NUMBER, verdict="reject", like="price"),
            Field(path="last_updated", kinds=TIME, verdict="reject"),
            Field(path="market_cap", kinds=NUMBER, verdict="warn", like="market_cap"),
            Field(path="total_volume", kinds=NUMBER, verdict="warn", like="volume_24h"),
            Field(path="ath", kinds=NUMBER, verdict="accept"),
            Field(path="ath_date", kinds=TIME, verdict="accept"),
        ),
        others=_names(
            """
            image market_cap_rank market_cap_rank_with_rehypothecated fully_diluted_valuation high_24h low_24h
            price_change_24h price_change_percentage_24h market_cap_change_24h market_cap_change_percentage_24h
            circulating_supply total_supply max_supply ath_change_percentage atl atl_change_percentage atl_date roi
            sparkline_in_7d
            """
        )
        | {f"price_change_percentage_{period}_in_currency" for period in _PERIODS},
    ),
    "coingecko.rates": Expected(
        fields=(Field(path="value", kinds=NUMBER, verdict="reject"),), others=frozenset({"name", "unit", "type"}), rows_in="rates"
    ),
    "coinpaprika.coins": Expected(
        fields=(_ID, _SYMBOL, _NAME, Field(path="is_active", kinds=TRUTH, verdict="warn")), others=frozenset({"rank", "is_new", "type"})
    ),
    "coinpaprika.tickers": Expected(
        fields=(
            _ID,
            _SYMBOL,
            _NAME,
            Field(path="last_updated", kinds=TIME, verdict="reject"),
            Field(path="quotes.USD.price", kinds=NUMBER, verdict="reject", like="price"),
            Field(path="quotes.USD.market_cap", kinds=NUMBER, verdict="warn", like="market_cap"),
            Field(path="quotes.USD.volume_24h", kinds=NUMBER, verdict="warn", like="volume_24h"),
            Field(path="quotes.USD.ath_price", kinds=NUMBER, verdict="accept"),
            Field(path="quotes.USD.ath_date", kinds=TIME, verdict="accept"),
        ),
        others=_names("rank circulating_supply total_supply max_supply beta_value first_data_at")
        | {
            f"quotes.USD.{name}"
            for name in _names(
                """
            volume_24h_change_24h market_cap_change_24h percent_from_price_ath percent_change_15m percent_change_30m
            percent_change_1h percent_change_6h percent_change_12h percent_change_24h percent_change_7d percent_change_30d
            percent_change_1y
            """
            )
        },
    ),
    "coinpaprika.contracts": Expected(
        fields=(_ID, Field(path="address", kinds=TEXT, verdict="reject")), others=frozenset({"type", "active"})
    ),
}
