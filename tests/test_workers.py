"""How tests are handed out to workers."""

import pytest

from tests.tidy import tree
from tests.workers import TOGETHER, together


@pytest.mark.parametrize("path", TOGETHER)
def test_what_belongs_together_is_there(path: str) -> None:
    """A file that was renamed would lose its company without a word."""
    assert (tree.ROOT / path).exists()


def test_tests_of_one_thing_go_to_one_worker() -> None:
    """All of a folder or of a file that is named, whatever their parameters; every other test goes alone."""
    assert together("tests/docs/test_blocks.py::test_a[tests/web::b]") == together("tests/docs/test_moving.py::test_c") == "tests/docs"
    assert together("tests/store/test_history.py::test_a[1]") == "tests/store/test_history.py"
    assert together("tests/store/test_history_plans.py::test_a") == "tests/store/test_history_plans.py::test_a"
