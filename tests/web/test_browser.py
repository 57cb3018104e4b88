"""The pages in a real browser: what is seen, heard and typed."""

import pytest
from playwright.async_api import Browser

from kasparro.web import figures
from tests.api.conftest import Server
from tests.api.factory import Market
from tests.web.browser import AXE, LOOKS, NARROW, WIDE, Visit, Visitor, until
from tests.web.scene import Scene
from tests.web.test_figures import AMOUNTS, PRICES

pytestmark = pytest.mark.slow

# What each page is called in pictures, where it is, and what is there once its scripts have done their work.
PAGES = {
    "coins": ("/", "[data-state=on]"),
    "coin": ("/pages/coins/bitcoin", "#chart canvas"),
    "missing": ("/pages/coins/bitcon", "a[href='/pages/coins/bitcoin']"),
    "found-nothing": ("/?q=no+such+coin", "[data-state=on]"),
    "docs": ("/docs", "#operations .opblock"),
}


async def _settled(visit: Visit, path: str, there: str) -> None:
    await visit.open(path)
    await visit.page.locator(there).first.wait_for()


async def _fit(visit: Visit) -> None:
    """Whatever has been done on the page, nothing scrolls sideways, and axe-core is content where it is installed."""
    assert not await visit.overflows()
    if AXE.exists():
        assert await visit.violations() == []


@pytest.mark.parametrize("name", PAGES)
async def test_a_page_is_fit_for_everybody(visitor: Visitor, name: str) -> None:
    """In both themes, on a phone, a desk and turned: nothing scrolls sideways or fails, nobody else is asked, and axe-core is content."""
    path, there = PAGES[name]
    for theme, width in LOOKS:
        async with visitor.visit(width=width, theme=theme) as visit:
            await _settled(visit, path, there)
            await visit.shoot(f"{name}-{theme}-{width}")
            await _fit(visit)
            other = WIDE + NARROW - width
            await visit.resize(other)
            await visit.shoot(f"{name}-{theme}-{other}")
            assert not await visit.overflows()
            # The answer to a page that is not there is an error of the network to the browser's console.
            assert [t for t in visit.trouble if "404" not in t] == []
    if not AXE.exists():
        pytest.skip("axe-core is not installed (npm --prefix tests/web ci)")


async def test_an_operation_is_tried_in_the_docs(visitor: Visitor) -> None:
    """By keys alone: Enter opens it and its address does, too; a wrong try, a right one, schemas and the dialog are fit for everybody."""
    for theme, width in LOOKS:
        async with visitor.visit(width=width, theme=theme) as visit:
            # What is still fading in has no contrast yet.
            await visit.page.emulate_media(reduced_motion="reduce")
            await _settled(visit, "/docs", "#operations .opblock")
            opened = visit.page.locator(".opblock:has([data-path='/coins/{coin_id}'])")
            await opened.locator(".opblock-summary-control").focus()
            await visit.page.keyboard.press("Enter")
            assert visit.page.url.endswith("/docs#/coins/show_coin")
            await visit.page.reload()
            await opened.locator(".responses-table").wait_for()
            await _fit(visit)
            await opened.get_by_role("button", name="Try it out").press("Enter")
            execute = opened.get_by_role("button", name="Execute")
            await execute.press("Enter")
            await opened.locator("input.invalid").wait_for()
            await _fit(visit)
            await opened.get_by_role("textbox", name="coin_id").fill("bitcoin")
            await execute.press("Enter")
            await opened.locator(".live-responses-table").wait_for()
            for schema in await opened.get_by_role("tab", name="Schema").all():
                await schema.press("Enter")
            await visit.shoot(f"docs-tried-{theme}-{width}")
            await _fit(visit)
            await visit.page.locator(".btn.authorize").press("Enter")
            await visit.page.get_by_role("button", name="Close").first.wait_for()
            await _fit(visit)
            # Swagger UI warns of every underscore in an operation's address, be it a space or not.
            assert [t for t in visit.trouble if "escaping deep link" not in t] == []


async def test_docs_without_a_document_say_so(visitor: Visitor) -> None:
    """An error instead of the operations is fit for everybody too."""
    async with visitor.visit(width=NARROW, theme="dark") as visit:
        await visit.page.route("**/openapi.json", lambda route: route.fulfill(status=503))
        await _settled(visit, "/docs", ".errors__title")
        await _fit(visit)


