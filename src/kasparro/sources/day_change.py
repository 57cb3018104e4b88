"""Where a source's row of a quote says by how many per cent the price has changed in a day. Pure."""

PATHS: dict[str, tuple[str, ...]] = {
    "coingecko": ("price_change_percentage_24h",),
    "coinpaprika": ("quotes", "USD", "percent_change_24h"),
}
