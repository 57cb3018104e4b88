"""docs/licences.md is what `make licences` makes of what is installed, and nothing is in it that cannot stand beside the MIT licence."""

import re

import pytest

from tests.packaging import licences
from tests.tidy import tree
from tests.tidy.test_files import VENDORED

# What lets itself be used by a service of any licence. MPL-2.0 asks for its own files alone.
FINE = {"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MPL-2.0", "PSF-2.0", "Unlicense", "0BSD"}
MADE_BY_OTHERS = re.compile(rb"copyright|@licen[sc]e|licensed under", re.IGNORECASE)


def test_the_page_is_what_it_would_be() -> None:
    """A lock file that was made anew, or a file of others that came in, is not on it until it is made anew too."""
    assert licences.PAGE.read_text(encoding="utf-8") == licences.page(licences.listed()), "run make licences"


@pytest.mark.parametrize(("package", "licence"), licences.listed().items())
def test_every_licence_can_stand_beside_ours(package: str, licence: str) -> None:
    """All that one asks for together, or one of those that it offers."""
    offered = [set(re.split(r" AND ", option.strip("() "))) for option in licence.split(" OR ")]
    assert any(asked <= FINE for asked in offered)


def test_files_of_others_are_named_with_their_licence() -> None:
    """The folders that the house rules leave alone, each with its text; no other file that is sent says that it is another's."""
    assert set(licences.VENDORED) == set(VENDORED)
    for folder in licences.VENDORED:
        assert licences.texts(folder), folder
        assert "Apache License" in (tree.ROOT / folder / licences.texts(folder)[0]).read_text(encoding="utf-8")
    sent = [path for path in tree.files() if "/static/" in path.as_posix()]
    assert sent
    ours = [path for path in sent if not path.relative_to(tree.ROOT).as_posix().startswith(VENDORED)]
    assert [path.name for path in ours if MADE_BY_OTHERS.search(path.read_bytes())] == []
