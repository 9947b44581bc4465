"""Two PostgreSQL servers that Patroni keeps as one: a primary, and a standby that takes its place.

Of Debian: `apt-get install patroni etcd-server haproxy postgresql`. Its servers don't run as root.
https://patroni.readthedocs.io/
"""

import getpass
import json
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest

from ..servers import free_port

PROGRAMS = ("patroni", "etcd", "haproxy")
ACCOUNT = "postgres"
START_SECONDS = 60
# How long a primary that is gone without a word may be missed, at most: Patroni's own defaults are
# 30, 10 and 10 s. The three hang together: ttl >= loop_wait + 2 * retry_timeout.
TTL, LOOP_WAIT, RETRY_TIMEOUT = 10, 1, 3


def binaries() -> Path | None:
    """PostgreSQL's server programs as Debian has them, the newest."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return found[-1].parent if found else None


def skip_unless_possible() -> None:
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing or binaries() is None:
        pytest.skip(f"needs {', '.join([*missing, 'postgresql'])} of Debian")
    if os.geteuid() != 0 and getpass.getuser() != ACCOUNT:
        pytest.skip(f"needs to run its servers as the account {ACCOUNT}")


class Node:
    """One server and the Patroni that looks after it."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.port, self.api_port = free_port(), free_port()
        self.folder = folder / name
        self.process: subprocess.Popen | None = None

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(self.url(), autocommit=True, connect_timeout=2)

    @property
    def role(self) -> str | None:
        """“primary” or “standby”, by its own word; None: it doesn't answer."""
        try:
            with self.connect() as session:
                [is_standby] = session.execute("SELECT pg_is_in_recovery()").fetchone()
        except psycopg.Error:
            return None
        return "standby" if is_standby else "primary"

    def walsender(self) -> psutil.Process:
        """The process by which a primary sends what it writes to its standby."""
        for process in self._postgres().children(recursive=True):
            if any("walsender" in part for part in process.cmdline()):
                return process
        raise AssertionError(f"{self.name} sends nothing")

    def kill(self) -> None:
        """As a power cut does: server and Patroni at once, without a word to anyone."""
        processes = [psutil.Process(self.process.pid), self._postgres()]
        processes += processes[1].children(recursive=True)
        processes += processes[0].children(recursive=True)
        for process in processes:
            try:
                process.send_signal(signal.SIGKILL)
            except psutil.NoSuchProcess:
                continue
        self.process.wait()

    def _postgres(self) -> psutil.Process:
        pid = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        return psutil.Process(pid)


