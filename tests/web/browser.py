"""Debian's Chromium over the pages, with all that a test wants to know of a visit."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

HERE = Path(__file__).parent
AXE = HERE / "node_modules" / "axe-core" / "axe.min.js"
NARROW, WIDE = 360, 1280
# Colours are the theme's and what covers what is the width's: these two visits see all of both.
LOOKS = (("light", WIDE), ("dark", NARROW))
_HEIGHTS = {NARROW: 740, WIDE: 900}
# Nothing but the pages is asked for: no updates, no look-ups of the browser's own.
_FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # One process draws all pages: to start one for each takes an eighth of the time.
    "--renderer-process-limit=1",
)
# What is still fading in has no contrast yet: every motion that has an end is led to it.
_STILL = "document.getAnimations().filter((one) => one.effect.getComputedTiming().endTime < Infinity).forEach((one) => one.finish())"
_SHOTS = os.environ.get("KASPARRO_TEST_SCREENSHOTS")


class Visit:
    """A page in a context of its own. `trouble` is what no page may have: errors, and requests to anybody else."""

    def __init__(self, page: Page, context: BrowserContext, url: str) -> None:
        self.page, self.context, self.url = page, context, url
        self.trouble: list[str] = []
        page.on("console", lambda message: self._said(message.type, message.text))
        page.on("pageerror", lambda error: self.trouble.append(str(error)))
        page.on("request", lambda request: self._asked(request.url))

    def _said(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.trouble.append(f"{kind}: {text}")

    def _asked(self, url: str) -> None:
        if not url.startswith(self.url + "/"):
            self.trouble.append(f"asks {url}")

    async def open(self, path: str) -> None:
        """Go to a page."""
        await self.page.goto(self.url + path)

    async def resize(self, width: int) -> None:
        """Turn the desk into a phone, or the other way round, under the page as it is, and let the page see it."""
        await self.page.set_viewport_size({"width": width, "height": _HEIGHTS[width]})
        await self.page.evaluate("new Promise((seen) => requestAnimationFrame(() => requestAnimationFrame(seen)))")

    async def text(self, selector: str) -> str:
        """The text of the first element."""
        return (await self.page.locator(selector).first.inner_text()).strip()

    async def overflows(self) -> bool:
        """Whether the page scrolls sideways."""
        return bool(await self.page.evaluate("document.documentElement.scrollWidth > innerWidth"))

    async def shoot(self, name: str) -> None:
        """A picture of what is seen, where a folder for pictures was named."""
        if _SHOTS:
            await self.page.screenshot(path=f"{_SHOTS}/{name}.png")

    async def violations(self) -> list[str]:
        """What axe-core finds, best practices included. It is put in as a script of the browser's, which no page's policy concerns."""
        if not await self.page.evaluate("'axe' in window"):
            await self.page.evaluate(AXE.read_text(encoding="utf-8") + "; undefined")
        await self.page.evaluate(_STILL)
        found: dict[str, Any] = await self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [f"{v['id']}: {n['html'][:160]} ({n['failureSummary']})" for v in found["violations"] for n in v["nodes"]]


class Visitor:
    """Opens pages of one served market."""

    def __init__(self, browser: Browser, url: str) -> None:
        self._browser, self._url = browser, url

    @asynccontextmanager
    async def visit(self, *, width: int = WIDE, theme: Any = "light", scripts: bool = True) -> AsyncIterator[Visit]:
        """A window of its own with nothing remembered."""
        context = await self._browser.new_context(
            viewport={"width": width, "height": _HEIGHTS[width]}, color_scheme=theme, java_script_enabled=scripts, locale="en-GB"
        )
        try:
            yield Visit(await context.new_page(), context, self._url)
        finally:
            await context.close()


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """The browser; the test is skipped where there is none."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("Chromium is not installed (Debian's package chromium)")
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=[*_FLAGS, *sandbox])
        yield browser
        await browser.close()


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something holds that no locator can wait for."""
    async with asyncio.timeout(30):
        while not await holds():
            await asyncio.sleep(0.05)
