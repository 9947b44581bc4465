"""Servers that outlive a test, for starting one takes longer than most tests."""

from collections.abc import Iterator
from contextlib import ExitStack

from pytest_django.plugin import DjangoDbBlocker

from .emptying import log_kept
from .servers import ServerProcess, running_server


class SharedServer:
    """One server for tests that follow each other, until one of them ends it: then another one.

    Whoever uses it needs the positions of streams to go on from test to test.
    """

    def __init__(self, kind: str, **environment: str) -> None:
        self._kind = kind
        self._environment = environment
        self._running = ExitStack()
        self._process: ServerProcess | None = None

    def running(self) -> ServerProcess:
        """A running one, that has printed nothing yet."""
        if self._process is None or self._process.process.poll() is not None:
            self.stop()
            self._running.enter_context(log_kept())
            self._process = self._running.enter_context(
                running_server(self._kind, **self._environment)
            )
        self._process.output.clear()
        return self._process

    def again(self) -> ServerProcess:
        """Another one in the place of one that a test has ended: with its port and its log."""
        assert self._process is not None
        assert self._process.process.poll() is not None
        self._process = self._running.enter_context(
            running_server(self._kind, port=self._process.port, **self._environment)
        )
        return self._process

    def stop(self) -> None:
        """The next one begins with an empty log."""
        self._running.close()
        self._process = None


def shared_server(
    blocker: DjangoDbBlocker, kind: str, **environment: str
) -> Iterator[SharedServer]:
    """For as long as a fixture of a file or folder lives."""
    shared = SharedServer(kind, **environment)
    yield shared
    with blocker.unblock():
        shared.stop()
