"""Errors as RFC 9457 problem details, each with a stable `code`."""

from collections.abc import Iterable
from http import HTTPStatus
from math import ceil

import asyncpg
import msgspec

from kasparro.errors import DatabaseError

# What is raised where the database cannot be asked.
DATABASE_TROUBLE = (DatabaseError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError, TimeoutError)

MEDIA_TYPE = "application/problem+json"


class ParameterProblem(msgspec.Struct, frozen=True):
    """What is wrong with one parameter."""

    parameter: str
    detail: str


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of every error."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: tuple[ParameterProblem, ...] = ()
    candidates: tuple[str, ...] = ()  # ids that may have been meant
    run_id: int | None = None


class ProblemError(Exception):
    """Answers the request with a problem."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Iterable[ParameterProblem] = (),
        candidates: tuple[str, ...] = (),
        run_id: int | None = None,
        headers: Iterable[tuple[str, str]] = (),
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.title = HTTPStatus(status).phrase
        self.code = code
        self.candidates = candidates
        self.headers = tuple(headers)
        self.body = msgspec.json.encode(
            Problem(
                # Without a page of its own a problem's type is about:blank and its title the status's; `code` tells them apart.
                type="about:blank",
                title=self.title,
                status=status,
                detail=detail,
                code=code,
                errors=tuple(errors),
                candidates=candidates,
                run_id=run_id,
            )
        )


def invalid_parameters(errors: Iterable[tuple[str, str]]) -> ProblemError:
    """400 for bad parameters: (name, what it must be)."""
    found = [ParameterProblem(parameter, detail) for parameter, detail in errors]
    return ProblemError(400, "invalid_parameter", "; ".join(f"{e.parameter} {e.detail}" for e in found), errors=found)


def invalid_request(detail: str) -> ProblemError:
    """400 for a request that can't be understood."""
    return ProblemError(400, "invalid_request", detail)


def trouble(error: Exception) -> str:
    """What a log says of DATABASE_TROUBLE. A time that has passed says nothing itself."""
    return str(error) or "no answer in time"


def not_found(detail: str, *, code: str = "not_found", candidates: tuple[str, ...] = ()) -> ProblemError:
    """404 for an id that nothing has, with ids that may have been meant."""
    return ProblemError(404, code, detail, candidates=candidates)


def catalog_loading() -> ProblemError:
    """503 while it is not known what there is, or no more than what lists show of the coins with a price: a process has just started."""
    detail = (
        "this is not known yet: the service has just started, and serves lists of the coins with a price first. Try again in a second; "
        "GET /health says whether the database answers"
    )
    return ProblemError(503, "catalog_loading", detail, headers=[("retry-after", "1")])


def rate_limited(wait_seconds: float) -> ProblemError:
    """429 for a client that asks too often."""
    seconds = ceil(wait_seconds)
    detail = f"too many requests from this address; wait {seconds} s, or ask for more rows at once: limit= and ids= take many"
    return ProblemError(429, "rate_limited", detail, headers=[("retry-after", str(seconds))])


def too_many_attempts(wait_seconds: float) -> ProblemError:
    """429 for a client that has sent too many wrong tokens."""
    seconds = ceil(wait_seconds)
    detail = f"too many wrong tokens came from this address; for {seconds} s none of it is looked at, the right one included"
    return ProblemError(429, "too_many_attempts", detail, headers=[("retry-after", str(seconds))])


def database_unavailable() -> ProblemError:
    """503 where only the database could answer."""
    detail = "the database does not answer, and only it knows this; /data and /coins are served meanwhile. Try again soon"
    return ProblemError(503, "database_unavailable", detail, headers=[("retry-after", "5")])
