"""JSON bodies of requests."""

import re
from typing import TypeVar

import msgspec

from kasparro.serving.problems import ProblemError, invalid_parameters

_PLACE = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<place>.*)`)?", re.DOTALL)
_FIELD = re.compile(r"Object (?:missing required|contains unknown) field `(.*)`")

T = TypeVar("T")


def read_body(decoder: msgspec.json.Decoder[T], body: bytes, example: str) -> T:
    """A body as what it should be. Raises ProblemError that names the field which is wrong; `example` shows a good one."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise invalid_parameters([_problem(str(error))]) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProblemError(400, "invalid_body", f"the body is not JSON: {error}. Send for example {example}") from None


def _problem(message: str) -> tuple[str, str]:
    """(field, what is wrong with it) of what msgspec says."""
    found = _PLACE.fullmatch(message)
    what, place = (found["what"], found["place"] or "") if found else (message, "")
    field = _FIELD.fullmatch(what)
    names = [name for name in (place, field[1] if field else "") if name]
    return ".".join(names) or "body", f"is wrong: {what[:200]}"
