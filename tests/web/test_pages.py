"""The pages as they come over the wire, without a browser."""

import re
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit

import pytest

from kasparro.errors import DatabaseError
from tests.api.conftest import Server
from tests.api.factory import Market

HTML = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
FIRST_VIEW_BYTES_MAX = 150_000


class Page(HTMLParser):
    """What a page refers to, and what stands in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inline: list[str] = []  # what a strict policy would block
        self._in = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what is referred to."""
        found = dict(attrs)
        self.tags.append((tag, found))
        self._in = tag if tag in {"script", "style"} else self._in
        if tag == "a" and (href := found.get("href")):
            self.links.append(href)
        if tag in {"script", "link", "img"} and (loaded := found.get("src") or found.get("href")):
            self.loads.append(loaded)
        self.inline += [name for name in found if name == "style" or name.startswith("on")]

    def handle_endtag(self, tag: str) -> None:
        """Leave a script."""
        self._in = ""

    def handle_data(self, data: str) -> None:
        """Note what stands in a script."""
        if self._in and data.strip():
            self.inline.append(data)


async def page(server: Server, path: str) -> tuple[int, Page, Any, str]:
    """(status, what the page has, headers, text)."""
    status, body, headers = await server.get(path, headers=HTML)
    text = body.decode()
    return status, Page(text), headers, text


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/json, text/html;q=0.5", "text/html;q=0"])
async def test_programs_get_json_at_the_root(filled: Server, accept: str) -> None:
    """A client that does not prefer HTML gets what it always got, and caches are told that it depends."""
    status, body, headers = await filled.get("/", headers={"Accept": accept})
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert body["name"] == "kasparro"
    assert "Accept" in headers["Vary"]


async def test_browsers_get_the_coins(filled: Server) -> None:
    """The root has a search box, the coins with links to their pages, and links to the runs and the review."""
    status, found, headers, text = await page(filled, "/")
    assert status == 200
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert "Accept" in headers["Vary"]
    assert any(tag == "input" and attributes.get("type") == "search" for tag, attributes in found.tags)
    assert {"/pages/runs", "/pages/review", "/docs", "/health"} <= set(found.links)
    assert [link for link in found.links if link.startswith("/pages/coins/")] == [f"/pages/coins/coin-{n}" for n in range(30)]
    assert text.count("<h1") == 1


async def test_nothing_stands_in_a_page_that_a_strict_policy_forbids(filled: Server) -> None:
    """Scripts and styles are files of ours, and the policy lets nothing else run."""
    _, found, headers, _ = await page(filled, "/")
    assert found.inline == []
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert not re.search(r"unsafe|\*|https?:", policy)
    assert found.loads
    assert not [load for load in found.loads if urlsplit(load).netloc]


async def test_files_are_kept_for_ever_under_their_digest_only(filled: Server) -> None:
    """What a page loads may be cached for good; under the digest of another release it may not."""
    _, found, _, _ = await page(filled, "/")
    for load in found.loads:
        status, _, headers = await filled.get(load)
        assert (status, "immutable" in headers["Cache-Control"]) == (200, True)
        other = re.sub(r"(/pages/files/)\w+", r"\g<1>0000", load)
        status, _, headers = await filled.get(other)
        assert (status, headers["Cache-Control"]) == (200, "no-cache")
    assert (await filled.get("/pages/files/0000/secrets.txt"))[0] == 404


async def test_hostile_names_are_text(api: Server, market: Market) -> None:
    """What a source says is never markup, wherever it stands."""
    hostile = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
    await market.coin("bad", 1.0, name=hostile, symbol='"><B>', market_cap=1.0)
    await api.refresh()
    _, found, _, text = await page(api, "/")
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert found.inline == []
    assert not [tag for tag, _ in found.tags if tag in {"img", "b"}]
    _, found, _, text = await page(api, "/?q=%3Cscript%3Ealert(1)%3C/script%3E%22")
    assert "<script>alert" not in text
    assert found.inline == []


@pytest.mark.parametrize("path", ["/", "/pages/coins/coin-1"])
async def test_the_first_view_is_small(filled: Server, path: str) -> None:
    """A page with all that it loads, and what that loads, is under 150 kB as a browser gets it."""
    _, found, _, _ = await page(filled, path)
    waiting, seen, total = [path, *found.loads], set[str](), 0
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        headers = HTML | {"Accept-Encoding": "gzip"}
        async with filled.client.get(urljoin(filled.url, one), headers=headers) as answer:
            total += int(answer.headers["Content-Length"])
            if one.endswith(".js"):
                waiting += [urljoin(one, name) for name in re.findall(r'(?:from |import\()"(\./[\w-]+\.js)"', await answer.text())]
    assert any(name.endswith("/live.js") for name in seen)
    assert total < FIRST_VIEW_BYTES_MAX


