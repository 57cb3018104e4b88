"""Which listings are the same coin. Pure: the answer is the difference to what is stored.

First form, the safe rules only: an equal contract on the same chain, or an equal symbol and name with no second candidate
on either side and prices that do not contradict. What is not safe stays apart.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from kasparro.records import Coin, EvidenceRow, Judgement, Pieces, Record, Resolution
from kasparro.resolver.normalise import normal_name, normal_symbol
from kasparro.resolver.platforms import contract_key

_PRICES_APART = 0.05  # of the lower one: beyond it, an equal symbol and name are not believed
_PIECE = 200
_ID_ORDER = ("coingecko", "coinpaprika")  # whose id a coin takes when it is made


class _Match(Record, frozen=True, kw_only=True):
    """Two listings, one of each source, that are one coin."""

    other: int  # listing_id
    rule: str
    confidence: float
    evidence: dict[str, Any]


def resolve(
    rows: Sequence[EvidenceRow], judgements: Sequence[Judgement], coins: Mapping[str, Coin], *, provisional: bool
) -> Pieces[Resolution]:
    """Judge every listing; `judgements` are those that stand, `coins` in the order in which they were made.

    While `provisional`, a listing whose evidence, or whose candidate's evidence, isn't in yet gets no coin.
    """
    by_id = {row.listing_id: row for row in rows}
    matches, waiting = yield from _matches(by_id)
    state = _State(judgements, coins)
    for n, row in enumerate(sorted(rows, key=lambda r: (_place(r.source), r.source_id))):
        if n % _PIECE == 0:
            yield
        match = matches.get(row.listing_id)
        group = [row, by_id[match.other]] if match else [row]
        if row.listing_id in state.done or (provisional and (row.listing_id in waiting or not all(r.settled for r in group))):
            continue
        state.judge(group, match)
    return Resolution(coins=state.changed, judgements=state.judgements, superseded=state.superseded)


class _State:
    """What stands, and what is to change of it."""

    def __init__(self, judgements: Sequence[Judgement], coins: Mapping[str, Coin]) -> None:
        self.standing = {j.listing_id: j for j in judgements if j.verdict == "same"}
        self.coins = dict(coins)
        self.age = {coin_id: n for n, coin_id in enumerate(coins)}
        self.done: set[int] = set()
        self.kept: set[str] = set()  # coins that have found their listings
        self.changed: list[Coin] = []
        self.judgements: list[Judgement] = []
        self.superseded: list[int] = []

    def judge(self, group: list[EvidenceRow], match: _Match | None) -> None:
        """Bring one coin's listings to one coin: the oldest that one of them already is, or a new one."""
        lead = group[0]
        held = sorted(
            {self.standing[r.listing_id].coin_id for r in group if r.listing_id in self.standing} - self.kept, key=self.age.__getitem__
        )
        coin_id = held[0] if held else self._new_id(lead)
        self.kept.add(coin_id)
        self._show(Coin(coin_id=coin_id, symbol=lead.symbol, name=lead.name))
        for other in held[1:]:
            self.kept.add(other)
            self._show(Coin(coin_id=other, symbol=lead.symbol, name=lead.name, merged_into=coin_id))
        for row in group:
            self.done.add(row.listing_id)
            old = self.standing.get(row.listing_id)
            if old is not None and old.coin_id == coin_id:
                continue
            if old is not None and old.judgement_id is not None:
                self.superseded.append(old.judgement_id)
            why = match or _Match(other=0, rule="own", confidence=1.0, evidence={})
            self.judgements.append(
                Judgement(
                    listing_id=row.listing_id,
                    coin_id=coin_id,
                    verdict="same",
                    rule=why.rule,
                    confidence=why.confidence,
                    evidence=why.evidence,
                )
            )

    def _show(self, coin: Coin) -> None:
        if self.coins.get(coin.coin_id) != coin:
            self.coins[coin.coin_id] = coin
            self.age.setdefault(coin.coin_id, len(self.age))
            self.changed.append(coin)

    def _new_id(self, row: EvidenceRow) -> str:
        coin_id, n = row.source_id, 2
        while coin_id in self.coins:
            coin_id, n = f"{row.source_id}-{n}", n + 1
        return coin_id


def _matches(by_id: Mapping[int, EvidenceRow]) -> Pieces[tuple[dict[int, _Match], set[int]]]:
    """Pairs that are safe, in both directions, and listings that may become one of a pair once more is known."""
    by_contract: defaultdict[tuple[str, str], list[EvidenceRow]] = defaultdict(list)
    by_name: defaultdict[tuple[str, str], list[EvidenceRow]] = defaultdict(list)
    for n, row in enumerate(by_id.values()):
        if n % _PIECE == 0:
            yield
        for key in {contract_key(row.source, platform, address) for platform, address in row.contracts}:
            by_contract[key].append(row)
        by_name[normal_symbol(row.symbol), normal_name(row.name)].append(row)
    matches: dict[int, _Match] = {}
    waiting: set[int] = set()
    for n, (contract, rows) in enumerate(by_contract.items()):
        if n % _PIECE == 0:
            yield
        pair = _only_pair(rows)
        if pair and not any(r.listing_id in matches for r in pair):
            _add(matches, pair, "contract", 0.98, {"platform": contract[0], "address": contract[1]})
    for n, ((symbol, name), rows) in enumerate(by_name.items()):
        if n % _PIECE == 0:
            yield
        pair = _only_pair(rows)
        if not pair or not name or any(r.listing_id in matches for r in pair):
            continue
        a, b = pair
        if not (a.settled and b.settled):
            waiting.update((a.listing_id, b.listing_id))
            continue
        apart = None if a.price is None or b.price is None else abs(a.price - b.price) / min(a.price, b.price)
        if apart is None or apart <= _PRICES_APART:
            _add(matches, pair, "symbol_and_name", 0.9 if apart is None else 0.97, {"symbol": symbol, "name": name, "prices_apart": apart})
    return matches, waiting


def _only_pair(rows: Sequence[EvidenceRow]) -> tuple[EvidenceRow, EvidenceRow] | None:
    """The one listing of each of two sources, or None where there are more or fewer: then nothing is safe."""
    if len(rows) != 2 or rows[0].source == rows[1].source:  # noqa: PLR2004  # a pair
        return None
    a, b = sorted(rows, key=lambda r: _place(r.source))
    return a, b


def _add(matches: dict[int, _Match], pair: tuple[EvidenceRow, EvidenceRow], rule: str, confidence: float, evidence: dict[str, Any]) -> None:
    for one, other in (pair, pair[::-1]):
        matches[one.listing_id] = _Match(other=other.listing_id, rule=rule, confidence=confidence, evidence=evidence)


def _place(source: str) -> int:
    return _ID_ORDER.index(source) if source in _ID_ORDER else len(_ID_ORDER)
