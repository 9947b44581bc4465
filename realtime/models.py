"""The tables of this app, where Django looks for them; `log/models.py` defines them."""

from .log.models import DeadLetter, Event, OutboxEvent, PollingLease, Process, PrunedKind, Stream

__all__ = ["DeadLetter", "Event", "OutboxEvent", "PollingLease", "Process", "PrunedKind", "Stream"]