async def test_the_check_of_pages_sees_what_is_wrong(visitor: Visitor) -> None:
    """A picture without words and letters that fade into their ground would not pass."""
    if not AXE.exists():
        pytest.skip("axe-core is not installed (npm --prefix tests/web ci)")
    async with visitor.visit() as visit:
        await visit.open("/pages/coins/bitcon")
        await visit.page.evaluate("document.querySelector('h1').style.color = '#ddd'; main.append(new Image())")
        found = {violation.partition(":")[0] for violation in await visit.violations()}
        assert {"image-alt", "color-contrast"} <= found


async def test_pages_read_well_without_scripts(visitor: Visitor) -> None:
    """The coins, a search and a coin with its course are there; what only scripts could do is not shown."""
    for width in (WIDE, NARROW):
        async with visitor.visit(width=width, scripts=False) as visit:
            await visit.open("/")
            assert await visit.text("tbody tr:first-child th") != ""
            await visit.page.locator("input[type=search]").fill("ethereum")
            await visit.page.keyboard.press("Enter")
            await visit.page.wait_for_url("**/?q=ethereum")
            assert await visit.text("tbody tr:first-child th a") == "Ethereum"
            await visit.page.locator("tbody tr:first-child th a").click()
            assert (await visit.text(".now")).startswith("$")
            assert await visit.page.locator("#chart polyline").count() == 1
            assert not await visit.page.locator("[data-switches], [data-theme-switch]").first.is_visible()
            assert not await visit.overflows()
            await visit.shoot(f"coin-without-scripts-{width}")
            assert visit.trouble == []


async def test_the_search_answers_while_one_types(visitor: Visitor) -> None:
    """The list follows the words, says how many it found, and is not asked for anew when one goes back."""
    async with visitor.visit() as visit:
        await _settled(visit, "/", "[data-state=on]")
        await visit.page.locator("input[type=search]").press_sequentially("wrapped b", delay=20)
        await visit.page.get_by_text("for “wrapped b”").wait_for()
        assert await visit.text("tbody tr:first-child th a") == "Wrapped Bitcoin"
        assert visit.page.url.endswith("/?q=wrapped+b")
        assert await visit.page.locator("input[type=search]").evaluate("e => e === document.activeElement")
        assert visit.trouble == []


async def test_the_keyboard_leads_everywhere(visitor: Visitor) -> None:
    """The first key skips to the content, a slash leads to the search, arrows go through the coins, and Enter opens one."""
    async with visitor.visit() as visit:
        await _settled(visit, "/", "[data-state=on]")
        keyboard = visit.page.keyboard
        await keyboard.press("Tab")
        assert await visit.text(":focus") == "Skip to content"
        await keyboard.press("/")
        await keyboard.type("eth")
        await visit.page.get_by_text("for “eth”").wait_for()
        await keyboard.press("ArrowDown")
        first = await visit.text(":focus")
        await keyboard.press("ArrowDown")
        assert await visit.text(":focus") != first
        await keyboard.press("ArrowUp")
        assert await visit.text(":focus") == first
        await keyboard.press("Enter")
        await visit.page.wait_for_url("**/pages/coins/*")
        assert first in await visit.text("h1")


async def test_prices_change_in_place(visitor: Visitor, scene: Scene) -> None:
    """A run's news reaches an open page, on the list and on a coin's page, what each source says included."""
    async with visitor.visit() as listed, visitor.visit() as alone:
        await _settled(listed, "/", "[data-state=on]")
        await _settled(alone, "/pages/coins/bitcoin", "[data-state=on]")
        cell, figure = "tr[data-id=bitcoin] [data-figure=price]", ".now [data-figure=price]"
        before = await listed.text(cell)
        await scene.move()

        async def changed() -> bool:
            return before not in {await listed.text(cell), await alone.text(figure)}

        await until(changed)
        value = scene.services.catalog.current.find("bitcoin")
        assert value is not None
        assert value.price is not None
        told = figures.price(value.price.value)
        assert await listed.text(cell) == await alone.text(figure) == told

        async def quoted() -> bool:
            return await alone.text("#quoted tr:has(.chip.is-ok) data") == told and str(value.price.value) in await alone.text("#whence")

        await until(quoted)
        assert listed.trouble == alone.trouble == []


