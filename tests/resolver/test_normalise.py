"""Names, symbols and ids in the shape in which they are compared."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kasparro.resolver.features import slug_of
from kasparro.resolver.normalise import KINDS, fold, hyphened, name_keys, slug_keys, symbol_key


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Bitcoin", "bitcoin"),
        ("\uff22\uff49\uff54\uff43\uff4f\uff49\uff4e", "bitcoin"),
        ("Café Ñandú", "cafe nandu"),
        ("İstanbul", "istanbul"),
        ("ﬁnance", "finance"),
        ("Straße", "strasse"),
        ("Zero\u200bWidth", "zerowidth"),
        ("Ωμέγα", "ωμεγα"),
        ("币安人生", "币安人生"),
        ("", ""),
    ],
)
def test_folding(text: str, folded: str) -> None:
    """Widths, ligatures, accents, case and invisible signs fold away, scripts stay."""
    assert fold(text) == folded


@pytest.mark.parametrize(
    ("symbol", "key"),
    [
        ("BTC", "btc"),
        ("$WIF", "wif"),
        ("USD₮0", "usd0"),
        ("BTC.B", "btcb"),
        ("FROG CEO", "frogceo"),
        ("🚀", "🚀"),
        (" 🚀 ", "🚀"),
        ("", ""),
    ],
)
def test_symbols(symbol: str, key: str) -> None:
    """Only letters and digits count, but for a symbol that has none."""
    assert symbol_key(symbol) == key


@pytest.mark.parametrize(
    ("name", "whole", "core"),
    [
        ("Alpha", "alpha", "alpha"),
        ("Alpha Beta", "alphabeta", "alphabeta"),
        ("Alpha-Beta", "alphabeta", "alphabeta"),
        ("alpha.beta!", "alphabeta", "alphabeta"),
        ("Alpha Token", "alphatoken", "alpha"),
        ("Alpha Network Protocol", "alphanetworkprotocol", "alpha"),
        ("The Alpha", "thealpha", "thealpha"),
        ("Alpha Coin", "alphacoin", "alphacoin"),
        ("Alpha (ALP)", "alpha", "alpha"),
        ("Alpha [OLD]", "alpha", "alpha"),
        ("(Alpha)", "alpha", "alpha"),
        ("Token", "token", "token"),
        ("Network Token", "networktoken", "networktoken"),
        ("🚀", "🚀", "🚀"),
        ("", "", ""),
    ],
)
def test_names(name: str, whole: str, core: str) -> None:
    """Punctuation and brackets go, and so do generic words in the core unless there are no others."""
    keys = name_keys(name)
    assert (keys.whole, keys.core) == (whole, core)


@pytest.mark.parametrize(
    ("slug", "whole"),
    [
        ("alpha-beta", "alphabeta"),
        ("alpha-beta-2", "alphabeta"),
        ("alpha-beta-12", "alphabeta"),
        ("alpha-1337", "alpha1337"),
        ("1-2", "1"),
        ("0x", "0x"),
        ("simon39s-cat", "simonscat"),
        ("i39m-a-jeet", "imajeet"),
        ("area-39", "area"),
        ("39a", "39a"),
        ("-", "-"),
    ],
)
def test_ids(slug: str, whole: str) -> None:
    """A counter at the end is no word, and 39 between letters was an apostrophe."""
    assert slug_keys(slug).whole == whole


@pytest.mark.parametrize(
    ("source", "source_id", "symbol", "slug"),
    [
        ("coingecko", "alpha-beta", "ALB", "alpha-beta"),
        ("coinpaprika", "alb-alpha-beta", "ALB", "alpha-beta"),
        ("coinpaprika", "old-alpha-beta", "NEW", "alpha-beta"),
        ("coinpaprika", "fren-pet-fren-pet", "FREN PET", "fren-pet"),
        ("coinpaprika", "alb-alpha-beta", "AL-B", "alpha-beta"),
        ("coinpaprika", "wif-dogwifhat", "$WIF", "dogwifhat"),
        ("coinpaprika", "alpha", "ALPHA", "alpha"),
        ("coinpaprika", "pi-", "PI", "pi-"),
    ],
)
def test_the_symbol_before_the_words_of_an_id(source: str, source_id: str, symbol: str, slug: str) -> None:
    """CoinPaprika's ids begin with a symbol of one word or several, and what follows are the words of the name."""
    assert slug_of(source, source_id, symbol) == slug


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("Wrapped Alpha", {"wrapped"}),
        ("Alpha (Wormhole)", {"bridged"}),
        ("Binance-Peg Alpha", {"pegged"}),
        ("Liquid Staked Alpha", {"staked"}),
        ("3X Long Alpha", {"leveraged"}),
        ("Alpha [OLD]", {"old"}),
        ("Alpha v2", {"renewed"}),
        ("Alpha (Ordinals)", {"inscribed"}),
        ("Alpha IOU", {"promised"}),
        ("Alpha", set()),
        ("Wrappedalpha", set()),
        ("Bearish", set()),
    ],
)
def test_names_that_stand_for_another(name: str, kinds: set[str]) -> None:
    """Whole words say that a coin is derived from another one, in brackets or not."""
    marks = name_keys(name).marks
    assert {kind for n, kind in enumerate(KINDS) if marks >> n & 1} == kinds


@given(st.text(max_size=40))
def test_any_text_has_keys(text: str) -> None:
    """Nothing that a source may call a coin breaks the keys, and keys do not change when they are made again."""
    keys = name_keys(text)
    assert keys.core or not keys.whole
    assert fold(fold(text)) == fold(text)
    assert symbol_key(symbol_key(text)) == symbol_key(text)
    slug_keys(text)
    assert " " not in hyphened(text)
