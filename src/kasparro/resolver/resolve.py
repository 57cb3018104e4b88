"""The whole way from evidence to judgements. Pure: it answers with the difference to what is stored and changes nothing."""

from collections.abc import Collection, Mapping
from functools import lru_cache, partial
from hashlib import blake2b
from itertools import chain

import msgspec

from kasparro.records import Judgement, Pieces, Resolution, Verdict
from kasparro.resolver.assign import Clusters, cluster
from kasparro.resolver.book import Book, Standing
from kasparro.resolver.gather import Gathered, Missing, TooFar, gather, gather_around
from kasparro.resolver.index import Index
from kasparro.resolver.naming import Named, name_clusters
from kasparro.resolver.pairs import Explanation, Pair, explain
from kasparro.resolver.rules import MARGIN, SAME, STICKY, UNSURE, WEIGHT, confidence
from kasparro.resolver.waiting import split_waiting
from kasparro.resolver.wrapping import link_wrapped

# To be raised when a comparison or a key is changed and not only a weight.
REVISION = 1
# By which rules something was judged: where it changes, everything is judged anew.
RULES_DIGEST = blake2b(repr((REVISION, sorted(WEIGHT.items()), SAME, UNSURE, MARGIN, STICKY)).encode(), digest_size=8).digest()

SLICE = 300  # listings between two chances for others: about 2 ms

# A judgement that stays is written anew only when its confidence has moved this far, so that histories hold changes, not noise.
CONFIDENCE_STEP = 0.15
_NONE = b"{}"  # the evidence of a listing that is alone
UNSURE_MAX = 3  # coins that a listing may be unsure about


def resolve(index: Index, book: Book, *, provisional: bool) -> Pieces[Resolution]:
    """Judge every listing of an index of all.

    With `provisional`, what rules said before counts for nothing, and listings wait whose source has more to say. Afterwards
    a rule's judgement changes only when the evidence has moved by `STICKY` the other way. Persons' judgements always stand.
    Every listing in scope that does not wait has one live `same` judgement once the result is stored.
    """
    # Not kept here: what was gathered is let go of in pieces at the end.
    return (yield from _judge(index, book, (yield from gather(index, UNSURE if provisional else UNSURE - STICKY)), provisional=provisional))


def resolve_around(index: Index, book: Book, changed: Collection[int]) -> Pieces[Resolution | Missing | TooFar]:
    """As `resolve`, not provisional, of the listings that changed and whatever hangs together with them.

    Answers with the listings that are missing until the index has the features of all that it takes, and the book their
    judgements, the coins of these, and the coins that are called as they might be.
    """
    gathered = yield from gather_around(index, book, changed, UNSURE - STICKY)
    if not isinstance(gathered, Gathered):
        return gathered
    return (yield from _judge(index, book, gathered, provisional=False))


def _judge(index: Index, book: Book, gathered: Gathered, *, provisional: bool) -> Pieces[Resolution]:
    split = yield from split_waiting(index, book, gathered, provisional=provisional)
    clusters = yield from cluster(index, book, split.gathered, sticky=not provisional)
    waiting = yield from split.still_waiting(clusters)
    heads = yield from _heads(split.gathered, clusters, waiting)
    named = yield from name_clusters(index, book, heads, clusters.of)
    best = yield from _best(split.gathered, clusters)
    same, superseded = yield from _same(index, book, named, best)
    unsure, settled = yield from _unsure(index, book, split.gathered, clusters, named)
    yield from link_wrapped(index, book, named)
    result = Resolution(
        coins=list(named.coins.values()), judgements=same + unsure, superseded=superseded + settled, waiting=sorted(waiting)
    )
    # Letting go of all at once would be a slice of ten milliseconds.
    yield
    del gathered, split
    yield
    del heads, named
    yield
    del clusters, same, unsure
    yield
    del best
    yield
    return result


def _heads(gathered: Gathered, clusters: Clusters, waiting: frozenset[int]) -> Pieces[list[int]]:
    """One listing of each cluster of the scope, without listings that wait."""
    heads, seen = [], set()
    for n, i in enumerate(gathered.scope):
        if n % (8 * SLICE) == 8 * SLICE - 1:
            yield
        group = clusters.of(i)
        if i in waiting or (len(group) > 1 and id(group) in seen):
            continue
        if len(group) > 1:
            seen.add(id(group))
        heads.append(i)
    return heads


