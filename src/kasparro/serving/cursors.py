"""Cursors: where the reader of a list has got to.

A cursor grants nothing that the list does not show anyway, so its check needs no secret: it tells a mistyped cursor, or one
of another list, from a real one, and is the same on every replica. Anybody can make one, so that what is in it is bounded.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b
from typing import Annotated

import msgspec

from kasparro.serving.problems import ProblemError

_CHECK_BYTES = 9
_PERSON = b"kasparro cursor"
_Number = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]  # what an index of the database holds


class Place(msgspec.Struct, frozen=True, array_like=True):
    """The place after the last coin that was shown."""

    version: _Number  # of the catalog whose order is walked; 0: an order by id, which needs none
    position: _Number = 0  # in that order
    after: str | None = None  # the id (of what is sorted by id) after which the list goes on
    grade: _Number = 0  # how well the last row matched, where the best matches come first


def write(place: Place, listed: str) -> str:
    """The cursor of a place. `listed` names the list: path, order and filters."""
    payload = msgspec.json.encode(place)
    return urlsafe_b64encode(_check(payload, listed) + payload).decode().rstrip("=")


def read(cursor: str, listed: str) -> Place:
    """The place of a cursor. Raises ProblemError `cursor_invalid` for one that was forged, damaged or made for another list."""
    try:
        raw = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        check, payload = raw[:_CHECK_BYTES], raw[_CHECK_BYTES:]
        if check == _check(payload, listed):
            return msgspec.json.decode(payload, type=Place)
    except (ValueError, UnicodeEncodeError, msgspec.MsgspecError):
        pass
    raise invalid()


def invalid() -> ProblemError:
    """400 for a cursor that names no place of the list."""
    detail = "cursor is not one that this list gave out: use the one of the last page with the same order and filters, or none"
    return ProblemError(400, "cursor_invalid", detail)


def expired() -> ProblemError:
    """410 for a cursor whose order is no longer known here."""
    detail = "the order that this cursor walks is no longer kept (15 minutes); start without a cursor, or use order=id, which never expires"
    return ProblemError(410, "cursor_expired", detail)


def _check(payload: bytes, listed: str) -> bytes:
    digest = blake2b(payload, digest_size=_CHECK_BYTES, person=_PERSON)
    digest.update(b"\0" + listed.encode("utf-8", "replace"))
    return digest.digest()
