"""Backup, restore and the way to another server, by the commands of docs/operations.md."""

from pathlib import Path

import pytest

from tests.docs.blocks import all_blocks
from tests.docs.conftest import Scene

pytestmark = pytest.mark.slow

DATABASE = "export DATABASE_URL=postgresql://kasparro:password@db.example.com:5432/kasparro\n"


def _commands(begins: str) -> str:
    (block,) = [b for b in all_blocks() if b.page == "docs/operations.md" and b.first.startswith(begins)]
    return block.text


async def _succeeds(scene: Scene, script: str, home: Path | None = None) -> str:
    code, said = await scene.run(script, home)
    assert code == 0, said
    return said


async def test_what_was_moved_to_another_server_is_the_same(scene: Scene) -> None:
    """A dump of the service's own database, taken while it serves, is served from another server, and a run goes on from it."""
    await _succeeds(scene, _commands("PROGRAMS="))
    here = await _succeeds(scene, "kasparro export prices")
    mappings = await _succeeds(scene, "kasparro export mappings")

    await _succeeds(scene, _commands("export DATABASE_URL="))

    assert len(here.splitlines()) > 500
    assert (scene.folder / "prices-there.csv").read_bytes().decode() == here
    assert await _succeeds(scene, DATABASE + "kasparro export mappings") == mappings
    await _succeeds(scene, DATABASE + "kasparro run-etl --full")


async def test_a_copied_data_folder_is_the_same(scene: Scene) -> None:
    """A copy of the folder, made and put back while nothing runs, has what was there."""
    home = scene.folder / "other-home"
    home.mkdir()
    await _succeeds(scene, "kasparro run-etl", home)
    before = await _succeeds(scene, "kasparro export prices", home)

    await _succeeds(scene, _commands("tar -C"), home)

    assert len(before.splitlines()) > 500
    assert await _succeeds(scene, "kasparro export prices", home) == before
