"""Granian and hypercorn: which promises are kept there, and which are not."""

import signal

import httpx
import pytest

from realtime.deployment_checks import OTHER_SERVERS
from tests.clients import bearer, open_stream
from tests.realtime.serving.test_slow_readers import is_connected, publish, stalled_client
from tests.servers import running_server
from tests.tiers import needs
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("processes"),
    needs("granian", "hypercorn"),
]

SERVERS = ["granian", "hypercorn"]
# What docs/operations.md and realtime.W108 say isn't: to be told when it is.
OF = {"raises": (AssertionError, httpx.RemoteProtocolError), "strict": True}
QUICK = {"DJANGO_SETTINGS_MODULE": "tests.realtime.quick_settings"}


def not_kept(server):
    return pytest.param(server, marks=pytest.mark.xfail(reason=OTHER_SERVERS[server], **OF))


@pytest.mark.parametrize("kind", SERVERS)
def test_events_arrive_and_what_was_missed(transactional_db, alice, kind):
    with running_server(kind) as server:
        with open_stream(server, **bearer(alice)) as stream:
            publish(alice, 1)
            cursor = stream.next_event().id
        publish(alice, 2)
        with open_stream(server, cursor=cursor, **bearer(alice)) as stream:
            assert [stream.next_event().json()["n"] for _ in "12"] == [0, 1]


@pytest.mark.parametrize("kind", [not_kept("granian"), "hypercorn"])
def test_a_client_that_never_reads_on_is_hung_up_on(transactional_db, alice, kind):
    with running_server(kind, **QUICK) as server:
        publish(alice, 4000)
        with stalled_client(server, bearer(alice)):
            wait_until(lambda: is_connected(server))
            wait_until(lambda: not is_connected(server), 20)


@pytest.mark.parametrize("kind", ["granian", not_kept("hypercorn")])
def test_streams_leave_with_a_farewell_when_the_server_ends(transactional_db, alice, kind):
    with running_server(kind) as server, open_stream(server, **bearer(alice)) as stream:
        server.process.send_signal(signal.SIGTERM)
        last = list(stream._blocks)
        assert last
        assert last[-1].retry is not None
