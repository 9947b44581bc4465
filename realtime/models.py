"""The tables of this app, where Django looks for them; `log/models.py` defines them."""

from .log.models import Event, OutboxEvent, Stream, Watch

__all__ = ["Event", "OutboxEvent", "Stream", "Watch"]
