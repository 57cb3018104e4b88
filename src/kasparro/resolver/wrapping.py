"""Which coin a wrapped, bridged or pegged coin stands for, where its name says so."""

import msgspec

from kasparro.records import Pieces
from kasparro.resolver.book import Book
from kasparro.resolver.features import Features
from kasparro.resolver.index import Index
from kasparro.resolver.naming import Named, precedence
from kasparro.resolver.normalise import BRIDGED, STANDS_FOR_ANOTHER, WORDS_OF_ANOTHER

SLICE = 500  # listings between two chances for others: about 2 ms
WORK_OF_STAND_IN = 25  # of as many others
NAMESAKES_MAX = 200  # a name that more listings have is not looked through


def link_wrapped(index: Index, book: Book, named: Named) -> Pieces[None]:
    """Note on every coin in scope for which other coin it stands, among the changed coins of `named` where that is news."""
    work = 0
    for listing_id, coin_id in named.coin_of.items():
        work += 1
        if work >= SLICE:
            work = 0
            yield
        if listing_id not in index.stand_ins:
            continue
        work += WORK_OF_STAND_IN
        coin = named.coins.get(coin_id) or book.coins[coin_id]
        original = _original(index, index.features(listing_id))
        if original is None:
            continue
        standing = book.same.get(original.listing_id)
        target = named.coin_of.get(original.listing_id) or (book.live_coin(standing.coin_id) if standing is not None else None)
        if target is not None and target not in {coin_id, coin.wraps}:
            named.coins[coin_id] = msgspec.structs.replace(coin, wraps=target)


def namesakes_of_original(index: Index, f: Features) -> set[int]:
    """The listings that bear the rest of a wrapped coin's name, as their name or symbol ("Bridged USDC" is named after a symbol)."""
    rest = _rest(f) if f.marks & STANDS_FOR_ANOTHER else ""
    found: set[int] = set()
    for source in index.sources.values() if rest else ():
        by_name, by_symbol = source.texts.members(rest), source.symbols.members(rest)
        if len(by_name) + len(by_symbol) <= NAMESAKES_MAX:
            found.update(by_name, by_symbol)
    found.discard(f.listing_id)
    return found


def _original(index: Index, f: Features) -> Features | None:
    """The largest coin that bears the rest of the name."""
    barred = BRIDGED if f.marks & BRIDGED else STANDS_FOR_ANOTHER
    best: tuple[float, tuple[int, str], str] | None = None
    found = None
    for i in namesakes_of_original(index, f):
        g = index.features(i)
        if g.marks & barred or not g.active or g.price is None or g.supply is None:
            continue
        place = (-g.price * g.supply, precedence(g.source), index.listed[i].source_id)
        if best is None or place < best:
            best, found = place, g
    return found


def _rest(f: Features) -> str:
    """What the name says after the last of the words that make it another coin, or before them where it ends with one."""
    places = [n for n, word in enumerate(f.words) if word in WORDS_OF_ANOTHER]
    if not places:
        return ""
    return "".join(f.words[places[-1] + 1 :]) or "".join(f.words[: places[0]])
