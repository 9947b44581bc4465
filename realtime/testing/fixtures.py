"""Fixtures for pytest, which are available wherever this package is installed."""

from typing import Any

import pytest

from . import capture_events, open_stream, open_stream_sync


@pytest.fixture
def published(db: Any) -> Any:
    """Captures the events of a block: `with published() as events: …`, see `capture_events`."""
    return capture_events


@pytest.fixture
def event_stream(transactional_db: Any) -> Any:
    """Opens a stream: `async with event_stream(path, user) as stream: …`, see `open_stream`."""
    return open_stream


@pytest.fixture
def event_stream_sync(transactional_db: Any) -> Any:
    """Opens a stream without an event loop: `with event_stream_sync(path, user) as stream: …`"""
    return open_stream_sync
