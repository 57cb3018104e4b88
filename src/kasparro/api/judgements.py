"""/admin/judgements: what a person should decide about identity, and what a person has decided."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import inf
from typing import Any

import msgspec

from kasparro.api.bodies import read_body
from kasparro.api.questions import JudgementRequest, JudgementSaid, Question, judged_listing, question
from kasparro.catalog.entries import Catalog
from kasparro.catalog.find import near_ids
from kasparro.catalog.judged import Queued, judged, queued
from kasparro.clock import in_pieces
from kasparro.errors import NotKnownError, RefusedError
from kasparro.records import Pieces, Said, Verdict
from kasparro.serving import cursors, parameters
from kasparro.serving.cursors import Place
from kasparro.serving.lists import CURSOR, LIMIT, next_link
from kasparro.serving.operations import Answer, Answered, Call, Operation, encoded
from kasparro.serving.problems import ProblemError, invalid_parameters, not_found

_ROWS_PER_PIECE = 50
_ID_MAX = 2**63 - 1
_DECODER = msgspec.json.Decoder(JudgementRequest)
_EXAMPLE = '{"listing": {"source": "coinpaprika", "source_id": "btc-bitcoin"}, "coin_id": "bitcoin", "verdict": "same", "note": null}'


def operations(sources: Sequence[str]) -> list[Operation]:
    """What these paths answer."""
    refusals = {
        404: Answered("The listing, coin or judgement is not known: `listing_unknown`, `coin_unknown` or `judgement_unknown`."),
        409: Answered("It goes against what stands: `judgement_of_a_rule`, `judgement_contradicts` or another."),
        503: Answered("The database does not answer, or the service has just started."),
    }
    return [
        Operation(
            path="/admin/judgements",
            handle=list_judgements,
            operation_id="list_judgements",
            summary="What a person should decide, most market value at stake first",
            tag="admin",
            secured=True,
            whole=True,
            parameters=[
                parameters.choice("verdict", "Only judgements with this verdict.", ["unsure", "same", "different"], default="unsure"),
                parameters.choice("decided_by", "Only what a rule, or a person, has decided.", ["rule", "person"]),
                LIMIT,
                CURSOR,
            ],
            answers={200: Answered("Judgements that stand, with both sides' evidence.", list[Question], headers=("Link", "X-Total-Count"))},
        ),
        Operation(
            path="/admin/judgements",
            method="POST",
            handle=say,
            operation_id="say_judgement",
            summary="Judge that a listing is, or is not, a coin",
            tag="admin",
            secured=True,
            whole=True,
            body_schema=_body_schema(sources),
            body_required=True,
            answers={201: Answered("The judgement stands, and the catalog shows it.", JudgementSaid), **refusals},
        ),
        Operation(
            path="/admin/judgements/{judgement_id}",
            method="DELETE",
            handle=withdraw,
            operation_id="withdraw_judgement",
            summary="Withdraw a person's judgement: the rules decide again",
            tag="admin",
            secured=True,
            whole=True,
            path_parameters={"judgement_id": "The judgement's id."},
            path_schemas={"judgement_id": {"type": "integer", "minimum": 1, "maximum": _ID_MAX}},
            answers={200: Answered("The judgement stands no more, and the catalog shows it.", JudgementSaid), **refusals},
        ),
    ]


def _body_schema(sources: Sequence[str]) -> dict[str, Any]:
    """See JudgementRequest."""
    name = {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[^\\u0000]*$"}
    listing = {
        "type": "object",
        "properties": {"source": {"type": "string", "enum": list(sources)}, "source_id": name},
        "required": ["source", "source_id"],
        "additionalProperties": False,
    }
    properties = {
        "listing": listing,
        "coin_id": {**name, "description": "The coin's id, an alias, or the id of a coin that was merged into it."},
        "verdict": {"type": "string", "enum": ["same", "different"]},
        "note": {"type": ["string", "null"], "maxLength": 2_000, "pattern": "^[^\\u0000]*$", "description": "Why, for other people."},
    }
    return {"type": "object", "properties": properties, "required": ["listing", "coin_id", "verdict"], "additionalProperties": False}


async def list_judgements(call: Call) -> Answer:
    """A page of judgements. Market values move: a walk over several pages follows the values of each moment."""
    query = call.query
    listed = f"{call.path}\0verdict={query['verdict']}\0decided_by={query['decided_by']}"
    place = cursors.read(query["cursor"], listed) if query["cursor"] else None
    page = _page(call.services.catalog.current, query["verdict"], query["decided_by"], query["limit"], place)
    rows, total, following = await in_pieces(page, call.services.clock)
    link = next_link(call, None if following is None else cursors.write(following, listed))
    headers = [("x-total-count", str(total))]
    if link is not None:
        headers.append(("link", f'<{link}>; rel="next"'))
    return Answer(body=b"[" + b",".join(rows) + b"]", headers=headers)


def _page(
    catalog: Catalog, verdict: Verdict, decided_by: str | None, limit: int, place: Place | None
) -> Pieces[tuple[list[bytes], int, Place | None]]:
    queue = yield from queued(catalog, verdict, decided_by)
    start = 0 if place is None else bisect_right(queue, _after(place))
    end = start + limit
    rows: list[bytes] = []
    for number, queued_at in enumerate(queue[start:end]):
        rows.append(encoded(question(judged(catalog, queued_at))))
        if number % _ROWS_PER_PIECE == _ROWS_PER_PIECE - 1:
            yield
    return rows, len(queue), _place(queue[end - 1]) if end < len(queue) else None


def _place(last: Queued) -> Place:
    at_stake, judgement_id, _ = last
    return Place(0, judgement_id, repr(at_stake))


def _after(place: Place) -> tuple[float, int, float]:
    try:
        return float(place.after or ""), place.position, inf
    except ValueError:
        raise cursors.invalid() from None


async def say(call: Call) -> Answer:
    """Let a person's judgement stand, and answer when the catalog shows it."""
    services = call.services
    request = read_body(_DECODER, call.body, _EXAMPLE)
    if request.listing.source not in services.settings.sources:
        raise invalid_parameters([("listing.source", f"must be one of {', '.join(services.settings.sources)}")])
    catalog = services.catalog.current
    coin = catalog.find(request.coin_id)  # an alias leads to its coin; what the catalog does not know yet, the judge may
    with _refused(catalog, request.coin_id):
        said = await services.judge.say(
            request.listing.source,
            request.listing.source_id,
            request.coin_id if coin is None else coin.coin_id,
            request.verdict,
            request.note or None,
        )
    return await _answer(call, said, status=201)


