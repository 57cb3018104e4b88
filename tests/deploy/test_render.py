"""The Render Blueprint: what it describes, its command run for real, and Render's own schema where somebody has it."""

import asyncio
import json
import os
import shutil
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from kasparro import settings
from tests.deploy.conftest import TOKEN
from tests.torture.processes import Service

ROOT = Path(__file__).parents[2]
# What the command that posts is told: no setting of the service, which refuses names that it does not know.
OF_THE_COMMAND = {"SERVICE_URL"}


@pytest.fixture(scope="module")
def blueprint() -> dict[str, Any]:
    """deploy/render.yaml."""
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "render.yaml").read_text(encoding="utf-8"))
    return loaded


def _variables(service: dict[str, Any]) -> dict[str, Any]:
    return {variable["key"]: variable for variable in service["envVars"]}


def test_render_s_schema_accepts_the_blueprint(blueprint: dict[str, Any]) -> None:
    """Render publishes a schema under no licence that would let us keep a copy: KASPARRO_TEST_RENDER_SCHEMA names one."""
    file = os.environ.get("KASPARRO_TEST_RENDER_SCHEMA")
    if file is None:
        pytest.skip("KASPARRO_TEST_RENDER_SCHEMA names no copy of Render's schema of Blueprints")
    schema = json.loads(Path(file).read_text(encoding="utf-8-sig"))
    assert [str(error) for error in jsonschema_rs.validator_for(schema).iter_errors(blueprint)] == []


def test_service_has_its_database_and_waits_for_nobody_s_schedule(blueprint: dict[str, Any]) -> None:
    """The web service is our image on the database beside it, is looked at where it lives, and leaves the schedule to the cron job."""
    web, _ = blueprint["services"]
    (database,) = blueprint["databases"]
    variables = _variables(web)
    assert (ROOT / web["dockerfilePath"]).is_file()
    assert web["healthCheckPath"] == "/health/live"
    assert variables["DATABASE_URL"]["fromDatabase"] == {"name": database["name"], "property": "connectionString"}
    assert variables["KASPARRO_REFRESH_SECONDS"]["value"] == "0"
    assert set(variables) <= set(settings.NAMES)


def test_no_secret_is_written_down(blueprint: dict[str, Any]) -> None:
    """The token is made by Render and handed to the cron job; the key is asked for."""
    web, cron = blueprint["services"]
    assert _variables(web)["KASPARRO_ADMIN_TOKEN"]["generateValue"] is True
    assert _variables(web)["COINGECKO_API_KEY"]["sync"] is False
    from_web = {"type": "web", "name": web["name"]}
    assert _variables(cron)["KASPARRO_ADMIN_TOKEN"]["fromService"] == from_web | {"envVarKey": "KASPARRO_ADMIN_TOKEN"}
    assert _variables(cron)["SERVICE_URL"]["fromService"] == from_web | {"envVarKey": "RENDER_EXTERNAL_URL"}
    assert set(_variables(cron)) <= set(settings.NAMES) | OF_THE_COMMAND


async def _run(command: str, url: str, token: str) -> int:
    environment = {"PATH": os.environ["PATH"], "SERVICE_URL": url, "KASPARRO_ADMIN_TOKEN": token}
    process = await asyncio.create_subprocess_exec("sh", "-c", command, env=environment, stdout=asyncio.subprocess.DEVNULL)
    async with asyncio.timeout(60):
        return await process.wait()


@pytest.mark.slow
async def test_command_of_the_cron_job_begins_a_run(blueprint: dict[str, Any], service: Service) -> None:
    """It succeeds whether a run begins or one is at work, and fails, so that Render tells, for a wrong token and where nobody answers."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    command = blueprint["services"][1]["startCommand"].replace("--retry 3", "--retry 0")
    await service.start()
    await service.until_answers()

    assert await _run(command, service.url, TOKEN) == 0
    await service.until_answers("/health/ready")
    async with asyncio.timeout(30):
        while not [run for run in (await service.get("/runs"))[1] if run["trigger"] == "admin"]:
            assert await _run(command, service.url, TOKEN) == 0
    assert await _run(command, service.url, "another") != 0
    await service.end()
    assert await _run(command, service.url, TOKEN) != 0


def test_documents_and_workflow_begin_runs_with_the_same_command(blueprint: dict[str, Any]) -> None:
    """What is tried here is what docs/deploy.md and the workflow for GitHub say."""
    wanted = blueprint["services"][1]["startCommand"].split()
    for file in ("docs/deploy.md", "deploy/github/refresh.yaml"):
        words = (ROOT / file).read_text(encoding="utf-8").replace("\\\n", " ").split()
        assert any(words[start : start + len(wanted)] == wanted for start in range(len(words))), file
