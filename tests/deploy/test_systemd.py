"""The systemd unit, read by systemd's own tools."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from kasparro import settings
from kasparro.__main__ import FOLDER_HELD, USAGE

UNIT = Path(__file__).parents[2] / "deploy" / "kasparro.service"
EXPOSURE_MAX = 15  # in tenths; 0 is least, 100 is a unit that says nothing


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The unit as it would be installed, with a program that there is."""
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text(encoding="utf-8").replace("/opt/kasparro/bin/kasparro", "/bin/true"), encoding="utf-8")
    return unit


def _analysed(*arguments: str) -> tuple[int, str]:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    ended = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if "unrecognized option" in ended.stderr:
        pytest.skip("this systemd-analyze is too old: " + ended.stderr.strip())
    return ended.returncode, ended.stdout + ended.stderr


def test_systemd_finds_no_fault(installed: Path) -> None:
    """Every setting is one that systemd knows, with a value that it takes."""
    assert _analysed("verify", "--man=no", str(installed)) == (0, "")


def test_unit_gives_no_rights_to_spare(installed: Path) -> None:
    """What the service does not need it may not do, by systemd's own reckoning."""
    code, said = _analysed("security", "--offline=true", "--no-pager", f"--threshold={EXPOSURE_MAX}", str(installed))
    assert code == 0, said


def test_unit_sets_what_the_service_knows() -> None:
    """Its settings have known names, and it does not restart what a restart would not mend."""
    text = UNIT.read_text(encoding="utf-8")
    named = re.findall(r"^Environment=(\w+)=", text, re.MULTILINE)
    assert named
    assert set(named) <= set(settings.NAMES)
    assert re.findall(r"^RestartPreventExitStatus=(.*)$", text, re.MULTILINE) == [f"{USAGE} {FOLDER_HELD}"]
