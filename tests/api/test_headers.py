"""The headers that keep browsers from doing more with an answer than was meant, on every answer there is."""

import asyncio
import re
from collections.abc import AsyncIterator

import pytest

from kasparro.api.app import operations
from kasparro.errors import SettingsError
from kasparro.store.pool import Database
from tests.api.conftest import TOKEN, Server, api_over
from tests.api.factory import Market
from tests.conftest import make_settings

EVERY = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin"}
STRICT = "default-src 'none'; frame-ancestors 'none'"
FILLED = {"coin_id": "coin-1", "run_id": "1", "file": "swagger-ui-bundle.js", "judgement_id": "1", "format": "csv"}
SITE, OTHER = "https://prices.example", "https://evil.example"
# Their own policies: no script and no style but from here, and nothing from elsewhere.
FORBIDDEN_IN_PAGES = ("unsafe-eval", "'unsafe-inline' 'self'", "*", "http:", "https:")


def _paths(server: Server) -> list[tuple[str, str]]:
    found = [(o.method, o.path.format(**FILLED)) for o in operations(server.services) if o.path != "/stream"]
    return [*found, ("GET", "/nowhere"), ("PUT", "/data"), ("GET", "/data?limit=0"), ("OPTIONS", "/data"), ("GET", "/%ff"), ("GET", "/%")]


async def _pages(server: Server) -> list[tuple[str, str]]:
    """The pages for people that no operation of the API has the path of, and every file that they load."""
    paths = ["/", "/coins/coin-1", "/runs/1", "/pages/runs", "/pages/review", "/pages/nothing"]
    text = "".join([str((await server.get(path, headers={"Accept": "text/html"}))[1]) for path in paths])
    files = sorted(set(re.findall(r'(?:href|src)="(/[^"?#]+\.[a-z]+)"', text)))
    assert len(files) > 4
    return [("GET", path) for path in [*paths, *files, files[0] + "x"]]


async def test_every_answer_carries_the_security_headers(filled: Server) -> None:
    """All paths, twice, so that the prepared answers are among them; refusals, redirects and files; pages say a policy of their own."""
    for method, path in [*_paths(filled), *await _pages(filled)]:
        for accept in ("application/json", "text/html"):
            for _ in range(2):
                status, _, headers = await filled.request(method, path, headers={"Accept": accept})
                shown = {name: headers.get(name) for name in EVERY}
                assert shown == EVERY, (method, path, status)
                policy = headers["Content-Security-Policy"]
                if policy != STRICT:
                    assert headers["Content-Type"].startswith("text/html")
                    assert "frame-ancestors 'none'" in policy
                    assert "default-src 'none'" in policy
                    assert "base-uri 'none'" in policy  # for this and the next one the default does not count
                    assert "form-action '" in policy
                    assert "; script-src 'self'; " in policy
                    assert not [word for word in FORBIDDEN_IN_PAGES if word in policy]
                    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
                    assert "camera=()" in headers["Permissions-Policy"]


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
async def test_a_304_leaves_the_policy_of_the_stored_answer_alone(filled: Server, accept: str) -> None:
    """A browser would put the policy of a 304 in the place of the one that came with the page."""
    for path in ("/", "/data", "/coins/coin-1", "/docs/start.js"):
        tag = (await filled.get(path, headers={"Accept": accept}))[2].get("ETag")
        if tag is None:
            continue
        status, _, headers = await filled.get(path, headers={"If-None-Match": tag, "Accept": accept})
        assert status == 304
        assert {name: headers.get(name) for name in EVERY} == EVERY
        assert "Content-Security-Policy" not in headers


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET /\xff HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 66_000, 431),
    ],
)
async def test_what_is_refused_before_the_application_sees_it_is_a_problem_with_them_too(filled: Server, sent: bytes, status: int) -> None:
    """What is no request, and one with too large a head; the connection is closed."""
    host, _, port = filled.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(sent)
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    head = answer.partition(b"\r\n\r\n")[0].decode().lower()
    assert head.startswith(f"http/1.1 {status} ")
    assert "content-type: application/problem+json" in head
    for name, value in {**EVERY, "Content-Security-Policy": STRICT}.items():
        assert f"{name}: {value}".lower() in head


