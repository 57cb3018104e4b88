"""Whose data it is. Both sources ask to be named where it is shown."""

ATTRIBUTION = [
    {"source": "coingecko", "text": "Data provided by CoinGecko", "url": "https://www.coingecko.com"},
    {"source": "coinpaprika", "text": "Data provided by CoinPaprika", "url": "https://coinpaprika.com"},
]
