"""The Makefile and the check's script: they find a Python that works and keep no half-made environment."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

# Stands for a Python: answers the question whether it is suitable, notes its name and "makes" an environment.
WORKING = """#!/bin/sh
case "$1" in
    -c) exit 0 ;;
    --version) echo "Python of a test" ;;
    -m) mkdir -p .venv/bin && ln -sf "$0" .venv/bin/python && basename "$0" >> chosen ;;
esac
"""
# As a version manager's shim for a version that is not selected, or a Debian Python without its venv package.
BROKEN = "#!/bin/sh\nexit 127\n"
INTERRUPTED = WORKING.replace("exit 0 ;;", "exit 0 ;;", 1).replace('basename "$0" >> chosen', "exit 1")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the Makefile and an empty folder for programs, which the tests fill."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("sh", "make", "mkdir", "ln", "basename", "touch", "env", "test"):
        found = shutil.which(name)
        assert found
        (programs / name).symlink_to(found)
    return tmp_path


def _program(checkout: Path, name: str, text: str) -> None:
    path = checkout / "programs" / name
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


def _make(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    stamp = ".venv/stamp-made" + str(checkout).replace("/", "-")
    environment = {"PATH": str(checkout / "programs")}
    command = [str(checkout / "programs" / "make"), *(arguments or (stamp,))]
    return subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)


def test_a_python_that_fails_is_passed_over(checkout: Path) -> None:
    """A newer Python that exists and does not work gives way to an older one that does."""
    _program(checkout, "python3.14", BROKEN)
    _program(checkout, "python3.12", WORKING)
    _program(checkout, "python3", WORKING)
    made = _make(checkout)
    assert made.returncode == 0, made.stderr
    assert (checkout / "chosen").read_text(encoding="utf-8") == "python3.12\n"


def test_without_a_python_the_message_says_what_to_install(checkout: Path) -> None:
    """A machine without a usable Python is told what is missing and how to name one."""
    _program(checkout, "python3", BROKEN)
    made = _make(checkout)
    assert made.returncode != 0
    assert "python3-venv" in made.stderr
    assert "PYTHON=" in made.stderr


def test_an_interrupted_environment_is_made_again(checkout: Path) -> None:
    """Where making the environment fails no stamp stays behind, and the next call starts over."""
    _program(checkout, "python3", INTERRUPTED)
    assert _make(checkout).returncode != 0
    assert not list((checkout / ".venv").glob("stamp-*"))
    _program(checkout, "python3", WORKING)
    assert _make(checkout).returncode == 0


def test_an_environment_is_made_once(checkout: Path) -> None:
    """A second call finds the stamp and does nothing; a vanished interpreter makes it start over."""
    _program(checkout, "python3", WORKING)
    assert _make(checkout).returncode == 0
    assert _make(checkout).returncode == 0
    assert (checkout / "chosen").read_text(encoding="utf-8") == "python3\n"
    (checkout / "programs" / "python3").unlink()
    _program(checkout, "python3.13", WORKING)
    assert _make(checkout).returncode == 0
    assert (checkout / "chosen").read_text(encoding="utf-8") == "python3\npython3.13\n"


def test_tests_see_nothing_of_the_developers_environment() -> None:
    """Make hands to the tests the few names that they need and those made for them."""
    environment = {"PATH": os.environ["PATH"], "DATABASE_URL": "postgresql://real", "KASPARRO_TEST_MARKETS": "/a b/c", "HOME": "/home/me"}
    command = ["make", "--no-print-directory", "--dry-run", "--silent", "pytest"]
    planned = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
    assert "env -i" in planned
    assert "KASPARRO_TEST_MARKETS='/a b/c'" in planned
    assert "DATABASE_URL" not in planned
    assert "HOME='/home/me'" not in planned


def test_check_script_is_a_sound_program() -> None:
    """.ci/run can be executed, is bash that parses, stops at the first failure and ends with the whole check."""
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", script], check=True)
    lines = script.read_text(encoding="utf-8").splitlines()
    assert "set -euo pipefail" in lines
    assert lines[-1] == "make test"
