"""A service that is set up as deploy/render.yaml sets one up."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conftest import Cluster
from tests.torture.processes import Service
from tests.upstream.fixtures import upstream
from tests.upstream.server import Upstream

__all__ = ["upstream"]

TOKEN = "of-a-test"


@pytest.fixture
async def service(upstream: Upstream, postgres: Cluster, tmp_path: Path) -> AsyncIterator[Service]:
    """`kasparro` with a database beside it, a token, and no schedule of its own; not started yet."""
    name = await postgres.create("template0")
    more = {"DATABASE_URL": postgres.url(name), "KASPARRO_REFRESH_SECONDS": "0", "KASPARRO_ADMIN_TOKEN": TOKEN}
    running = Service(upstream, tmp_path / "log", **more)
    yield running
    await running.kill()
    await postgres.drop(name)
