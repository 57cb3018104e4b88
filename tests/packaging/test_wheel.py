"""The wheel: complete, so that an installed kasparro needs no checkout."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> frozenset[str]:
    """The names in a wheel built from the checkout with the locked build backend."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return frozenset(archive.namelist())


def test_wheel_holds_every_migration(wheel_names: frozenset[str]) -> None:
    """The migrations of the checkout's top level are inside the package."""
    migrations = {f"kasparro/migrations/{path.name}" for path in (ROOT / "migrations").glob("*.sql")}
    assert migrations
    assert migrations <= wheel_names


def test_wheel_holds_the_whole_package(wheel_names: frozenset[str]) -> None:
    """Modules, named queries, pages and the marker for type checkers: nothing of src/kasparro is left out."""
    source = ROOT / "src"
    files = {p.relative_to(source).as_posix() for p in (source / "kasparro").rglob("*") if p.is_file() and "__pycache__" not in p.parts}
    assert "kasparro/py.typed" in files
    assert files <= wheel_names


def test_wheel_holds_nothing_else(wheel_names: frozenset[str]) -> None:
    """No test and no tool of the checkout is installed with the package."""
    assert {name.split("/")[0].partition("-")[0] for name in wheel_names} == {"kasparro"}
