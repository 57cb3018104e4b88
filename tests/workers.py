"""Which tests one worker takes together: those that look at one thing which is dear to make."""

from pathlib import PurePosixPath

import pytest
from xdist.scheduler import LoadScopeScheduling

# Of xdist's own ways one keeps all tests of a module together, which leaves workers idle at the end, and one goes by marks,
# which pytest 9.2 does not let through (pytest-xdist's issue 1386).
TOGETHER = (
    "tests/docs",
    "tests/packaging/test_wheel.py",
    "tests/store/test_embedded.py",
    "tests/store/test_history.py",
    "tests/tidy/test_code.py",
    "tests/web/test_browser.py",
    "tests/web/test_runs_in_browser.py",
)


def together(nodeid: str) -> str:
    """The name of what a test shares with others, or else its own."""
    path = PurePosixPath(nodeid.partition("::")[0])
    return next((name for name in TOGETHER if path.is_relative_to(name)), nodeid)


class Scheduling(LoadScopeScheduling):
    """Hands out what belongs together first, the largest number of tests before the others, and then test by test in their order."""

    def _split_scope(self, nodeid: str) -> str:
        return together(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Scheduling:
    """See xdist's hook of this name."""
    return Scheduling(config, log)
