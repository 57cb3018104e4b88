"""What the torture works with: a folder of its own, its seed, and a market that moves."""

import os
import random
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.torture.moving import MovingUpstream
from tests.upstream.fixtures import upstream

__all__ = ["upstream"]


@pytest.fixture
def seed() -> int:
    """What all chance derives from: KASPARRO_TEST_SEED, or a new one, which is shown where the test fails."""
    seed = int(os.environ.get("KASPARRO_TEST_SEED", random.SystemRandom().randrange(2**32)))
    print(f"KASPARRO_TEST_SEED={seed}")  # noqa: T201  # see above
    return seed


@pytest.fixture
async def moving(seed: int) -> AsyncIterator[MovingUpstream]:
    """A market that moves."""
    server = MovingUpstream(seed)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short name, which a data folder is to be made in."""
    parent = Path(tempfile.mkdtemp(prefix="kasparro-test-"))
    yield parent
    shutil.rmtree(parent, ignore_errors=True)
