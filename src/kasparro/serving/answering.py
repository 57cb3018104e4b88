"""What is answered where the database does not: it may refuse, break off, or hang without a word."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from kasparro import logs
from kasparro.serving.operations import Call
from kasparro.serving.problems import DATABASE_TROUBLE, database_unavailable, trouble

log = logs.get()

# Of a GET, over all its statements. The server ends a statement that takes longer than statement_timeout_seconds, but not where it hangs.
GET_SECONDS_MAX = 8.0

T = TypeVar("T")


async def answered(call: Call, answer: Awaitable[T], seconds: float | None) -> T:
    """The answer. Raises ProblemError where the database gives none, or not within so many seconds; None: as long as it takes."""
    try:
        async with asyncio.timeout(seconds):
            return await answer
    except DATABASE_TROUBLE as error:
        log.warning("http.database_failed", path=call.path, error=trouble(error), request_id=call.request_id)
        raise database_unavailable() from error
