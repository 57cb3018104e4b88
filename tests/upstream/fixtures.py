"""The fake upstream as fixtures. tests/conftest.py imports them."""

from collections.abc import AsyncIterator

import pytest

from tests.upstream.server import Upstream


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    """A fake upstream of the test's own with the default market: 600 and 400 coins."""
    server = Upstream()
    await server.start()
    yield server
    await server.stop()
