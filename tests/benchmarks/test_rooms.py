"""The table of who holds the interpreter's lock."""

from benchmarks.rooms import shares

LINES = [
    "run (daphne/server.py:1);read (twisted/internet/tcp.py:2);split (re.py:3) 6",
    "_bootstrap_inner (threading.py:1);add (realtime/hub/hub.py:2);run (asyncio/events.py:3) 3",
    "_bootstrap_inner (threading.py:1);answer (realtime/access/prefetch.py:7) 2",
    "sleep (time.py:1) 1",
]


def test_a_sample_is_the_rooms_that_called_last_and_the_standard_librarys_its_callers():
    assert shares(LINES) == {
        ("event loop", "Twisted"): 6,
        ("threads", "asyncio"): 3,
        ("threads", "ours: access"): 2,
        ("event loop", "Python"): 1,
    }
