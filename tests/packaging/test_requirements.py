"""The lock files: complete, hashed, in step with each other and with pyproject.toml, and naming no index."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
LOCKS = ("bench", "build", "dev", "lock", "runtime")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PYTHONS = ("3.11", "3.12", "3.13", "3.14")


def _entries(name: str) -> list[tuple[Requirement, int]]:
    """Each requirement of a lock file with the number of its hashes."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    return [(Requirement(line.split(" --hash=")[0].strip()), len(re.findall(r" --hash=sha256:[0-9a-f]{64}", line))) for line in lines]


def _locked(name: str) -> dict[str, Requirement]:
    return {canonicalize_name(r.name): r for r, _ in _entries(name)}


def _listed(name: str) -> list[str]:
    """The requirements of a hand-written file."""
    lines = (ROOT / "requirements" / f"{name}.in").read_text(encoding="utf-8").splitlines()
    return [text for line in lines if (text := line.partition("#")[0].strip())]


def _asked_for(requirements: list[str], *, python: str, machine: str) -> list[Requirement]:
    environment = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux", "platform_machine": machine}
    parsed = [Requirement(text) for text in requirements]
    return [r for r in parsed if r.marker is None or r.marker.evaluate(environment)]


@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_is_pinned_and_hashed(name: str) -> None:
    """Pip refuses a whole file under --require-hashes where one entry is loose."""
    entries = _entries(name)
    assert entries
    assert not [str(r) for r, hashes in entries if not hashes or not re.fullmatch(r"==[^,*]+", str(r.specifier))]


@pytest.mark.parametrize("name", LOCKS)
def test_no_lock_file_names_an_index_or_a_place(name: str) -> None:
    """A lock file works with whatever index the installing machine uses."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    assert not re.search(r"://|^-|\s@\s|(?<!#)\s-[a-z]\b|find-links|index-url", re.sub(r"#.*", "", text), re.MULTILINE)
    assert not re.search(r"://|(?<![\w])/\w", "".join(re.findall(r"#.*", text)))


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("python", PYTHONS)
def test_what_is_asked_for_is_locked(python: str, machine: str) -> None:
    """Neither pyproject.toml nor what the benchmarks ask for was changed without `make lock`."""
    groups = [
        ("runtime", PYPROJECT["project"]["dependencies"]),
        ("dev", PYPROJECT["project"]["dependencies"] + PYPROJECT["dependency-groups"]["dev"]),
        ("build", PYPROJECT["build-system"]["requires"]),
        ("bench", _listed("bench")),
    ]
    for name, requirements in groups:
        locked = _locked(name)
        for wanted in _asked_for(requirements, python=python, machine=machine):
            pin = locked.get(canonicalize_name(wanted.name))
            assert pin is not None, f"{wanted} is not in requirements/{name}.txt: run make lock"
            version = str(pin.specifier).removeprefix("==")
            assert wanted.specifier.contains(version, prereleases=True), f"{pin} does not satisfy {wanted}: run make lock"


def test_the_files_agree_on_every_version() -> None:
    """Development tools do not move what the service runs on."""
    development = _locked("dev")
    for name in ("runtime", "build"):
        for package, pin in _locked(name).items():
            assert str(development[package]) == str(pin)


def test_the_benchmarks_compare_on_the_same_versions() -> None:
    """Where the service and what it is compared with use one library, they use one version of it."""
    runtime = _locked("runtime")
    shared = {package: pin for package, pin in _locked("bench").items() if package in runtime}
    assert {"asyncpg", "uvicorn", "uvloop"} <= shared.keys()
    assert not [str(pin) for package, pin in shared.items() if pin.specifier != runtime[package].specifier]


def test_what_is_compared_with_is_no_requirement() -> None:
    """The usual stack is in the benchmarks' environment and in no other."""
    others = _locked("runtime").keys() | _locked("build").keys() | _locked("dev").keys()
    assert not {"fastapi", "py-spy", "sqlalchemy"} & others


def test_the_lock_tool_is_no_requirement() -> None:
    """The tool that writes the lock files is in none of the environments."""
    assert not {"uv", "pip-tools"} & (_locked("runtime").keys() | _locked("build").keys() | _locked("dev").keys())


def test_dependencies_that_limits_replaced_stay_out() -> None:
    """Waiting and retrying go by the injected clock, which these libraries do not know."""
    assert not {"aiolimiter", "stamina", "tenacity"} & _locked("runtime").keys()
