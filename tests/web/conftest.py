"""The pages are served as the API is: by a real server over a real database; and a browser looks at them."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser

from tests.api.conftest import api, api_settings, filled, market
from tests.conftest import Cluster
from tests.web.browser import Visitor, chromium
from tests.web.scene import Scene, made_scene

__all__ = ["api", "api_settings", "filled", "market"]


@pytest.fixture(scope="module")
async def scene(postgres: Cluster) -> AsyncIterator[Scene]:
    """The service over the demo's market, with questions to decide. One per module: its tests see what the others did."""
    async with made_scene(postgres) as made:
        yield made


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """The browser, in which every visit has a window of its own."""
    async with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def visitor(browser: Browser, scene: Scene) -> Visitor:
    """Who looks at the scene."""
    return Visitor(browser, scene.url)
