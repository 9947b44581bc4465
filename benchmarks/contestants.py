"""The peers: what else a team could choose, each set up as its own documents say.

They stream to whoever asks, without a database, accounts or a log (but for what `replays` says):
all that this project does besides is on top of what they do.
"""

import shutil
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from . import places
from .peer_site import PeerSite
from .processes import free_port, running
from .site import SERVERS

NCHAN_MODULES = [
    Path("/usr/lib/nginx/modules/ngx_nchan_module.so"),
    Path("/usr/lib64/nginx/modules/ngx_nchan_module.so"),
]


class Peer(NamedTuple):
    """missing: what has to be installed first, and how; None: nothing."""

    name: str
    # On these cores; whether it is to keep events for clients that come back.
    start: Callable[[Collection[int], bool], AbstractContextManager[PeerSite]]
    missing: Callable[[], str | None]
    # Whether a client that comes back is sent what it has missed.
    replays: bool = False


@contextmanager
def _python(
    name: str, server: str, module: str, cores: Collection[int], replays: bool
) -> Iterator[PeerSite]:
    port = free_port()
    with (
        tempfile.TemporaryDirectory(prefix="peer-") as folder,
        running(
            name,
            [sys.executable, *SERVERS[server], port, f"benchmarks.peers.{module}:application"],
            cores=cores,
            port=port,
            environment={"PEER_FOLDER": folder, "PEER_REPLAYS": "1" if replays else ""},
        ) as process,
    ):
        yield PeerSite(name, port, process)


@contextmanager
def _nchan(cores: Collection[int], replays: bool) -> Iterator[PeerSite]:
    # It keeps the latest in any case.
    name = "nchan"
    port = free_port()
    template = (places.SOURCES / "peers" / "nchan.conf").read_text()
    module = next(path for path in NCHAN_MODULES if path.exists())
    with tempfile.TemporaryDirectory(prefix="nchan-") as folder:
        configuration = Path(folder) / "nginx.conf"
        configuration.write_text(
            template.replace("PORT", str(port))
            .replace("FOLDER", folder)
            .replace("MODULE", str(module))
        )
        command = [shutil.which("nginx"), "-p", folder, "-c", configuration]
        with running(name, command, cores=cores, port=port) as process:
            yield PeerSite(name, port, process)


def package(*modules: str) -> str | None:
    """What to do to have these; None: they are there."""
    if all(find_spec(module) for module in modules):
        return None
    return "pip install -r benchmarks/requirements.txt"


def _nginx() -> str | None:
    if shutil.which("nginx") and any(path.exists() for path in NCHAN_MODULES):
        return None
    return "Debian: apt-get install nginx libnginx-mod-nchan"


def _peer(name: str, server: str, module: str, *packages: str, replays: bool = False) -> Peer:
    return Peer(
        name,
        lambda cores, replays: _python(name, server, module, cores, replays),
        lambda: package(server, *packages),
        replays,
    )


PEERS = {
    peer.name: peer
    for peer in (
        Peer("nchan", _nchan, _nginx, replays=True),
        _peer("bare-django-daphne", "daphne", "bare_django"),
        _peer("bare-django-uvicorn", "uvicorn", "bare_django"),
        _peer("sse-starlette", "uvicorn", "starlette", "sse_starlette"),
        _peer("django-eventstream", "daphne", "eventstream", "django_eventstream", replays=True),
    )
}