@pytest.fixture
async def opened(db: Database, market: Market) -> AsyncIterator[Server]:
    """The API with one coin, open to the pages of one site."""
    await market.coin("bitcoin", 1.0)
    async with api_over(db, make_settings(KASPARRO_CORS_ORIGINS=f"{SITE}, http://localhost:3000", KASPARRO_ADMIN_TOKEN=TOKEN)) as api:
        await api.refresh()
        yield api


async def test_other_sites_read_nothing_unless_configured(filled: Server) -> None:
    """No header of CORS is sent, whoever asks, and asking beforehand is an ordinary OPTIONS."""
    asked = {"Origin": SITE, "Access-Control-Request-Method": "GET"}
    for path in ("/data", "/coins/coin-1", "/health"):
        for method in ("GET", "OPTIONS"):
            _, _, headers = await filled.request(method, path, headers=asked)
            assert not [name for name in headers if name.lower().startswith("access-control")]
            assert "Origin" not in headers.get("Vary", "")


async def test_the_configured_sites_read_and_no_others(opened: Server) -> None:
    """Their origin alone is named, caches are told that answers differ by it, and credentials are never allowed; prepared answers too."""
    for path in ("/data", "/coins/bitcoin", "/health", "/nowhere", "/metrics"):
        for _ in range(2):
            for origin, allowed in ((SITE, SITE), (OTHER, None), ("null", None), (f"{SITE}.evil.example", None), (None, None)):
                _, _, headers = await opened.get(path, headers={"Origin": origin} if origin else {})
                assert headers.get("Access-Control-Allow-Origin") == allowed, (path, origin)
                assert "Origin" in ", ".join(headers.getall("Vary"))
                assert "Access-Control-Allow-Credentials" not in headers
                assert (headers.get("Access-Control-Expose-Headers") == "*") == (allowed is not None)


async def test_a_browser_that_asks_beforehand_is_answered(opened: Server) -> None:
    """Reading is allowed to the configured sites; others get an ordinary answer to OPTIONS."""
    asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "x-request-id"}
    for path in ("/data", "/coins/bitcoin", "//data/"):
        status, _, headers = await opened.request("OPTIONS", path, headers={"Origin": SITE, **asked})
        assert (status, headers["Access-Control-Allow-Methods"], headers["Access-Control-Allow-Headers"]) == (204, "GET, HEAD", "*")
        assert headers["Access-Control-Allow-Origin"] == SITE
        _, _, headers = await opened.request("OPTIONS", path, headers={"Origin": OTHER, **asked})
        assert not [name for name in headers if name.lower().startswith("access-control")]


async def test_no_other_site_is_ever_let_in_under_admin(opened: Server, db: Database) -> None:
    """Not the configured ones, and not where any site may read."""
    async with api_over(db, make_settings(KASPARRO_CORS_ORIGINS="*", KASPARRO_ADMIN_TOKEN=TOKEN)) as any_site:
        for server in (opened, any_site):
            for method in ("OPTIONS", "POST"):
                for path in ("/admin/run-etl", "//admin//run-etl"):
                    asked = {"Origin": SITE, "Access-Control-Request-Method": "POST", "Authorization": f"Bearer {TOKEN}"}
                    _, _, headers = await server.request(method, path, headers=asked)
                    assert not [name for name in headers if name.lower().startswith("access-control")]
        _, _, headers = await any_site.get("/data", headers={"Origin": OTHER})
        assert headers["Access-Control-Allow-Origin"] == "*"
        assert "Origin" not in headers.get("Vary", "")


@pytest.mark.parametrize("value", ["prices.example", "https://prices.example/", "*, https://prices.example", "null", "https://*.example"])
def test_what_is_no_origin_is_named(value: str) -> None:
    """With what to write instead."""
    with pytest.raises(SettingsError, match=r"KASPARRO_CORS_ORIGINS: .* write https://host"):
        make_settings(KASPARRO_CORS_ORIGINS=value)
