"""What can be said of the files of deploy/ without running anything for long."""

import json
import re
import shutil
import subprocess

import pytest
from django.test import AsyncClient

from tests.realtime.conftest import hub, publish  # noqa: F401  a fixture

from .conftest import DEPLOY, write


def run(*command: str, **options) -> subprocess.CompletedProcess:
    if shutil.which(command[0]) is None:
        pytest.skip(f"needs {command[0]}")
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_the_alerts_are_rules_that_fire_when_they_should(processes):
    folder = DEPLOY / "prometheus"
    run("promtool", "check", "rules", "alerts.yml", cwd=folder)
    run("promtool", "test", "rules", "alerts.test.yml", cwd=folder)


def test_prometheus_understands_its_configuration(processes, tmp_path):
    shutil.copytree(DEPLOY / "prometheus", tmp_path / "prometheus")
    (tmp_path / "prometheus" / "metrics-token").write_text("a token")
    run("promtool", "check", "config", "prometheus.yml", cwd=tmp_path / "prometheus")


async def test_alerts_and_dashboard_ask_for_metrics_that_there_are(hub, settings):  # noqa: F811
    settings.REALTIME = {**settings.REALTIME, "METRICS_TOKEN": "a token"}
    await publish("7", 1)
    answer = await AsyncClient().get("/metrics", headers={"Authorization": "Bearer a token"})
    there = set(re.findall(r"^# TYPE (\w+)", answer.content.decode(), re.MULTILINE))
    dashboard = json.loads((DEPLOY / "grafana" / "realtime.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    asked += re.findall(r"expr: (.*)", (DEPLOY / "prometheus" / "alerts.yml").read_text())
    for expression in asked:
        for name in re.findall(r"realtime_\w+", re.sub(r'".*?"', "", expression)):
            assert {name, name.removesuffix("_bucket")} & there, name


def test_each_alert_says_what_to_do():
    alerts = re.findall(r"alert: (\w+)", (DEPLOY / "prometheus" / "alerts.yml").read_text())
    said = (DEPLOY.parent / "docs" / "operations.md").read_text()
    assert alerts
    assert not [alert for alert in alerts if f"| `{alert}` |" not in said]


def test_systemd_has_nothing_to_say_about_its_units(processes, tmp_path):
    replaced = [("/srv/shop/.venv/bin/uvicorn", shutil.which("true"))]
    replaced.append(("/usr/bin/curl", shutil.which("true")))
    service = write("systemd/shop@.service", tmp_path / "shop@.service", replaced)
    target = write("systemd/shop.target", tmp_path / "shop.target", [])
    said = run("systemd-analyze", "verify", "--man=no", str(service), str(target))
    assert not said.stdout + said.stderr


def test_the_image_gets_all_that_the_project_imports():
    """Each folder that it copies is there, and each that holds the project's code is copied."""
    text = (DEPLOY / "container" / "Containerfile").read_text()
    copied = set(re.findall(r"^COPY (\w\S*) \1$", text, re.MULTILINE))
    root = DEPLOY.parent
    assert all((root / name).is_dir() for name in copied)
    assert {"config", "orders", "realtime", "templates", "locale"} <= copied
