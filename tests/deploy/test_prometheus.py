"""Prometheus' rules and Grafana's dashboard: read by promtool, and about metrics that there are."""

import asyncio
import json
import re
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import suppress
from itertools import combinations
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from tests.torture.processes import Service

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
DASHBOARD = ROOT / "deploy" / "grafana" / "kasparro.json"
# What Prometheus itself adds.
OF_PROMETHEUS = {"up", "ALERTS"}
NAME = re.compile(r"\b(?:kasparro|process|python)_\w+|\bup\b")


@pytest.fixture(scope="module")
def panels() -> list[dict[str, Any]]:
    """The panels of the dashboard."""
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return found


@pytest.fixture(scope="module")
def rules() -> list[dict[str, Any]]:
    """The alert rules."""
    (group,) = yaml.safe_load((PROMETHEUS / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def _promtool(*arguments: str, folder: Path = PROMETHEUS) -> tuple[int, str]:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    ended = subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    return ended.returncode, ended.stdout + ended.stderr


def _expressions(panels: list[dict[str, Any]]) -> list[str]:
    return [_plain(target) for panel in panels for target in panel.get("targets", [])]


def _plain(target: dict[str, Any]) -> str:
    """An expression as Grafana would send it."""
    expression: str = target["expr"]
    return expression.replace("$__rate_interval", "5m")


def _served() -> set[str]:
    """The names of samples; a test of the API holds docs/metrics.md to what is served."""
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z_]+)` \| (\w+) \|", page, re.MULTILINE)
    endings = {"histogram": ("_bucket", "_sum", "_count")}
    return {name + ending for name, kind in rows for ending in endings.get(kind, ("",))}


def test_promtool_accepts_rules_and_configuration() -> None:
    """Prometheus would load the alerts and the sample configuration."""
    for what, file in (("rules", "alerts.yaml"), ("config", "prometheus.yaml")):
        code, said = _promtool("check", what, file)
        assert code == 0, said


@pytest.mark.slow
def test_alerts_fire_when_they_should_and_not_otherwise() -> None:
    """The unit tests of the rules pass, and they ask of every alert."""
    tests = sorted(path.name for path in PROMETHEUS.glob("*_test.yaml"))
    code, said = _promtool("test", "rules", *tests)
    assert code == 0, said


def test_every_alert_has_a_test_in_which_it_fires(rules: list[dict[str, Any]]) -> None:
    """No alert is only known to be silent."""
    asked = [
        case
        for path in PROMETHEUS.glob("*_test.yaml")
        for test in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]
        for case in test.get("alert_rule_test", [])
    ]
    assert {case["alertname"] for case in asked if case["exp_alerts"]} == {rule["alert"] for rule in rules}


def test_every_alert_says_what_is_wrong_and_what_to_do(rules: list[dict[str, Any]]) -> None:
    """Whoever is woken reads a sentence on each."""
    assert all(set(rule["annotations"]) == {"summary", "action"} for rule in rules)
    assert {rule["labels"]["severity"] for rule in rules} == {"critical", "warning", "info"}


def test_alerts_and_panels_are_about_metrics_that_are_served(rules: list[dict[str, Any]], panels: list[dict[str, Any]]) -> None:
    """No expression names a metric that docs/metrics.md, and with it the service, does not know."""
    named = {name for expression in [*(rule["expr"] for rule in rules), *_expressions(panels)] for name in NAME.findall(expression)}
    assert len(named) > 20
    assert named - _served() - OF_PROMETHEUS == set()


def test_prometheus_understands_every_panel(panels: list[dict[str, Any]], tmp_path: Path) -> None:
    """The dashboard's expressions are ones that Prometheus can evaluate."""
    recorded = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(_expressions(panels))]
    (tmp_path / "panels.yaml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": recorded}]}), encoding="utf-8")
    code, said = _promtool("check", "rules", "panels.yaml", folder=tmp_path)
    assert code == 0, said


@pytest.fixture
async def prometheus(service: Service, tmp_path: Path) -> AsyncIterator[str]:
    """A Prometheus with the sample configuration, every second, at a service that has had its first run; its API's address."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("Prometheus is not installed (Debian: prometheus)")
    await service.start()
    await service.until_answers("/health/ready")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    configuration = (PROMETHEUS / "prometheus.yaml").read_text(encoding="utf-8")
    configuration = configuration.replace("127.0.0.1:8000", f"127.0.0.1:{service.port}").replace("15s", "1s")
    (tmp_path / "prometheus.yaml").write_text(configuration, encoding="utf-8")
    shutil.copy(PROMETHEUS / "alerts.yaml", tmp_path)
    command = [program, "--config.file=prometheus.yaml", f"--storage.tsdb.path={tmp_path / 'data'}", f"--web.listen-address={address}"]
    process = await asyncio.create_subprocess_exec(*command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield f"http://{address}/api/v1/"
    process.terminate()
    await process.wait()


async def _asked(address: str, expression: str) -> list[dict[str, Any]]:
    async with aiohttp.ClientSession() as session, session.get(address + "query", params={"query": expression}) as answer:
        body = await answer.json()
    assert body["status"] == "success", (expression, body)
    found: list[dict[str, Any]] = body["data"]["result"]
    return found


async def _until(address: str, expression: str) -> None:
    async with asyncio.timeout(60):
        while True:
            with suppress(aiohttp.ClientError):
                if await _asked(address, expression):
                    return
            await asyncio.sleep(0.2)


@pytest.mark.slow
async def test_prometheus_reads_a_service_and_every_panel_shows_it(prometheus: str, panels: list[dict[str, Any]]) -> None:
    """With a real Prometheus: nothing is rejected, no alert fires, and only what tells of trouble and of plans is empty."""
    await _until(prometheus, "count_over_time(up[1m]) > 3 and up == 1 and on () kasparro_run_last_end_timestamp_seconds")
    empty = {panel["title"] for panel in panels for target in panel.get("targets", []) if not await _asked(prometheus, _plain(target))}

    assert await _asked(prometheus, 'ALERTS{alertstate="firing"}') == []
    assert empty <= {"Sources in trouble", "Rejected rows of the last day", "Fields that look unusual"}


def test_panels_have_a_place_of_their_own(panels: list[dict[str, Any]]) -> None:
    """Ids are unique, panels lie within Grafana's 24 columns, and none covers another."""
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [panel["gridPos"] for panel in panels]
    assert all(place["x"] >= 0 and place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below, (one, other)


def test_dashboard_asks_the_prometheus_that_is_chosen(panels: list[dict[str, Any]]) -> None:
    """No data source of one installation is written into it."""
    sources = {json.dumps(target["datasource"], sort_keys=True) for panel in panels for target in panel.get("targets", [])}
    assert sources == {'{"type": "prometheus", "uid": "${datasource}"}'}