async def test_a_bad_query_gets_a_page_that_says_what_is_wrong(filled: Server) -> None:
    """A person is told in a page, with the status that a program would get."""
    status, _, headers, text = await page(filled, "/?order=sideways")
    assert (status, headers["Content-Type"]) == (400, "text/html; charset=utf-8")
    assert "must be one of" in text


async def test_a_walk_over_the_pages_shows_each_coin_once(api: Server, market: Market) -> None:
    """The links of the pages lead through the whole list."""
    for n in range(60):
        await market.coin(f"coin-{n}", 1.0, market_cap=1000.0 - n)
    await api.refresh()
    path: str | None = "/"
    seen: list[str] = []
    while path:
        _, found, _, _ = await page(api, path)
        seen += [link for link in found.links if link.startswith("/pages/coins/")]
        path = next((str(a["href"]) for tag, a in found.tags if tag == "a" and a.get("rel") == "next"), None)
    assert seen == [f"/pages/coins/coin-{n}" for n in range(60)]


async def test_a_coin_has_a_page(filled: Server) -> None:
    """It has the price, its sources' own pages, the JSON, and why its listing is the coin."""
    status, found, headers, text = await page(filled, "/pages/coins/coin-3")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert found.inline == []
    assert "$4.00" in text
    assert {"https://www.coingecko.com/en/coins/coin-3", "/coins/coin-3", "/coins/coin-3/history", "/coins/coin-3/candles"} <= set(
        found.links
    )
    assert "Why this listing is this coin" in text
    assert "Compared, and not joined" in text


async def test_an_unknown_coin_gets_a_page_with_what_may_be_meant(filled: Server) -> None:
    """The status is a program's, the words are a person's."""
    status, found, headers, _ = await page(filled, "/pages/coins/coin-99")
    assert (status, headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert [link for link in found.links if link.startswith("/pages/coins/coin-")]


async def test_another_id_of_a_coin_leads_to_its_page(api: Server, market: Market) -> None:
    """An alias and a merged coin's id redirect for good."""
    winner = await market.coin("good", 1.0, source_ids={"coingecko": "good-alias"})
    loser = await market.coin("gone?one", 1.0)
    await market.merge(loser, winner)
    await api.refresh()
    for asked in ("good-alias", "gone%3Fone"):
        status, _, headers = await api.get(f"/pages/coins/{asked}", headers=HTML)
        assert (status, headers["Location"]) == (308, "/pages/coins/good")


async def test_a_coins_page_escapes_what_strangers_say(api: Server, market: Market) -> None:
    """Names, addresses and a person's note are text, and no id leads out of its link."""
    hostile = "<img src=x onerror=alert(1)>\"'"
    key = await market.coin("a?b#c d", 1.0, name=hostile, symbol=hostile, contract=(hostile, hostile))
    await market.coin("other", 2.0, wraps=key, name=hostile)
    await market.judge("coingecko", "other", "a?b#c d", "unsure", note=hostile)
    await api.refresh()
    _, listed, _, _ = await page(api, "/")
    assert "/pages/coins/a%3Fb%23c%20d" in listed.links
    status, found, _, text = await page(api, "/pages/coins/a%3Fb%23c%20d")
    assert status == 200
    assert "<img" not in text
    assert found.inline == []
    assert "/coins/a%3Fb%23c%20d" in found.links


async def test_pages_are_there_while_the_database_is_not(api: Server, market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalog is served on; what only the database knows is said to be missing."""
    await market.coin("steady", 3.0)
    await api.refresh()
    monkeypatch.setattr(api.services.database, "read", _away)
    assert (await page(api, "/"))[0] == 200
    status, _, _, text = await page(api, "/pages/coins/steady")
    assert status == 200
    assert "The database does not answer" in text
    assert "$3.00" in text


def _away(**_: object) -> None:
    raise DatabaseError("away")  # noqa: EM101  # of a test


async def test_every_link_of_the_pages_leads_somewhere(filled: Server) -> None:
    """No link within the service is broken, and those that lead out are the sources' and the chart's makers'."""
    outside = ("https://www.coingecko.com", "https://coinpaprika.com", "https://www.tradingview.com/")
    seen: set[str] = set()
    for path in ("/", "/?q=coin", "/?order=volume", "/pages/coins/coin-1", "/pages/coins/nothing", "/pages/runs", "/pages/review"):
        _, found, _, _ = await page(filled, path)
        seen |= {urldefrag(link).url for link in [*found.links, *found.loads]} - {""}
    for link in sorted(seen):
        if link.startswith("http"):
            assert link.startswith(outside)
        else:
            assert (await filled.get(link, headers=HTML))[0] == 200, link
