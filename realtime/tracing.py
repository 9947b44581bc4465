"""OpenTelemetry spans, from publishing an event to its delivery, if OpenTelemetry is installed.

    publish orders      by whoever publishes: a child of the span that is open there
      number orders     by the process that gave the event its position, if it follows the stream
      deliver orders    by each process, when it has written the event to the clients that keep up

The outbox and the log carry the trace in a column (https://www.w3.org/TR/trace-context/), because
different processes do the three at different times. There is no span for events that a client
reads from the table when it comes back later.

`opentelemetry-api` alone records nothing: only a project that has set up its SDK gets spans.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, NamedTuple

try:
    from opentelemetry import trace
    from opentelemetry.propagate import extract
except ModuleNotFoundError:
    trace = None  # type: ignore[assignment]  # as its absence is told from here on

# https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/
SYSTEM = {"messaging.system": "django-postgres-realtime"}
# Bounded, so that a batch of a thousand events with a trace each doesn't delay other events.
MOST_SPANS = 100
NO_SPAN = nullcontext("")


class Traced(NamedTuple):
    """An event that was published within a trace, as it was read from the log."""

    trace_parent: str
    position: int
    topic: str
    type: str
    age_seconds: float


def publishing(stream: str, type: str | None, count: int) -> AbstractContextManager[str]:
    """The span of publishing some events. It yields the trace for their rows; empty: none."""
    # A quick exit, because each checkout waits for this and most projects have no SDK.
    if trace is None or isinstance(_tracer(), trace.ProxyTracer):
        return NO_SPAN
    return _publishing(stream, type, count)


@contextmanager
def _publishing(stream: str, type: str | None, count: int) -> Iterator[str]:
    attributes = {**_of(stream, "send"), "messaging.batch.message_count": count}
    if type is not None:
        attributes["realtime.type"] = type
    with _tracer().start_as_current_span(
        f"publish {stream}", kind=trace.SpanKind.PRODUCER, attributes=attributes
    ) as span:
        context = span.get_span_context()
        if context.is_valid and context.trace_flags.sampled:
            yield f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
        else:
            yield ""


def numbered(stream: str, events: Sequence[Traced], *, seconds: float) -> None:
    """Record that these events were numbered, and how long that took."""
    _tell("number", stream, events, seconds, {})


def delivered(stream: str, events: Sequence[Traced], *, seconds: float, clients: int) -> None:
    """Record that these events were written to so many clients, and how long that took."""
    _tell("deliver", stream, events, seconds, {"realtime.clients": clients})


def _tell(
    what: str, stream: str, events: Sequence[Traced], seconds: float, attributes: dict[str, Any]
) -> None:
    if trace is None:
        return
    ended = time.time_ns()
    for event in events[:MOST_SPANS]:
        span = _tracer().start_span(
            f"{what} {stream}",
            context=extract({"traceparent": event.trace_parent}),
            kind=trace.SpanKind.CONSUMER,
            start_time=ended - int(seconds * 1e9),
            attributes={
                **_of(stream, "process"),
                "realtime.position": event.position,
                "realtime.topic": event.topic,
                "realtime.type": event.type,
                "realtime.seconds_since_insert": event.age_seconds,
                **attributes,
            },
        )
        span.end(ended)


def _of(stream: str, operation: str) -> dict[str, Any]:
    return {
        **SYSTEM,
        "messaging.destination.name": stream,
        "messaging.operation.type": operation,
    }


def _tracer() -> Any:
    # Looked up each time, because the SDK may be set up after this module was imported.
    return trace.get_tracer("realtime")
