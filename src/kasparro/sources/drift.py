"""Whether a source's rows still look as they used to, and which field may have taken a missing one's place. Pure.

Only a sample of the rows is looked at. What it finds is said and stored; a suggestion is for a person and never acted upon.
"""

import math
import re
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from types import NoneType
from typing import Any, Literal, TypeAlias

import msgspec

from kasparro.errors import SkipError
from kasparro.records import Drift, Pieces, Record
from kasparro.sources import fields
from kasparro.sources.answers import one_line
from kasparro.sources.rows import ROW_BYTES_MAX, ROWS_PER_PIECE, RowError, rows

Row: TypeAlias = dict[str, Any]
Kind: TypeAlias = Literal["nothing", "truth", "number", "time", "text", "object", "list"]
# What is known of listings by their ids there: "symbol", "name", "price", "market_cap", "volume_24h".
Known: TypeAlias = Mapping[str, Mapping[str, float | str | None]]

NUMBER: frozenset[Kind] = frozenset({"number"})
TEXT: frozenset[Kind] = frozenset({"text", "time"})
TIME: frozenset[Kind] = frozenset({"time"})
TRUTH: frozenset[Kind] = frozenset({"truth"})
OBJECT: frozenset[Kind] = frozenset({"object"})

_KINDS: dict[type, Kind] = {bool: "truth", int: "number", float: "number", dict: "object", list: "list"}

SAMPLE_ROWS_MAX = 150  # examined in some milliseconds
_ROWS_LEAST = 3  # fewer say nothing of an answer
_MOST = 0.5  # more than this share of the rows
_NEW_LEAST = 0.1  # of the rows: what fewer have is a fault of theirs
_NEW_MAX = 20  # names in one answer
_CANDIDATES_MAX = 100  # for one place
_NAME_CHARACTERS_MAX = 80
_FITS = 0.5  # the least score that is worth a person's time
_NEAR = {"price": 1.5, "market_cap": 2.0, "volume_24h": 3.0}  # by which factor a value may have moved since it was last seen
_COMPARED_LEAST = 3
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")


class Field(Record, frozen=True, kw_only=True):
    """A field that rows are expected to have."""

    path: str  # names joined by dots
    kinds: frozenset[Kind]  # null and "" apart, which mean "not known" in every field
    verdict: Literal["accept", "warn", "reject"]  # where it is missing from most rows, or of another kind in most
    like: str = ""  # what of a listing it says, so that it can be compared with what is known


class Expected(Record, frozen=True, kw_only=True):
    """What the rows of a stream look like."""

    fields: tuple[Field, ...]
    others: frozenset[str] = frozenset()  # paths that are known to come and are not read
    rows_in: str = ""  # the answer is an object, and its rows are the values of the object of this name


def sample(expected: Expected, body: bytes) -> Pieces[list[Row]]:
    """Up to SAMPLE_ROWS_MAX rows that are objects, spread evenly over an answer; none where it is no answer of this shape."""
    found: list[bytes] = []
    stride = 1
    if not expected.rows_in:
        try:
            for number, row in enumerate(rows(body, "")):
                if number % ROWS_PER_PIECE == 0:
                    yield
                if number % stride == 0 and len(row) <= ROW_BYTES_MAX:
                    found.append(row)
                if len(found) > SAMPLE_ROWS_MAX:
                    found, stride = found[::2], stride * 2
        except SkipError:
            return []
        decoded = [_decoded(row) for row in found]
    else:
        yield
        answer = _decoded(body)
        inner = answer.get(expected.rows_in) if isinstance(answer, dict) else None
        decoded = list(inner.values())[:SAMPLE_ROWS_MAX] if isinstance(inner, dict) else []
    return [row for row in decoded if isinstance(row, dict)]