async def withdraw(call: Call) -> Answer:
    """Let the rules decide again, and answer when the catalog shows what came of it."""
    text = call.path_parameters["judgement_id"]
    number = parameters.path_number(text, _ID_MAX)
    if number is None:
        detail = f"no judgement has the id {text[:100]!r}; GET /admin/judgements?decided_by=person lists those of people"
        raise not_found(detail, code="judgement_unknown")
    with _refused(call.services.catalog.current):
        said = await call.services.judge.withdraw(number)
    return await _answer(call, said, status=200)


@contextmanager
def _refused(catalog: Catalog, coin_id: str | None = None) -> Iterator[None]:
    """What the judge refuses, as problems; with ids that may have been meant for a coin that nobody knows."""
    try:
        yield
    except NotKnownError as error:
        candidates = near_ids(catalog, coin_id) if coin_id is not None and error.code == "coin_unknown" else ()
        raise not_found(str(error), code=error.code, candidates=candidates) from None
    except RefusedError as error:
        raise ProblemError(409, error.code, str(error)) from None


async def _answer(call: Call, said: Said, *, status: int) -> Answer:
    holder = call.services.catalog
    await holder.refresh()  # so that whoever reads on here sees what came of it
    now = holder.current.find(said.now_coin_id)
    listing = None if now is None else next((n for n in now.listings if n.listing_id == said.listing_id), None)
    body = JudgementSaid(
        id=said.judgement_id,
        coin_id=said.coin_id,
        verdict=said.verdict,
        note=said.note,
        decided_by="person",
        now_coin_id=said.now_coin_id,
        listing=None if listing is None or now is None else judged_listing(listing, now),
        catalog_version=said.catalog_version,
    )
    return Answer(body=encoded(body), status=status)
