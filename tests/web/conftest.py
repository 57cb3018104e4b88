"""The pages are served as the API is: by a real server over a real database; and a browser looks at them."""

from collections.abc import AsyncIterator

import pytest

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


@pytest.fixture(scope="module")
async def visitor(scene: Scene) -> AsyncIterator[Visitor]:
    """The browser."""
    async with chromium() as browser:
        yield Visitor(browser, scene.url)
