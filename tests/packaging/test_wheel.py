"""The wheel and the sdist: complete, so that an installed kasparro needs no checkout."""

import os
import re
import signal
import socket
import subprocess
import sys
import sysconfig
import tarfile
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
REFERENCE = re.compile(r"""(?:src|href)=["']?([^"'\s>]+)""")


def _build(target: str, checkout: Path, folder: Path) -> Path:
    """Built with the locked build backend."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(folder)]
    built = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    (made,) = folder.iterdir()
    return made


def _names(wheel: Path) -> frozenset[str]:
    with zipfile.ZipFile(wheel) as archive:
        return frozenset(archive.namelist())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from the checkout."""
    return _build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


def test_wheel_holds_every_migration(wheel: Path) -> None:
    """The migrations of the checkout's top level are inside the package."""
    migrations = {f"kasparro/migrations/{path.name}" for path in (ROOT / "migrations").glob("*.sql")}
    assert migrations
    assert migrations <= _names(wheel)


def test_wheel_holds_the_whole_package(wheel: Path) -> None:
    """Modules, named queries, pages and the marker for type checkers: nothing of src/kasparro is left out."""
    source = ROOT / "src"
    files = {p.relative_to(source).as_posix() for p in (source / "kasparro").rglob("*") if p.is_file() and "__pycache__" not in p.parts}
    assert "kasparro/py.typed" in files
    assert files <= _names(wheel)


def test_wheel_holds_nothing_else(wheel: Path) -> None:
    """No test and no tool of the checkout is installed with the package."""
    assert {name.split("/")[0].partition("-")[0] for name in _names(wheel)} == {"kasparro"}


def test_wheel_of_the_sdist_is_the_same(wheel: Path, tmp_path: Path) -> None:
    """Who builds from the sdist gets every file that the wheel of the checkout has."""
    (tmp_path / "sdist").mkdir()
    (tmp_path / "again").mkdir()
    with tarfile.open(_build("sdist", ROOT, tmp_path / "sdist")) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (unpacked,) = (tmp_path / "unpacked").iterdir()

    assert _names(_build("wheel", unpacked, tmp_path / "again")) == _names(wheel)


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a new environment with the wheel in it. What it depends on is found where the tests have it."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(folder / "bin" / "python")]
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "--no-index", str(wheel)], check=True)
    # A path alone: what the .pth files there add, the checkout among it, is not followed.
    packages = folder / sysconfig.get_path("purelib", vars={"base": ""}).lstrip("/")
    (packages / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n", encoding="utf-8")
    return folder / "bin"


@pytest.fixture(scope="module")
def served(installed: Path, session_folder: Path) -> Iterator[str]:
    """The URL of `kasparro demo` of that environment, once it has prices."""
    folder = session_folder / "installed"
    folder.mkdir(mode=0o711)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder), "KASPARRO_PORT": str(port)}
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen([installed / "kasparro", "demo"], cwd=folder, env=environment, stdout=said, stderr=said)
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 60
    try:
        while not _answers(f"{url}/health/ready"):
            assert process.poll() is None, (folder / "said").read_text(encoding="utf-8")
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield url
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


def test_installed_package_is_the_one_that_runs(installed: Path) -> None:
    """The environment has the package itself, and nothing leads to the checkout."""
    script = "import kasparro, sys; print(kasparro.__file__); print(sys.path)"
    told = subprocess.run([installed / "python", "-c", script], capture_output=True, text=True, check=True, cwd=installed).stdout
    where, path = told.splitlines()
    assert where.startswith(str(installed.parent))
    assert str(ROOT / "src") not in path


@pytest.mark.parametrize("page", ["/", "/docs"])
def test_installed_package_serves_its_pages(served: str, page: str) -> None:
    """Without a checkout there are prices, and each page with all that it loads."""
    assert _answers(f"{served}/data?limit=3")
    asked = urllib.request.Request(served + page, headers={"Accept": "text/html"})
    with urllib.request.urlopen(asked, timeout=10) as answer:
        text, is_page = answer.read().decode(), answer.headers.get_content_type() == "text/html"
    ours = {urljoin(served + page, name) for name in REFERENCE.findall(text) if is_page}
    assert [url for url in ours if url.startswith(served) and not _answers(url)] == []
