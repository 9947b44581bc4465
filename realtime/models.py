"""The tables of this app, where Django looks for them; `log/models.py` defines them."""

from .log.models import Event, OutboxEvent, PollingLease, Stream

__all__ = ["Event", "OutboxEvent", "PollingLease", "Stream"]
