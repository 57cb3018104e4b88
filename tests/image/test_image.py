"""The image as it is built and run. `make image-check` runs these tests and no other target does: they take minutes and root."""

import json
import os
from pathlib import Path

import pytest

from tests.image.building import Image, command_of, files_bytes
from tests.image.conftest import Started
from tests.upstream.server import Upstream

pytestmark = pytest.mark.image

ADDED_BYTES_MAX = 150_000_000
ARBITRARY = 54_321  # an id that no /etc/passwd knows
OWN = 10_001  # the id that the image names


def test_image_adds_little_to_its_base(image: Image) -> None:
    """What is in the image and not in its base stays under 150 MB, PostgreSQL included."""
    base, whole = files_bytes(image.base), files_bytes(image.root)
    print(f"the base has {base / 1e6:.1f} MB, the image adds {(whole - base) / 1e6:.1f} MB")  # noqa: T201  # the figure is wanted
    assert whole - base < ADDED_BYTES_MAX


def test_image_says_what_engines_ask_of_it(image: Image) -> None:
    """A numbered user, a health check, the signal and the port are in the image's description, and it listens to the outside."""
    config = image.config
    assert config["User"] == f"{OWN}:{OWN}"
    assert config["Healthcheck"]["Test"][0] == "CMD"
    assert config["Cmd"] == ["kasparro", "serve"]
    assert list(config["ExposedPorts"]) == ["8000/tcp"]
    assert image.environment["KASPARRO_HOST"] == "0.0.0.0"


def test_nothing_of_the_building_machine_is_in_the_image(image: Image) -> None:
    """What led pip to its packages was mounted: only the empty places of the mounts are left, and no pip."""
    for name in ("etc/pip.conf", "run/pip-certificates.pem"):
        left = image.root / name
        assert not left.exists() or left.stat().st_size == 0
    assert not (image.root / "opt/kasparro/bin/pip").exists()


async def test_arbitrary_user_with_a_database_serves_from_a_root_that_is_read_only(
    container: Started, database: str, upstream: Upstream
) -> None:
    """With DATABASE_URL no folder is written, no privilege needed: prices are served, the health check passes, SIGTERM ends it well."""
    serving = container(uid=ARBITRARY, DATABASE_URL=database, **upstream.environment())
    await serving.start()
    await serving.until_answers("/health/ready")
    coins = json.loads(await serving.until_answers("/data?limit=5"))
    health_check = await serving.execute(command_of(serving.image.config["Healthcheck"]))
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{serving.main_pid()}/status").read_text().splitlines() if ":\t" in line)
    by_root = await serving.execute(["touch", "/written"], uid=0)
    code, said = await serving.stop()

    assert coins[0]["latest_price_usd"] > 0
    assert health_check == 0
    assert status["Uid"].split() == [str(ARBITRARY)] * 4
    assert (int(status["CapEff"], 16), status["NoNewPrivs"]) == (0, "1")
    assert by_root != 0
    assert code == 0, said


async def test_health_check_fails_where_nothing_answers(container: Started, database: str) -> None:
    """An engine would notice: the health check against a port on which nobody listens fails."""
    waiting = container(uid=ARBITRARY, DATABASE_URL=database)
    await waiting.start(["sleep", "60"])
    assert await waiting.execute(command_of(waiting.image.config["Healthcheck"])) != 0


async def test_without_a_database_it_says_what_is_missing(container: Started) -> None:
    """Neither DATABASE_URL nor a folder that can be written: one sentence names both, without a traceback."""
    lost = container(uid=ARBITRARY)
    await lost.start()
    code, said = await lost.ends()
    assert code == 1
    assert "DATABASE_URL" in said
    assert "/data" in said
    assert "Traceback" not in said


async def test_user_without_a_name_is_told_to_set_a_database(container: Started, tmp_path: Path) -> None:
    """An arbitrary id with a folder of its own cannot make PostgreSQL's database, and hears why and what to set."""
    nameless = container(uid=ARBITRARY, data=_owned(tmp_path / "data", ARBITRARY))
    await nameless.start()
    code, said = await nameless.ends()
    assert code == 1
    assert f"user id {ARBITRARY} has no name" in said
    assert "DATABASE_URL" in said


async def test_own_user_with_a_volume_brings_its_own_database(container: Started, upstream: Upstream, tmp_path: Path) -> None:
    """As the image is started without any setting: the embedded database in the volume, all else read-only, and it ends in order."""
    serving = container(uid=OWN, data=_owned(tmp_path / "data", OWN), **upstream.environment())
    await serving.start()
    await serving.until_answers("/health/ready")
    health_check = await serving.execute(command_of(serving.image.config["Healthcheck"]))
    code, said = await serving.stop()

    assert health_check == 0
    assert code == 0, said
    assert (tmp_path / "data" / "postgres" / "data" / "PG_VERSION").read_text().strip() == "18"


def _owned(folder: Path, uid: int) -> Path:
    folder.mkdir(mode=0o700)
    os.chown(folder, uid, uid)
    return folder