def _best(gathered: Gathered, clusters: Clusters) -> Pieces[dict[int, Pair]]:
    """For each listing that is not alone, the strongest pair inside its cluster."""
    best: dict[int, Pair] = {}
    for n, pair in enumerate(chain(gathered.pairs, gathered.renames)):
        if n % (4 * SLICE) == 4 * SLICE - 1:
            yield
        if clusters.of(pair.a) is clusters.of(pair.b):
            for i in (pair.a, pair.b):
                if i not in best or pair > best[i]:
                    best[i] = pair
    return best


def _same(index: Index, book: Book, named: Named, best: Mapping[int, Pair]) -> Pieces[tuple[list[Judgement], list[int]]]:
    """The `same` judgements that are new, and those that they replace."""
    new, superseded = list[Judgement](), list[int]()
    explained = lru_cache(maxsize=16)(partial(explain, index))  # both listings of a pair show the same evidence, one after the other
    for n, (i, coin_id) in enumerate(named.coin_of.items()):
        if n % SLICE == SLICE - 1:
            yield
        pair, old = best.get(i), book.same.get(i)
        if pair is None and old is None:
            new.append(Judgement(listing_id=i, coin_id=coin_id, verdict="same", rule="own", confidence=1.0, evidence=_NONE))
            continue
        certainty = 1.0 if pair is None else confidence(pair.score)
        if old is not None and old.by_person and book.live_coin(old.coin_id) == coin_id:
            if old.coin_id != coin_id:  # its coin was merged: the person's word goes along
                new.append(_moved(i, coin_id, old))
                superseded.extend(() if old.judgement_id is None else (old.judgement_id,))
            continue
        if old is not None and old.coin_id == coin_id and _stands(old, alone=pair is None, certainty=certainty):
            continue
        if pair is None:
            judgement = Judgement(listing_id=i, coin_id=coin_id, verdict="same", rule="own", confidence=1.0, evidence=_NONE)
        else:
            judgement = _judgement(explained(pair), i, coin_id, "same", certainty)
        new.append(judgement)
        if old is not None and old.judgement_id is not None:
            superseded.append(old.judgement_id)
    return new, superseded


def _moved(i: int, coin_id: str, old: Standing) -> Judgement:
    return Judgement(
        listing_id=i,
        coin_id=coin_id,
        verdict="same",
        rule=old.rule,
        confidence=old.confidence,
        evidence=msgspec.json.encode({"moved_from": old.coin_id}),
        decided_by="person",
        note=old.note,
    )


def _stands(old: Standing, *, alone: bool, certainty: float) -> bool:
    return (old.rule == "own") == alone and abs(old.confidence - certainty) <= CONFIDENCE_STEP


def _judgement(why: Explanation, i: int, coin_id: str, verdict: Verdict, certainty: float) -> Judgement:
    return Judgement(listing_id=i, coin_id=coin_id, verdict=verdict, rule=why.rule, confidence=certainty, evidence=why.evidence)


def _unsure(index: Index, book: Book, gathered: Gathered, clusters: Clusters, named: Named) -> Pieces[tuple[list[Judgement], list[int]]]:
    """What a person should look at: plausible pairs that stayed apart although no source forbids to join them."""
    open_questions: dict[int, dict[str, Pair]] = {}
    for n, pair in enumerate(gathered.pairs):
        if n % SLICE == SLICE - 1:
            yield
        if pair.score < UNSURE or not clusters.may_join(pair.a, pair.b):
            continue
        coin_id = named.coin_of.get(pair.a)
        if coin_id is None or pair.b not in named.coin_of:
            continue
        questions = open_questions.setdefault(pair.b, {})
        if coin_id not in questions or pair > questions[coin_id]:
            questions[coin_id] = pair
    new: list[Judgement] = []
    settled: list[int] = []
    for n, (i, questions) in enumerate(sorted(open_questions.items())):
        if n % (SLICE // 12) == 0:
            yield
        kept = dict(sorted(questions.items(), key=lambda q: (-q[1].score, q[0]))[:UNSURE_MAX])
        known = {s.coin_id: s for s in book.unsure.get(i, ())}
        for coin_id in kept.keys() - known.keys():
            pair = kept[coin_id]
            new.append(_judgement(explain(index, pair), i, coin_id, "unsure", confidence(pair.score)))
        settled.extend(s.judgement_id for s in known.values() if s.coin_id not in kept and s.judgement_id is not None)
    for n, i in enumerate(list(book.unsure)):
        if n % SLICE == SLICE - 1:
            yield
        if i in gathered.scope and i not in open_questions:
            settled.extend(s.judgement_id for s in book.unsure[i] if s.judgement_id is not None)
    return new, settled