def examine(expected: Expected, sampled: Sequence[Row]) -> list[Drift]:
    """What is not as expected, without suggestions: what weighs most first."""
    if len(sampled) < _ROWS_LEAST:
        return []
    found: dict[tuple[str, str], Drift] = {}
    for field in expected.fields:
        absent = _gaps(sampled, field.path)
        gaps = max(set(absent), key=lambda path: (absent.count(path), path)) if absent else field.path
        missing = len(absent) / len(sampled)
        # Most values show by their type that they fit; only the others are looked at closely.
        fitting = _types(field.kinds)
        doubtful = [value for value in _values(sampled, field.path) if type(value) not in fitting]
        odd = sum(kind != "nothing" and kind not in field.kinds for kind in map(kind_of, doubtful)) / len(sampled)
        if missing > _MOST:
            drift = Drift(field=gaps, kind="missing", verdict=field.verdict, share=missing)
        elif odd > _MOST:
            drift = Drift(field=field.path, kind="type", verdict=field.verdict, share=odd)
        else:
            continue
        # The first field of a path names the gap for all: the fields are in the order of their weight.
        found.setdefault((drift.field, drift.kind), drift)
    return [*found.values(), *_new(expected, sampled)]


def wanted(expected: Expected, sampled: Sequence[Row], found: Sequence[Drift]) -> list[str]:
    """The ids of listings whose known values help to suggest a field: of the rows, or what might be their ids."""
    missing = {drift.field for drift in found if drift.kind == "missing"}
    if not missing:
        return []
    id_paths = _candidates(expected, sampled, "") if "id" in missing else ["id"]
    return sorted({value for row in sampled for path in id_paths if isinstance(value := _at(row, path), str)})


def suggest(expected: Expected, sampled: Sequence[Row], found: Sequence[Drift], known: Known) -> list[Drift]:
    """The same findings, with the field that fits best in place of each that is missing, where one fits at all."""
    answer: list[Drift] = []
    for drift in found:
        if drift.kind == "missing":
            parent = drift.field.rpartition(".")[0]
            lacking = [row for row in sampled if _gap(row, drift.field) is not None]
            scored = [(score(expected, drift.field, path, lacking, known), path) for path in _candidates(expected, lacking, parent)]
            best = max(scored, default=(0.0, ""))
            if best[0] >= _FITS:
                answer.append(msgspec.structs.replace(drift, suggestion=best[1], score=round(best[0], 3)))
                continue
        answer.append(drift)
    return answer


def score(expected: Expected, missing: str, candidate: str, lacking: Sequence[Row], known: Known) -> float:
    """How well a field fits in another's place, 0 to 1: by its kind in every row, its name, and its values.

    A value that is near what the listing was last known to have weighs more than any name; without anything to compare with,
    that the one field came where the other went says half of it, and the name the rest.
    """
    below = [f for f in expected.fields if f.path == missing or f.path.startswith(f"{missing}.")]
    kinds = below[0].kinds if below and below[0].path == missing else OBJECT
    seen = [kind_of(_at(row, candidate)) for row in lacking]
    told = [kind for kind in seen if kind != "nothing"]
    if not told:
        return 0.0
    fit = sum(kind in kinds for kind in told) / max(len(told), sum(_gap(row, candidate) is not None for row in lacking) + len(told))
    name = likeness(missing.rpartition(".")[2], candidate.rpartition(".")[2])
    near = _nearness(below, missing, candidate, lacking, known)
    if near is None:
        return fit * (0.5 + 0.45 * name)
    return fit * (1 - (1 - 0.8 * name) * (1 - 0.9 * near)) * (0.5 + 0.5 * near)


def likeness(one: str, other: str) -> float:
    """How alike two names are, 0 to 1: by their letters, or by the words that they share: 0.75 for half of the shorter one's."""
    words, others = ({word.lower() for word in _WORD.findall(name)} for name in (one, other))
    letters = SequenceMatcher(None, "".join(_WORD.findall(one)).lower(), "".join(_WORD.findall(other)).lower()).ratio()
    shared = len(words & others)
    return max(letters, 0.5 + 0.5 * shared / min(len(words), len(others))) if shared else letters


def kind_of(value: object) -> Kind:
    """What sort of thing a value is; `nothing` for null and "", which both sources use for it."""
    if value is None or value == "":
        return "nothing"
    if not isinstance(value, str):
        return _KINDS[type(value)]
    try:
        return "text" if fields.moment(value) is None else "time"
    except RowError:
        return "text"


