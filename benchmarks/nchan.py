"""nchan (https://nchan.io), a server in C in nginx: no accounts, no database, events in memory."""

import http.client
import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import machine
from .machine import SOURCES, Cores, free_port
from .trees import Server

STREAM = "/events/"
MODULES = (
    Path("/usr/lib/nginx/modules/ngx_nchan_module.so"),
    Path("/usr/lib64/nginx/modules/ngx_nchan_module.so"),
)
PER_SECOND = 10
PAD = "x" * 120  # as long as what the shop tells of an order


def missing() -> str | None:
    """What to do to have it; None: it is there."""
    if shutil.which("nginx") and any(path.exists() for path in MODULES):
        return None
    return (
        "nchan is not measured: nginx with its module is not installed"
        " (Debian: apt-get install nginx libnginx-mod-nchan)."
    )


@contextmanager
def running(cores: Cores) -> Iterator[Server]:
    port = free_port()
    module = next(path for path in MODULES if path.exists())
    with tempfile.TemporaryDirectory(prefix="nchan-") as folder:
        text = (SOURCES / "nchan.conf").read_text()
        for name, value in {"PORT": str(port), "FOLDER": folder, "MODULE": str(module)}.items():
            text = text.replace(name, value)
        configuration = Path(folder) / "nginx.conf"
        configuration.write_text(text)
        command = [shutil.which("nginx"), "-p", folder, "-c", configuration]
        with machine.running("nchan", command, cores=cores.server, port=port) as process:
            yield Server(process, port)


def publish(port: int, seconds: float) -> int:
    """Post at PER_SECOND for so long. How many."""
    publisher = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    total, began = round(PER_SECOND * seconds), time.monotonic()
    for number in range(total):
        time.sleep(max(0.0, began + number / PER_SECOND - time.monotonic()))
        # The clock starts before the post, as for ours before the transaction.
        event = {"product": f"load {_next()} {time.time_ns() // 1000}", "pad": PAD}
        publisher.request("POST", "/publish", body=json.dumps(event, separators=(",", ":")))
        response = publisher.getresponse()
        response.read()
        if response.status >= 300:
            raise RuntimeError(f"A post to nchan was answered {response.status}.")
    publisher.close()
    return total


_next = iter(range(1, 1 << 60)).__next__
