"""The fake upstream and a client that asks it, for the tests of the client."""

from collections.abc import AsyncIterator

import pytest

from tests.sources.calling import Caller, calling
from tests.sources.parsing import KEY
from tests.upstream.fixtures import upstream
from tests.upstream.server import Upstream

__all__ = ["upstream"]


@pytest.fixture
async def caller(upstream: Upstream) -> AsyncIterator[Caller]:
    """A caller with the default bounds and a Demo key."""
    async with calling(upstream.environment(COINGECKO_API_KEY=KEY)) as found:
        yield found
