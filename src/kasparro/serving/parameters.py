"""Query parameters: declared once, for parsing and for the OpenAPI document."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec

from kasparro.serving.problems import invalid_parameters, invalid_request

_NUMBER = re.compile(r"-?[0-9]{1,18}")
_UNIX_TIME = re.compile(r"[0-9]{1,14}(\.[0-9]{1,9})?")
_SPACED_OFFSET = re.compile(r"(:[0-9.]+) ([0-9:]+)$")  # a plus sign that was not escaped reads as a space
_SECONDS_MAX = 1e11  # the year 5138: a larger number is milliseconds, since 1973
_FIRST_YEAR, _LAST_YEAR = 1970, 2199
IDS_MAX = 500


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """A query parameter. `parse` raises ValueError saying what the value must be."""

    name: str
    description: str
    schema: dict[str, Any]  # JSON Schema of the value
    parse: Callable[[str], Any]
    default: Any = None
    required: bool = False
    several: bool = False  # may be given more than once: the values are joined by commas
    example: Any = None


def integer(name: str, description: str, *, default: int, least: int, most: int) -> Parameter:
    """A whole number between two bounds."""
    wanted = f"must be a whole number from {least} to {most}"

    def parse(text: str) -> int:
        if not _NUMBER.fullmatch(text) or not least <= int(text) <= most:
            raise ValueError(wanted)
        return int(text)

    schema = {"type": "integer", "minimum": least, "maximum": most, "default": default}
    return Parameter(name=name, description=description, schema=schema, parse=parse, default=default)


def flag(name: str, description: str) -> Parameter:
    """True or false; false where it is not given."""

    def parse(text: str) -> bool:
        value = {"true": True, "false": False}.get(text.lower())
        if value is None:
            raise ValueError("must be true or false")  # noqa: EM101, TRY003  # the message is the specification
        return value

    return Parameter(name=name, description=description, schema={"type": "boolean", "default": False}, parse=parse, default=False)


def choice(name: str, description: str, options: Sequence[str], *, default: str | None = None, required: bool = False) -> Parameter:
    """One of a few words."""

    def parse(text: str) -> str:
        if text not in options:
            message = f"must be one of {', '.join(options)}"
            raise ValueError(message)
        return text

    schema: dict[str, Any] = {"type": "string", "enum": list(options)} | ({"default": default} if default else {})
    return Parameter(name=name, description=description, schema=schema, parse=parse, default=default, required=required)


def text(name: str, description: str, *, most: int = 200, required: bool = False, example: str | None = None) -> Parameter:
    """Any text up to a length; an empty one counts as not given."""

    def parse(value: str) -> str | None:
        if len(value) > most:
            message = f"must be at most {most} characters long"
            raise ValueError(message)
        return value or None

    schema = {"type": "string", "maxLength": most} | ({"minLength": 1} if required else {})
    return Parameter(name=name, description=description, schema=schema, parse=parse, required=required, example=example)


def names(name: str, description: str, *, required: bool = False, most: int = IDS_MAX, example: list[str] | None = None) -> Parameter:
    """Several ids, separated by commas. None where it is not given; an empty tuple can't be."""

    def parse(value: str) -> tuple[str, ...] | None:
        found = tuple(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))
        if len(found) > most:
            message = f"must be at most {most} ids"
            raise ValueError(message)
        return found or None

    schema = {"type": "array", "items": {"type": "string", "minLength": 1}, "maxItems": most} | ({"minItems": 1} if required else {})
    return Parameter(name=name, description=description, schema=schema, parse=parse, required=required, several=True, example=example)


def moment(name: str, description: str) -> Parameter:
    """A time: ISO 8601, or seconds or milliseconds since 1970. Without an offset it is UTC, without a time of day midnight.

    An empty one counts as not given.
    """
    wanted = "must be a time from 1970 to 2199, like 2026-03-01, 2026-03-01T12:00:00Z or 1772366400 (seconds since 1970, or milliseconds)"

    def parse(value: str) -> datetime | None:
        if not value:
            return None
        try:
            at = _unix_time(float(value)) if _UNIX_TIME.fullmatch(value) else datetime.fromisoformat(_SPACED_OFFSET.sub(r"\1+\2", value))
            at = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            raise ValueError(wanted) from None
        if not _FIRST_YEAR <= at.year <= _LAST_YEAR:
            raise ValueError(wanted)
        return at

    schema = {"type": "string", "maxLength": 40}
    return Parameter(name=name, description=description, schema=schema, parse=parse)


def _unix_time(number: float) -> datetime:
    return datetime.fromtimestamp(number / 1000 if number > _SECONDS_MAX else number, UTC)


def path_number(text: str, most: int) -> int | None:
    """A number from 1 to `most` in a path, or None: an id that nothing has."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(most)) else 0
    return number if 0 < number <= most else None


def read(parameters: Sequence[Parameter], query_string: bytes) -> dict[str, Any]:
    """The values of the declared parameters; others are ignored. Raises ProblemError that names every bad one."""
    given: dict[str, list[str]] = {}
    if query_string:
        for name, value in pairs(query_string):
            given.setdefault(name, []).append(value)
    values: dict[str, Any] = {}
    errors: list[tuple[str, str]] = []
    for parameter in parameters:
        texts = given.get(parameter.name)
        try:
            values[parameter.name] = parameter.default if texts is None else _value(parameter, texts)
        except ValueError as error:
            errors.append((parameter.name, str(error)))
        else:
            if parameter.required and values[parameter.name] is None:
                errors.append((parameter.name, "is required"))
    if errors:
        raise invalid_parameters(errors)
    return values


def pairs(query_string: bytes) -> list[tuple[str, str]]:
    """Names and values in their order. Raises ProblemError where they are not UTF-8."""
    try:
        return [(_decoded(name), _decoded(value)) for name, _, value in (part.partition(b"=") for part in query_string.split(b"&") if part)]
    except UnicodeDecodeError:
        detail = "the query string is not UTF-8 once its percent-encoding is undone"
        raise invalid_request(detail) from None


def _decoded(value: bytes) -> str:
    return unquote_to_bytes(value.replace(b"+", b" ")).decode("utf-8", "strict")


def _value(parameter: Parameter, texts: list[str]) -> Any:  # noqa: ANN401  # each parameter has a type of its own
    if len(texts) > 1 and not parameter.several:
        raise ValueError("must be given once")  # noqa: EM101, TRY003  # the message is the specification
    return parameter.parse(",".join(texts))
