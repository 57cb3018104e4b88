"""The token of /admin: what it opens, and what guessing it comes to."""

from collections.abc import AsyncIterator

import pytest

from kasparro.serving.token import FAILURES_PER_MINUTE
from kasparro.store.pool import Database
from tests.api.conftest import Server, api_over
from tests.conftest import make_settings

TOKEN = "schlüssel zum Büro"


@pytest.fixture
async def closed(db: Database) -> AsyncIterator[Server]:
    """The API with a token, behind a proxy on this machine."""
    async with api_over(db, make_settings(KASPARRO_ADMIN_TOKEN=TOKEN, KASPARRO_TRUSTED_PROXIES="127.0.0.1")) as api:
        yield api


async def _ask(api: Server, token: str | None, client: str = "198.51.100.7") -> tuple[int, str, str | None]:
    headers = {"X-Forwarded-For": client} | ({} if token is None else {"Authorization": f"Bearer {token}"})
    status, body, headers = await api.get("/admin/judgements", headers=headers)
    return status, body.get("code", "") if isinstance(body, dict) else "", headers.get("Retry-After")


async def test_the_token_opens_whatever_it_is_written_in(closed: Server) -> None:
    """UTF-8, as the client sends it; anything else does not, whatever its length."""
    assert (await _ask(closed, TOKEN))[0] == 200
    for wrong in ("", "x", TOKEN[:-1], TOKEN + "x", TOKEN.upper()):
        assert (await _ask(closed, wrong))[:2] == (401, "unauthorized")


async def test_who_guesses_is_shut_out_for_a_while(closed: Server) -> None:
    """After ten wrong ones the client is refused, the right token included, until time has passed; other clients are not."""
    for _ in range(FAILURES_PER_MINUTE):
        assert (await _ask(closed, "guess"))[:2] == (401, "unauthorized")

    assert await _ask(closed, "guess") == (429, "too_many_attempts", "6")
    assert await _ask(closed, TOKEN) == (429, "too_many_attempts", "6")
    assert (await _ask(closed, TOKEN, "198.51.100.8"))[0] == 200

    closed.clock.advance(6)
    assert (await _ask(closed, TOKEN))[0] == 200
    assert (await _ask(closed, "guess"))[0] == 401
    assert (await _ask(closed, TOKEN))[0] == 429


async def test_only_wrong_tokens_count(closed: Server) -> None:
    """A request without one guesses nothing, and the right one may come as often as it likes."""
    for _ in range(3 * FAILURES_PER_MINUTE):
        assert (await _ask(closed, None))[0] == 401
        assert (await _ask(closed, TOKEN))[0] == 200


async def test_a_made_up_address_is_nobody_else(db: Database) -> None:
    """X-Forwarded-For of who is no trusted proxy does not make a guesser another client."""
    async with api_over(db, make_settings(KASPARRO_ADMIN_TOKEN=TOKEN)) as api:
        statuses = [(await _ask(api, "guess", f"198.51.100.{n}"))[0] for n in range(FAILURES_PER_MINUTE + 1)]
    assert statuses == [401] * FAILURES_PER_MINUTE + [429]
