"""The image, built for real without a container engine: buildah with chroot isolation on a base that debootstrap makes."""

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
SUITE = "trixie"  # what python:3.13-slim is made of
BASE = f"localhost/kasparro-check-base:{SUITE}"  # kept from check to check; `buildah rmi` removes it
BUILT = "localhost/kasparro-check"
_PACKAGES = "python3,python3-venv,ca-certificates"
_NEEDED = ("buildah", "debootstrap", "unshare", "nsenter", "setpriv")
# Of this machine's way to its packages, what holds in the build as well.
_PIP_SETTINGS = ("index-url", "proxy", "trusted-host", "timeout", "cert")
_CERTIFICATES = "/run/pip-certificates.pem"


class Image(NamedTuple):
    """The built image, unpacked."""

    root: Path
    base: Path
    config: Mapping[str, Any]  # Env, Cmd, User, WorkingDir, Healthcheck ..., as Docker calls them

    @property
    def environment(self) -> dict[str, str]:
        """What the image sets."""
        return dict(pair.split("=", 1) for pair in self.config["Env"])


@contextmanager
def built(folder: Path) -> Iterator[Image]:
    """Build the image and unpack it beside its base; both are removed in the end, but for the base image itself."""
    _require()
    if _run("buildah", "images", "--quiet", BASE, check=False) == "":
        _make_base(folder / "base")
    _run("buildah", "build", "--isolation=chroot", "--format=docker", "--pull-never", f"--build-arg=PYTHON_IMAGE={BASE}",
         *_pip_volumes(folder), f"--tag={BUILT}", f"--file={ROOT / 'Containerfile'}", str(ROOT))  # fmt: skip
    containers = [_run("buildah", "from", "--pull-never", name) for name in (BUILT, BASE)]
    try:
        root, base = (Path(_run("buildah", "mount", container)) for container in containers)
        config = json.loads(_run("buildah", "inspect", "--type=image", BUILT))["Docker"]["config"]
        yield Image(root, base, config)
    finally:
        _run("buildah", "rm", *containers)
        _run("buildah", "rmi", BUILT)


def _require() -> None:
    missing = [name for name in _NEEDED if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        pytest.fail(f"the image is built and run as root, with the programs {', '.join(_NEEDED)}; missing here: {missing or 'root'}")


def _make_base(folder: Path) -> None:
    """Debian from this machine's own mirror, where it has one."""
    targets = _run("apt-get", "indextargets", "--format", "$(SITE)", "Identifier: Packages", "Origin: Debian", "Label: Debian", check=False)
    _run("debootstrap", "--variant=minbase", f"--include={_PACKAGES}", SUITE, str(folder), *targets.split()[:1])
    shutil.rmtree(folder / "var" / "cache" / "apt" / "archives")
    _run("tar", "--directory", str(folder), "--create", "--file", f"{folder}.tar", ".")
    container = _run("buildah", "from", "scratch")
    _run("buildah", "add", "--quiet", container, f"{folder}.tar", "/")
    _run("buildah", "commit", "--quiet", "--rm", container, BASE)
    shutil.rmtree(folder)
    Path(f"{folder}.tar").unlink()


def _pip_volumes(folder: Path) -> list[str]:
    """How pip is set up on this machine, mounted while the image is built: nothing of them is in the image or in a file of ours."""
    lines = _run(sys.executable, "-m", "pip", "config", "list").splitlines()
    # The environment comes first in the list, and it outranks the files.
    pairs = (line.partition("=") for line in reversed(lines))
    found = {name.rpartition(".")[2]: value for name, _, value in pairs}
    settings = {name: ast.literal_eval(found[name]) for name in _PIP_SETTINGS if name in found}
    volumes = [f"--volume={settings['cert']}:{_CERTIFICATES}:ro"] if "cert" in settings else []
    if "cert" in settings:
        settings["cert"] = _CERTIFICATES
    file = folder / "pip.conf"
    file.write_text("[global]\n" + "".join(f"{name} = {value}\n" for name, value in settings.items()))
    return [*volumes, f"--volume={file}:/etc/pip.conf:ro"]


def _run(*command: str, check: bool = True) -> str:
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if check and ended.returncode != 0:
        pytest.fail(f"{' '.join(command)} ended with {ended.returncode}:\n{ended.stdout[-2000:]}{ended.stderr[-2000:]}", pytrace=False)
    return ended.stdout.strip()


def files_bytes(root: Path) -> int:
    """The size of all files below a folder, each counted once however many names it has."""
    sizes: dict[tuple[int, int], int] = {}
    for folder, _, names in os.walk(root):
        for name in names:
            status = (Path(folder) / name).lstat()
            sizes[status.st_dev, status.st_ino] = status.st_size
    return sum(sizes.values())


def command_of(health_check: Mapping[str, Any]) -> Sequence[str]:
    """The program of a health check that is a list."""
    kind, *command = health_check["Test"]
    assert kind == "CMD"
    return command
