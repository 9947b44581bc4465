"""Spans of OpenTelemetry, from who publishes to having written it."""

import subprocess
import sys
from contextlib import aclosing

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from realtime import tracing
from realtime.hub.stream import EventStream
from realtime.log.cursor import START
from realtime.models import Event
from tests.realtime.conftest import following, in_thread, publish
from tests.waiting import soon, until

TRACEPARENT = r"00-[0-9a-f]{32}-[0-9a-f]{16}-01"


@pytest.fixture
def spans(monkeypatch):
    """What an SDK of this test's own is told."""
    return sdk(monkeypatch)


def sdk(monkeypatch, **options):
    exporter = InMemorySpanExporter()
    provider = TracerProvider(**options)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_tracer", lambda: provider.get_tracer("realtime"))
    return exporter.get_finished_spans


async def test_a_trace_leads_from_who_publishes_to_the_clients(hub, spans):
    stream = EventStream(hub, "default", following("7"), (await hub.catch_up("default")).cursor)
    async with aclosing(stream.chunks()) as chunks:
        await soon(anext(chunks))
        await publish("7", 1, latest="total")
        await soon(anext(chunks))
        await until(lambda: len(spans()) == 3)
    by_name = {span.name: span for span in spans()}
    published = by_name.pop("publish default")
    assert published.kind is trace.SpanKind.PRODUCER
    assert published.attributes["realtime.type"] == "orders"
    assert set(by_name) == {"number default", "deliver default"}
    for span in by_name.values():
        assert span.context.trace_id == published.context.trace_id
        assert span.parent.span_id == published.context.span_id
        assert span.attributes["realtime.position"] == 1
        assert span.attributes["realtime.topic"] == "test:7"
        assert span.start_time <= span.end_time
    assert by_name["deliver default"].attributes["realtime.clients"] == 1


async def test_what_is_published_in_no_trace_that_is_kept_has_no_spans(hub, monkeypatch):
    spans = sdk(monkeypatch, sampler=ALWAYS_OFF)
    await publish("7", 1)
    await hub.catch_up("default")
    assert await in_thread(lambda: Event.objects.get().trace_parent) == ""
    assert spans() == ()


async def test_many_events_at_once_are_told_of_by_a_bounded_number_of_spans(hub, spans):
    stream = EventStream(hub, "default", following("7"), START)
    async with aclosing(stream.chunks()) as chunks:
        await soon(anext(chunks))
        await publish("7", *range(tracing.MOST_SPANS + 50))
        await soon(anext(chunks))
        await until(lambda: [span.name for span in spans()].count("deliver default") > 0)
    assert [span.name for span in spans()].count("deliver default") <= 2 * tracing.MOST_SPANS


def test_without_opentelemetry_it_is_silent(processes):
    program = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "from realtime import tracing\n"
        "with tracing.publishing('orders', None, 1) as trace_parent: assert trace_parent == ''\n"
        "tracing.delivered('orders', [], seconds=1, clients=1)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
