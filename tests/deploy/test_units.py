"""The commands of the systemd units, run as systemd would run them, but without systemd.

`systemd-socket-activate` hands a socket over in the way that systemd does. Who the process is and
what it is kept from, `systemd-analyze verify` has looked at in test_files.py.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.servers import ROOT, database_url, free_port
from tests.waiting import wait_until

from .conftest import DEPLOY
from .load import Load

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("processes")]

START_SECONDS = 60
BINARIES = "/srv/shop/.venv/bin/"


def commands(unit: str, name: str, **places: str) -> list[list[str]]:
    """What a unit says of `ExecStart` or the like, with the folders of this machine.

    places: what stands in the unit in the place of what, by the names of systemd's specifiers too.
    """
    lines = re.findall(rf"^{name}=(.*)$", (DEPLOY / "systemd" / unit).read_text(), re.MULTILINE)
    assert lines, f"{unit} has no {name}"
    found = []
    for line in lines:
        for old, new in places.items():
            line = line.replace(old, new)
        program, *arguments = shlex.split(line)
        if program.startswith(BINARIES):
            found.append([sys.executable, "-m", program.removeprefix(BINARIES), *arguments])
        else:
            found.append([program, *arguments])
    return found


def setting(unit: str, name: str) -> str:
    return re.findall(rf"^{name}=(.*)$", (DEPLOY / "systemd" / unit).read_text(), re.MULTILINE)[-1]


def environment() -> dict[str, str]:
    return {
        **os.environ,
        "DATABASE_URL": database_url(),
        "DJANGO_SETTINGS_MODULE": "tests.deploy.settings",
    }


@contextmanager
def started(command: list[str]):
    process = subprocess.Popen(command, cwd=ROOT, env=environment())
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def ends_in_time(process: subprocess.Popen, unit: str) -> None:
    """Told as the unit says, within the time that the unit gives it."""
    process.send_signal(signal.Signals[setting(unit, "KillSignal")])
    seconds = float(setting(unit, "TimeoutStopSec"))
    assert process.wait(seconds) in (0, -signal.SIGTERM)


def test_a_process_serves_at_the_socket_that_systemd_hands_over(transactional_db, alice):
    if not shutil.which("systemd-socket-activate"):
        pytest.skip("needs systemd-socket-activate: apt-get install systemd")
    unit, port = "shop-inherits@.service", free_port()
    [command] = commands(unit, "ExecStart")
    handed_on = [f"--setenv={name}" for name in environment()]
    listen = ["systemd-socket-activate", f"--listen=127.0.0.1:{port}", *handed_on]
    with started([*listen, *command]) as process:
        # It begins with the first client, who waits meanwhile.
        def is_ready() -> bool:
            try:
                return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=30).is_success
            except httpx.ConnectError:
                return False  # not even systemd-socket-activate has begun

        wait_until(is_ready, START_SECONDS)
        with Load(f"http://127.0.0.1:{port}", alice) as load:
            load.goes_on()
            load.lost_nothing()
        ends_in_time(process, unit)


def test_a_unit_counts_as_started_when_its_process_answers(transactional_db, tmp_path):
    unit = "shop@.service"
    places = {"/run/shop": str(tmp_path), "%i": "1"}
    [start] = commands(unit, "ExecStart", **places)
    [until_it_answers] = commands(unit, "ExecStartPost", **places)
    if not shutil.which(until_it_answers[0]):
        pytest.skip(f"needs {until_it_answers[0]}: apt-get install curl")
    socket = tmp_path / "1.sock"
    with started(start) as process:
        assert not Path(socket).exists()
        subprocess.run(until_it_answers, check=True, timeout=START_SECONDS)
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(socket))) as client:
            assert client.get("http://localhost/readyz").is_success
        ends_in_time(process, unit)
