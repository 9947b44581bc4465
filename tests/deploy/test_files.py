"""What can be said of the files of deploy/ without running anything for long."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest
import yaml
from django.test import AsyncClient
from psycopg.conninfo import conninfo_to_dict

from realtime import conf
from tests.realtime.conftest import hub, publish  # noqa: F401  a fixture
from tests.servers import database_url, free_port
from tests.waiting import wait_until

from .conftest import DEPLOY, write


def run(*command: str, **options) -> subprocess.CompletedProcess:
    path = options.get("env", os.environ)["PATH"]
    if shutil.which(command[0], path=path) is None:
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


def test_systemd_has_nothing_to_say_about_the_port_that_it_holds(processes, tmp_path):
    replaced = [("/srv/shop/.venv/bin/uvicorn", shutil.which("true"))]
    names = ("shop.socket", "shop-inherits@1.service", "shop.target")
    for name in names:
        file = name.replace("@1", "@")
        write(f"systemd/{file}", tmp_path / name, replaced if "@" in name else [])
    said = run("systemd-analyze", "verify", "--man=no", *(str(tmp_path / name) for name in names))
    assert not said.stdout + said.stderr


def test_hadolint_has_nothing_to_say_about_the_image(processes):
    said = run("hadolint", str(DEPLOY / "container" / "Containerfile"), env=tools())
    assert not said.stdout


def test_the_compose_file_names_what_there_is():
    """Without an engine: its services depend on one another, and are built from what is there."""
    compose = yaml.safe_load((DEPLOY / "container" / "compose.yml").read_text())
    services = compose["services"]
    for service in services.values():
        assert set(service.get("depends_on", ())) <= set(services)
    build = services["migrate"]["build"]
    assert (DEPLOY / "container" / build["context"] / build["dockerfile"]).is_file()
    assert set(compose["volumes"]) == {
        volume.partition(":")[0] for one in services.values() for volume in one.get("volumes", ())
    }
    grace = int(services["shop"]["stop_grace_period"].removesuffix("s"))
    assert grace > conf.DEFAULTS["DRAIN_SECONDS"]


@pytest.mark.slow
def test_the_steps_of_the_image_make_a_site_that_serves(processes, transactional_db, tmp_path):
    """Its COPY, RUN and CMD, in an empty folder and environment: no engine is needed for that."""
    text = re.sub(r"\\\n\s*", "", (DEPLOY / "container" / "Containerfile").read_text())
    text = text.replace("/tmp/", f"{tmp_path}/").replace("/srv", str(tmp_path / "srv"))
    folder = tmp_path / "srv" / "shop"
    folder.mkdir(parents=True)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    command: list[str] = []
    for line in text.splitlines():
        what, _, rest = line.partition(" ")
        if what == "COPY" and not rest.startswith("--from"):
            *sources, to = rest.split()
            for source in sources:
                target = Path(to) if to.startswith("/") else folder / to
                target = target / source if to.endswith("/") else target
                path = DEPLOY.parent / source
                (shutil.copytree if path.is_dir() else shutil.copy)(path, target)
        elif what == "ENV":
            pairs = dict(pair.split("=", 1) for pair in rest.split())
            pairs["PATH"] = pairs["PATH"].replace("$PATH", environment["PATH"])
            environment |= pairs
        elif what == "RUN" and not rest.startswith("useradd"):
            options = {"shell": True, "cwd": folder, "env": environment}
            subprocess.run(rest, check=True, capture_output=True, **options)
        elif what == "CMD":
            command = json.loads(rest)
    assert list((folder / "staticfiles").rglob("live_stream.*.js"))
    port = free_port()
    environment |= {
        "DJANGO_SECRET_KEY": "for this test alone, which nobody else ever sees 0123456789",
        "DJANGO_ALLOWED_HOSTS": "localhost",
        "DJANGO_PROXY_SSL_HEADER": "X-Forwarded-Proto",
        "DATABASE_URL": url_of_the_database(),
    }
    command[command.index("8000")] = str(port)
    command[0] = str(tmp_path / "srv/venv/bin" / command[0])
    process = subprocess.Popen(command, cwd=folder, env=environment)
    try:
        wait_until(lambda: answers(port), 60)
        process.terminate()
        assert process.wait(30) in (0, -signal.SIGTERM)
    finally:
        process.kill()
        process.wait()


def answers(port: int) -> bool:
    try:
        answer = httpx.get(
            f"http://localhost:{port}/readyz", headers={"X-Forwarded-Proto": "https"}
        )
    except httpx.HTTPError:
        return False
    return answer.status_code == 200


def url_of_the_database() -> str:
    parts = conninfo_to_dict(database_url())
    query = urlencode({"host": parts["host"], "port": parts.get("port", "5432")})
    return f"postgresql://{parts['user']}@/{parts['dbname']}?{query}"


def tools() -> dict[str, str]:
    """Where the tools are that pip has installed beside this Python."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def test_the_image_gets_all_that_the_project_imports():
    """Each folder that it copies is there, and each that holds the project's code is copied."""
    text = (DEPLOY / "container" / "Containerfile").read_text()
    copied = set(re.findall(r"^COPY (\w\S*) \1$", text, re.MULTILINE))
    root = DEPLOY.parent
    assert all((root / name).is_dir() for name in copied)
    assert {"config", "orders", "realtime", "templates", "tools", "locale"} <= copied
