"""The models of this app, in the module where Django expects them. `log/models.py` defines them."""

from .log.models import DeadLetter, Event, OutboxEvent, PollingLease, Process, PrunedKind, Stream

__all__ = ["DeadLetter", "Event", "OutboxEvent", "PollingLease", "Process", "PrunedKind", "Stream"]