def words(drift: Drift) -> str:
    """A finding for a person."""
    share = f"{drift.share:.0%} of the rows"
    what = f"{drift.field} is missing from {share}" if drift.kind == "missing" else f"{drift.field} is of another type in {share}"
    if drift.suggestion is not None:
        what += f"; {drift.suggestion} may have taken its place (score {drift.score})"
    return f"{what}. The source has changed its answers: a new version of kasparro has to follow; see drift in /stats"


def _nearness(below: Sequence[Field], missing: str, candidate: str, lacking: Sequence[Row], known: Known) -> float | None:
    """The share of values that are what they were; None where there is too little to compare."""
    for field in below:
        if field.like == "id":
            values = [value for row in lacking if isinstance(value := _at(row, candidate), str)]
            return sum(value in known for value in values) / len(values) if known and values else None
        if not field.like:
            continue
        pairs = [
            (value, before)
            for row in lacking
            if (before := known.get(str(row.get("id")), {}).get(field.like)) is not None
            and kind_of(value := _at(row, candidate + field.path.removeprefix(missing))) != "nothing"
        ]
        if len(pairs) >= _COMPARED_LEAST:
            return sum(_is_near(value, before, field.like) for value, before in pairs) / len(pairs)
    return None


def _is_near(value: object, before: float | str, like: str) -> bool:
    if isinstance(before, str) or isinstance(value, str):
        return isinstance(value, str) and isinstance(before, str) and value.strip().casefold() == before.strip().casefold()
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0 or before <= 0:
        return False
    return abs(math.log(value) - math.log(before)) <= math.log(_NEAR[like])


def _new(expected: Expected, sampled: Sequence[Row]) -> list[Drift]:
    parents = {field.path.rpartition(".")[0] for field in expected.fields}
    counts = {path: 0 for parent in parents for path in _candidates(expected, sampled, parent)}
    for path in counts:
        counts[path] = sum(_gap(row, path) is None for row in sampled)
    often = [(count / len(sampled), path) for path, count in counts.items() if count >= _NEW_LEAST * len(sampled)]
    return [Drift(field=path, kind="new", verdict="accept", share=share) for share, path in sorted(often, key=lambda x: x[1])[:_NEW_MAX]]


def _candidates(expected: Expected, sampled: Sequence[Row], parent: str) -> list[str]:
    """Paths just below a parent that no contract knows, in the order in which they first come."""
    ours = {field.path[: place.start()] for field in expected.fields for place in re.finditer(r"\.|$", field.path)}
    found: dict[str, None] = {}
    within = _values(sampled, parent) if parent else sampled
    for names in dict.fromkeys(tuple(inner) for inner in within if isinstance(inner, dict)):  # almost all rows have the same
        for name in names:
            path = f"{parent}.{name}" if parent else name
            plain = len(name) <= _NAME_CHARACTERS_MAX and one_line(name) == name and "." not in name
            if plain and path not in ours and path not in expected.others:
                found[path] = None
    return list(found)[:_CANDIDATES_MAX]


def _types(kinds: frozenset[Kind]) -> frozenset[type]:
    """The types of which every value is of one of these kinds, or nothing."""
    return frozenset([NoneType, *([str] if kinds >= TEXT else []), *(of for of, kind in _KINDS.items() if kind in kinds)])


def _values(sampled: Sequence[Row], path: str) -> list[object]:
    """What is at a path, by row; None where nothing is."""
    return [_at(row, path) for row in sampled] if "." in path else [row.get(path) for row in sampled]


def _gaps(sampled: Sequence[Row], path: str) -> list[str]:
    """The gaps of those rows that lack some of a path."""
    return [gap for row in sampled if (gap := _gap(row, path)) is not None] if "." in path else [path for row in sampled if path not in row]


def _at(row: Row, path: str) -> object:
    """What is at a path; None where nothing is."""
    inner: object = row
    for name in path.split("."):
        inner = inner.get(name) if isinstance(inner, dict) else None
    return inner


def _gap(row: Row, path: str) -> str | None:
    """The first part of a path that a row lacks; None where it has all of it, or a null on the way."""
    inner: object = row
    names = path.split(".")
    for number, name in enumerate(names, start=1):
        if not isinstance(inner, dict) or name not in inner:
            return ".".join(names[:number])
        inner = inner[name]
        if inner is None or inner == "":
            return None
    return None


def _decoded(body: bytes) -> Any:  # noqa: ANN401  # any JSON
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return None