class Pair:
    """Two nodes, and the etcd through which they agree on who is the primary."""

    def __init__(self, folder: Path, *, synchronous: bool) -> None:
        self.folder = folder
        self.nodes = [Node("one", folder), Node("two", folder)]
        self._synchronous = synchronous
        self._etcd_port = free_port()
        self._resources = ExitStack()

    @property
    def url(self) -> str:
        """As an application should have it: both servers, and only the one that takes writes."""
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        return f"postgresql://postgres@{hosts}/postgres?target_session_attrs=read-write"

    @property
    def primary(self) -> Node:
        [node] = [node for node in self.nodes if node.role == "primary"]
        return node

    @property
    def standby(self) -> Node:
        [node] = [node for node in self.nodes if node.role == "standby"]
        return node

    def start(self) -> None:
        peers = free_port()
        self._run(
            *("etcd", "--name=only", f"--data-dir={self.folder / 'etcd'}"),
            f"--listen-client-urls=http://127.0.0.1:{self._etcd_port}",
            f"--advertise-client-urls=http://127.0.0.1:{self._etcd_port}",
            f"--listen-peer-urls=http://127.0.0.1:{peers}",
            f"--initial-advertise-peer-urls=http://127.0.0.1:{peers}",
            f"--initial-cluster=only=http://127.0.0.1:{peers}",
            "--unsafe-no-fsync",
            log="etcd",
        )
        first, second = self.nodes
        self.start_node(first)
        self.until(lambda: first.role == "primary")
        self.start_node(second)
        self.until(self.is_whole)

    def start_node(self, node: Node) -> None:
        """Start Patroni on a node, which does the rest: also after a crash."""
        node.folder.mkdir(exist_ok=True)
        shutil.chown(node.folder, ACCOUNT, ACCOUNT)
        file = node.folder / "patroni.json"  # JSON is YAML
        file.write_text(json.dumps(self._configuration(node)))
        shutil.chown(file, ACCOUNT, ACCOUNT)
        node.process = self._run("patroni", str(file), log=f"{node.name}.patroni")

    def is_whole(self) -> bool:
        """Whether there is a primary, and a standby that has all that it has."""
        roles = {node.role: node for node in self.nodes}
        if set(roles) != {"primary", "standby"}:
            return False
        with roles["primary"].connect() as session:
            states = session.execute("SELECT state, sync_state FROM pg_stat_replication").fetchall()
        return states == [("streaming", "sync" if self._synchronous else "async")]

    def until(self, condition: Any, seconds: float = START_SECONDS) -> float:
        """Wait until it is so; returns the seconds that took."""
        began = time.monotonic()
        while not condition():
            if time.monotonic() - began > seconds:
                logs = [path.read_text()[-2000:] for path in self.folder.glob("*.log")]
                raise AssertionError("\n\n".join(["It never came to be so.", *logs]))
            time.sleep(0.1)
        return time.monotonic() - began

    def haproxy(self) -> int:
        """Start an HAProxy that leads to whoever is the primary; its port."""
        port = free_port()
        servers = "\n".join(
            f"    server {node.name} 127.0.0.1:{node.port} check port {node.api_port}"
            for node in self.nodes
        )
        file = self.folder / "haproxy.cfg"
        file.write_text(HAPROXY.format(port=port, servers=servers))
        self._run("haproxy", "-db", "-f", str(file), log="haproxy")
        return port

    def stop(self) -> None:
        for node in self.nodes:
            if node.process is not None and node.process.poll() is None:
                node.kill()
        self._resources.close()

    def _configuration(self, node: Node) -> dict[str, Any]:
        access = ["local all all trust", "host all all 127.0.0.1/32 trust"]
        access.append("host replication all 127.0.0.1/32 trust")
        return {
            "scope": "shop",
            "name": node.name,
            "etcd3": {"host": f"127.0.0.1:{self._etcd_port}"},
            "restapi": {
                "listen": f"127.0.0.1:{node.api_port}",
                "connect_address": f"127.0.0.1:{node.api_port}",
            },
            "bootstrap": {
                "dcs": {
                    "ttl": TTL,
                    "loop_wait": LOOP_WAIT,
                    "retry_timeout": RETRY_TIMEOUT,
                    "maximum_lag_on_failover": 100 * 1024 * 1024,
                    "synchronous_mode": self._synchronous,
                    "postgresql": {
                        "use_pg_rewind": True,
                        "parameters": {"wal_log_hints": "on", "max_connections": 200},
                    },
                },
                "initdb": [{"encoding": "UTF8"}, {"locale": "C.UTF-8"}],
                "pg_hba": access,
            },
            "postgresql": {
                "listen": f"127.0.0.1:{node.port}",
                "connect_address": f"127.0.0.1:{node.port}",
                "data_dir": str(node.folder / "data"),
                "bin_dir": str(binaries()),
                "pgpass": str(node.folder / "pgpass"),
                "parameters": {"unix_socket_directories": str(node.folder)},
                "authentication": {
                    "superuser": {"username": "postgres"},
                    "replication": {"username": "postgres"},
                    "rewind": {"username": "postgres"},
                },
            },
        }

    def _run(self, *command: str, log: str) -> subprocess.Popen:
        file = self._resources.enter_context((self.folder / f"{log}.log").open("ab"))
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            user=ACCOUNT if os.geteuid() == 0 else None,
            group=ACCOUNT if os.geteuid() == 0 else None,
            extra_groups=[] if os.geteuid() == 0 else None,
        )
        self._resources.callback(_end, process)
        return process


def _end(process: subprocess.Popen) -> None:
    if process.poll() is None:
        process.kill()
    process.wait()


# Sessions with a server that is no longer the primary are ended, not left to themselves.
# https://patroni.readthedocs.io/en/latest/rest_api.html
HAPROXY = """
defaults
    mode tcp
    timeout connect 2s
    timeout client 1h
    timeout server 1h
    timeout check 1s
frontend postgres
    bind 127.0.0.1:{port}
    default_backend primary
backend primary
    option httpchk OPTIONS /primary
    http-check expect status 200
    default-server inter 500ms fall 2 rise 1 on-marked-down shutdown-sessions
{servers}
"""


@contextmanager
def running_pair(*, synchronous: bool) -> Iterator[Pair]:
    """A primary and a standby that is up to date, removed at the end."""
    skip_unless_possible()
    # Not pytest's folder, which is nobody's but root's.
    folder = Path("/tmp") / f"failover-{os.getpid()}"
    folder.mkdir(mode=0o755)
    try:
        if os.geteuid() == 0:
            account = pwd.getpwnam(ACCOUNT)
            os.chown(folder, account.pw_uid, account.pw_gid)
        pair = Pair(folder, synchronous=synchronous)
        try:
            pair.start()
            yield pair
        finally:
            pair.stop()
    finally:
        shutil.rmtree(folder)


def is_answering(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False