async def test_names_and_prices_of_any_length_fit_on_a_phone(browser: Browser, api: Server, market: Market) -> None:
    """A name without a space, and the smallest and largest prices, push nothing out of sight."""
    long = "Wrapped" * 20
    contract = ("ethereum", "0x" + "a" * 300)
    await market.coin("long", 1e-18, name=long, symbol=long, market_cap=1.26e14, sources=("coingecko", "coinpaprika"), contract=contract)
    await market.coin("large", 1.26e14, market_cap=1e13)
    await api.refresh()
    async with Visitor(browser, api.url).visit(width=NARROW) as visit:
        for path in ("/", "/pages/coins/long", "/pages/coins/large", f"/?q={long}"):
            await visit.open(path)
            assert not await visit.overflows()
        await _settled(visit, "/", "[data-state=on]")
        figure = visit.page.locator("tr[data-id=long] [data-figure=price]")
        box = await figure.bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= NARROW
        assert await figure.inner_text() == "$0.0₁₇1000"
        await visit.shoot("coins-long")
        # The server's clock stands still in the past of the browser's, to which a chart's span is yet to come.
        assert [t for t in visit.trouble if "400" not in t] == []


async def test_the_first_prices_come_to_an_open_page(browser: Browser, api: Server, market: Market) -> None:
    """Whoever looks at a service that has just begun need not load the page again; flags change with the prices."""
    async with Visitor(browser, api.url).visit() as visit:
        await _settled(visit, "/", "[data-state=on]")
        assert await visit.page.locator("tbody").count() == 0
        key = await market.coin("first", 2.0)
        await api.refresh()
        await visit.page.locator("tr[data-id=first]").wait_for()
        await market.reprice(key, 3.0)
        await market.execute("UPDATE latest_prices SET flags = '{single_source,thin}'")
        await api.refresh()
        await visit.page.get_by_role("table").get_by_text("thin market").wait_for()
        assert await visit.text("[data-figure=price]") == "$3.00"
        assert visit.trouble == []


async def test_a_lost_connection_is_shown_and_made_anew(visitor: Visitor) -> None:
    """Whoever looks at prices that stand still is told so, until they move again."""
    async with visitor.visit() as visit:
        await visit.page.route("**/stream*", lambda route: route.abort())
        await _settled(visit, "/", "[data-state=lost]")
        assert "lost" in await visit.text("#live")
        await visit.page.unroute("**/stream*")
        await visit.page.locator("[data-state=on]").wait_for(timeout=15_000)
        assert await visit.text("[data-live]") == "live"


async def test_the_chart_shows_every_span_and_kind(visitor: Visitor) -> None:
    """Each switch leads to another series, and says what is drawn."""
    async with visitor.visit() as visit:
        await _settled(visit, "/pages/coins/bitcoin", "#chart canvas")
        for switch, expected in (
            ("Candles", "spans of 4 hours"),
            ("30 d", "spans of 12 hours"),
            ("All", "days"),
            ("Line", "days"),
            ("90 d", "hours"),
        ):
            said = await visit.text("#chart-said")
            await visit.page.get_by_role("button", name=switch, exact=True).click()

            async def drawn(before: str = said, words: str = expected) -> bool:
                now = await visit.text("#chart-said")
                return words in now and (now != before or now != "")

            await until(drawn)
            assert await visit.page.locator("button[aria-pressed=true]").get_by_text(switch, exact=True).count() == 1
        await visit.page.get_by_role("button", name="Candles").click()
        await visit.page.get_by_role("button", name="7 d", exact=True).click()
        await visit.page.wait_for_timeout(300)
        await visit.shoot("coin-candles")
        assert visit.trouble == []


async def test_the_chosen_theme_is_remembered(visitor: Visitor) -> None:
    """The switch turns the theme over, and the next page has it before it is painted."""
    async with visitor.visit(theme="light") as visit:
        await _settled(visit, "/", "[data-theme-switch]")
        ground = "getComputedStyle(document.body).backgroundColor"
        light = await visit.page.evaluate(ground)
        await visit.page.locator("[data-theme-switch]").click()
        dark = await visit.page.evaluate(ground)
        assert dark != light
        await visit.open("/pages/coins/bitcoin")
        assert await visit.page.evaluate(ground) == dark


async def test_scripts_write_figures_as_the_server_does(visitor: Visitor, scene: Scene) -> None:
    """What changes while a page is open looks as it did before."""
    async with visitor.visit() as visit:
        await visit.open("/")
        source = await visit.page.locator("script[src$='page.js']").get_attribute("src")
        assert source is not None
        module = source.replace("page.js", "figures.js")
        for name, cases in (("price", PRICES), ("amount", AMOUNTS)):
            script = f"values => import('{module}').then(m => values.map(m.{name}))"
            assert await visit.page.evaluate(script, [value for value, _ in cases]) == [text for _, text in cases]
