"""The workflows: audited by zizmor, and true to what the project says of itself."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = [*sorted((ROOT / ".github" / "workflows").glob("*.yml")), ROOT / "deploy" / "github" / "refresh.yaml"]


def _text(name: str) -> str:
    return (ROOT / ".github" / "workflows" / name).read_text(encoding="utf-8")


@pytest.mark.slow
def test_audit_finds_nothing(tmp_path: Path) -> None:
    """Rights, pinned actions, injections and leaks of credentials: zizmor has nothing to say, and asks nobody."""
    program = shutil.which("zizmor", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("zizmor is not installed")
    command = [program, "--offline", "--no-progress", "--quiet", "--color=never", *map(str, WORKFLOWS)]
    audited = subprocess.run(command, env={"HOME": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert audited.returncode == 0, audited.stdout + audited.stderr


@pytest.mark.slow
def test_audit_would_find_something(tmp_path: Path) -> None:
    """The audit above sees: an action that is not pinned and a job that may do anything end in an exit code."""
    program = shutil.which("zizmor", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("zizmor is not installed")
    (tmp_path / "careless.yml").write_text(re.sub(r"@[0-9a-f]{40} # v", "@v", _text("ci.yml")), encoding="utf-8")
    command = [program, "--offline", "--no-progress", "--quiet", str(tmp_path / "careless.yml")]
    assert subprocess.run(command, env={"HOME": str(tmp_path)}, capture_output=True, check=False).returncode != 0


def test_every_action_is_pinned_with_its_version() -> None:
    """A tag can be moved, a commit cannot; the version beside it is for people, and one action has one version."""
    used = [line.strip() for path in WORKFLOWS for line in path.read_text(encoding="utf-8").splitlines() if "uses:" in line]
    assert used
    assert all(re.fullmatch(r"- uses: actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line) for line in used)
    assert len({line.partition("@")[0] for line in used}) == len(set(used))


def test_workflows_run_the_check_of_the_project() -> None:
    """What continuous integration runs is .ci/run, on every Python that is promised; a release runs it as well."""
    promised = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert yaml.safe_load(_text("ci.yml"))["jobs"]["check"]["strategy"]["matrix"]["python"] == promised
    assert all("- run: .ci/run\n" in _text(name) for name in ("ci.yml", "release.yml"))


def test_release_may_write_in_one_job_only() -> None:
    """What builds may read; what publishes may write, runs no code of the checkout and needs no secret but the job's own token."""
    release = yaml.safe_load(_text("release.yml"))
    rights = {name: job["permissions"] for name, job in release["jobs"].items()}
    assert release["permissions"] == {}
    assert rights == {"check": {"contents": "read"}, "build": {"contents": "read"}, "publish": {"contents": "write"}}
    assert not any("checkout" in step.get("uses", "") for step in release["jobs"]["publish"]["steps"])
    assert "secrets." not in _text("release.yml")
