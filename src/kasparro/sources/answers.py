"""What an answer that is no data says, in words that fit into a log line: bounded and on one line."""

import html
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec

from kasparro.errors import AbortError, KasparroError, RetryError, SkipError
from kasparro.records import Record
from kasparro.sources.base import HttpSource

TEXT_MAX = 200  # characters of the other side's own words in a message of ours
_BYTES_MAX = 65_536  # of a body that is looked at for them
_CODE_MOST = 99_999
_FIREWALL_CODE = 1020  # Cloudflare's "access denied"; it comes as HTML with status 403
_TITLE = re.compile(r"<title[^>]{0,200}>(.{0,500}?)</title>", re.IGNORECASE | re.DOTALL)
_CLOUDFLARE_CODE = re.compile(r"error code:?\s{0,5}(\d{3,5})", re.IGNORECASE)
_UNSEEN = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029]+")


class Answer(Record, frozen=True, kw_only=True):
    """An answer as it came."""

    status: int
    body: bytes
    etag: str
    retry_after_seconds: float | None
    location: str


# What an answer of another status than 200 means for the caller, and the error's code. 5xx is trouble that passes; the rest
# of the 4xx is a request that this API does not understand.
_MEANINGS: dict[int, tuple[type[KasparroError], str]] = {
    HTTPStatus.UNAUTHORIZED: (AbortError, "key_refused"),
    HTTPStatus.PAYMENT_REQUIRED: (AbortError, "plan_refused"),
    HTTPStatus.FORBIDDEN: (AbortError, "key_refused"),
    HTTPStatus.NOT_FOUND: (SkipError, "not_found"),
    HTTPStatus.REQUEST_TIMEOUT: (RetryError, "upstream_error"),
    HTTPStatus.TOO_EARLY: (RetryError, "upstream_error"),
    HTTPStatus.TOO_MANY_REQUESTS: (RetryError, "rate_limited"),
    HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS: (AbortError, "blocked"),
}
_ADVICE = {
    "blocked": "its firewall blocks this address; wait, ask less often, or use another address",
    "upstream_error": "trouble on its side, usually over soon",
    "refused": "the request was not understood, so the API may have changed",
}


class Said(msgspec.Struct, frozen=True):
    """The error in an answer: the source's own code and words, as far as it sent any."""

    code: int | None = None
    text: str = ""
    is_html: bool = False

    def __str__(self) -> str:
        """For a message: `10010: "..."`, or nothing."""
        words = f'"{self.text}"' if self.text else ""
        return f"{self.code}: {words}".rstrip(": ") if self.code is not None else words


def one_line(text: str) -> str:
    """Text of the other side as a message may show it: no control characters, at most TEXT_MAX characters."""
    text = _UNSEEN.sub(" ", text).strip()
    return text if len(text) <= TEXT_MAX else text[: TEXT_MAX - 1] + "…"


def error_for(what: str, status: int, words: Said, advice: Mapping[str, str]) -> KasparroError:
    """The error that an answer amounts to: `what` happened, in the source's words, and what to do about it.

    `advice` has a source's own sentence per code: rate_limited, key_refused, plan_refused, not_found, as needed.
    """
    if words.code == _FIREWALL_CODE or (status == HTTPStatus.FORBIDDEN and words.is_html):
        meaning: tuple[type[KasparroError], str] = (AbortError, "blocked")
    elif status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        meaning = (RetryError, "upstream_error")
    else:
        meaning = _MEANINGS.get(status, (SkipError, "refused"))
    family, code = meaning
    shown = f"{what} ({words})" if str(words) else what
    return family(f"{shown}: {advice.get(code) or _ADVICE[code]}", code=code)


def said(body: bytes) -> Said:
    """Read the error out of a body of any of the known shapes: `{"error": "..."}`, `{"status": {...}}`, one in the other, HTML."""
    body = body[:_BYTES_MAX]
    if _is_html(body):
        text = body.decode(errors="replace")
        title, code = _TITLE.search(text), _CLOUDFLARE_CODE.search(text)
        return Said(int(code[1]) if code else None, one_line(html.unescape(title[1])) if title else "", is_html=True)
    code_found, words = _in_json(body)
    return Said(code_found, one_line(words))


def _in_json(body: bytes) -> tuple[int | None, str]:
    try:
        answer: Any = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        code = _CLOUDFLARE_CODE.search(text := body.decode(errors="replace"))
        return (int(code[1]) if code else None), text
    for name in ("error", "status"):
        if isinstance(answer, dict) and isinstance(answer.get(name), dict):
            answer = answer[name]
    if isinstance(answer, dict):
        code_said = answer.get("error_code")
        words = next((answer[n] for n in ("error_message", "error", "message", "detail") if isinstance(answer.get(n), str)), "")
        return (code_said if isinstance(code_said, int) and 0 <= code_said <= _CODE_MOST else None), words
    return None, answer if isinstance(answer, str) else ""


def data_of(source: HttpSource, status: int, body: bytes, retry_after_seconds: float | None, where: str) -> bytes:
    """The body of an answer that looks like data. Raises the error that the answer amounts to otherwise."""
    if status == HTTPStatus.OK:
        hidden = source.hidden_error(body)
        if hidden is None:
            text = body.strip()
            if text[:1] + text[-1:] in {b"[]", b"{}"}:
                return body
            hidden = RetryError(f"{where}: expected JSON, got {described(body)}", code="not_json")
        error: KasparroError = hidden
    else:
        error = source.explain(status, body)
    if isinstance(error, RetryError) and retry_after_seconds is not None:
        error.retry_after_seconds = retry_after_seconds
    raise error


def described(body: bytes) -> str:
    """What a body is, where something else was expected: 'an object with "data"', 'HTML ("Access denied")'."""
    text = body.strip()
    if not text:
        return "an empty body"
    if _is_html(text[:_BYTES_MAX]):
        words = said(text).text
        return f'HTML ("{words}")' if words else "HTML"
    try:
        answer: Any = msgspec.json.decode(text) if len(text) <= _BYTES_MAX else None
    except (ValueError, RecursionError):
        answer = None
    if isinstance(answer, dict):
        error = str(said(text))
        names = one_line(", ".join(f'"{name}"' for name in list(answer)[:8]))
        return f"an object with {names}" + (f", saying {error}" if error else "") if answer else "an empty object"
    if isinstance(answer, list):
        return "a list"
    return f"{len(text):,} bytes that start with {one_line(text[:40].decode(errors='replace'))!r}"


def _is_html(body: bytes) -> bool:
    return body.lstrip()[:1] == b"<"
