"""Why listings are one coin, told from a judgement's evidence. Pure."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from kasparro.catalog.entries import Judgement, ListingEntry
from kasparro.resolver.rules import RULES
from kasparro.web import figures, words

_ADDRESSES_SHOWN = 3
_OWN = "It is the first of its coin: nothing had to be matched."
_BY_PERSON = "A person said so, which stands above every rule."
_TOLD = "By the evidence that is told above."
_KEPT = "Its evidence is in the JSON."
_DECODER: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, Any])


class Reason(msgspec.Struct, frozen=True):
    """One rule that spoke for or against."""

    rule: str
    claim: str
    weight: float
    ours: str  # what each side has
    theirs: str


class Why(msgspec.Struct, frozen=True):
    """A judgement, explained."""

    judgement: Judgement
    name: str  # the listing's, where it is known
    symbol: str
    verdict: str
    summary: str
    certainty: str
    between: tuple[str, ...]  # the two listings that were compared
    score: float | None
    reasons: tuple[Reason, ...]  # the weightiest first


def explained(judgement: Judgement, listing: ListingEntry | None) -> Why:
    """A judgement for a person to read. Evidence of a shape that is not known is left to the JSON."""
    evidence = _DECODER.decode(judgement.evidence)
    rules = evidence.get("rules")
    reasons = tuple(sorted(map(_reason, rules.items()), key=lambda r: -abs(r.weight))) if isinstance(rules, dict) else ()
    return Why(
        judgement=judgement,
        name="" if listing is None else listing.name,
        symbol="" if listing is None else listing.symbol,
        verdict=words.VERDICTS[judgement.verdict],
        summary=_summary(judgement, known=bool(reasons)),
        certainty=words.certainty(judgement.confidence),
        between=tuple(map(_listing, evidence.get("between", ()))),
        score=evidence.get("score"),
        reasons=reasons,
    )


def told_once(whys: list[Why]) -> list[Why]:
    """The judgements, of which those that rest on evidence that was told above refer to it: two listings share what joins them."""
    told: set[bytes] = set()
    shown: list[Why] = []
    for why in whys:
        evidence = bytes(why.judgement.evidence)
        repeated = bool(why.reasons) and evidence in told
        told.add(evidence)
        shown.append(msgspec.structs.replace(why, reasons=(), summary=_TOLD) if repeated else why)
    return shown


def _summary(judgement: Judgement, *, known: bool) -> str:
    if judgement.decided_by == "person":
        return _BY_PERSON
    if judgement.rule == "own":
        return _OWN
    return RULES[judgement.rule].claim if known and judgement.rule in RULES else _KEPT


def _listing(named: str) -> str:
    source, _, source_id = named.partition(":")
    return f"{words.source_name(source)} {source_id}"


def _reason(item: tuple[str, Any]) -> Reason:
    """Of a rule's name with its weight and what each side has; a side may be missing."""
    name, told = item
    weight, ours, theirs, *_ = [*(told if isinstance(told, list) else [told]), None, None]
    rule = RULES.get(name)
    show = _SHOWN.get(name.partition(".")[0], _plain)
    return Reason(name, "" if rule is None else rule.claim, float(weight or 0.0), _shown(show, ours), _shown(show, theirs))


def _shown(show: Callable[[Any], str], value: object) -> str:
    try:
        return "" if value is None else show(value)
    except (TypeError, ValueError, KeyError, IndexError):
        return _plain(value)


def _plain(value: Any) -> str:  # noqa: ANN401  # whatever JSON holds
    if isinstance(value, float):
        return f"{value:,.6g}"
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    return str(value)


def _peak(value: Any) -> str:  # noqa: ANN401  # see above
    price, at = value
    return f"{figures.price(price)} on {datetime.fromtimestamp(at, UTC):%Y-%m-%d}"


def _contracts(value: Any) -> str:  # noqa: ANN401  # see above
    told = [f"{platform}: {address}" for platform, address in value[:_ADDRESSES_SHOWN]]
    more = len(value) - len(told)
    return ", ".join(told) + (f" and {more} more" if more else "")


_SHOWN: Mapping[str, Callable[[Any], str]] = {
    "price": figures.price,
    "volume": figures.amount,
    "supply": lambda value: figures.amount(value).removeprefix("$"),
    "peak": _peak,
    "contract": _contracts,
}
