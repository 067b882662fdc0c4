"""Spans of enqueues and runs, as the real SDK exports them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, get_current_span

from jobkit import Job, middleware, retry_on
from jobkit.contrib import opentelemetry
from jobkit.contrib.opentelemetry import Tracing
from jobkit.payload import Payload
from jobkit_inline import FakeAdapter, drain, enqueued_jobs, use_adapter

seen: list[int] = []


class Ships(Job, queue="orders"):
    def perform(self) -> None:
        seen.append(get_current_span().get_span_context().span_id)


@retry_on(ConnectionError, attempts=2)
class Breaks(Job):
    def perform(self) -> None:
        raise ConnectionError("no route")


@pytest.fixture
def provider() -> TracerProvider:
    return TracerProvider()


@pytest.fixture
def exporter(provider: TracerProvider) -> Iterator[InMemorySpanExporter]:
    made = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(made))
    opentelemetry.install(provider)
    seen.clear()
    with use_adapter(FakeAdapter()):
        yield made
    middleware.remove(Tracing)


def test_a_run_is_linked_to_the_enqueue_and_is_a_trace_of_its_own(
    exporter: InMemorySpanExporter, provider: TracerProvider
) -> None:
    with provider.get_tracer("app").start_as_current_span("request") as request:
        Ships.perform_later()
        drain()
    publish, process, _ = exporter.get_finished_spans()
    assert (publish.name, publish.kind) == (f"{Ships._name} publish", SpanKind.PRODUCER)
    assert publish.parent == request.get_span_context()
    assert (process.name, process.kind) == (f"{Ships._name} process", SpanKind.CONSUMER)
    assert process.parent is None
    (link,) = process.links
    assert link.context.span_id == span_of(publish)
    assert link.context.trace_id == request.get_span_context().trace_id
    assert seen == [span_of(process)]
    attributes = process.attributes or {}
    assert attributes["messaging.destination.name"] == "orders"
    assert attributes["jobkit.executions"] == 1
    assert attributes["messaging.message.id"] == (publish.attributes or {})["messaging.message.id"]


def test_every_run_has_a_span_and_a_failed_one_says_why(exporter: InMemorySpanExporter) -> None:
    Breaks.perform_later()
    drain()
    publish, *runs = exporter.get_finished_spans()
    assert len(runs) == 2
    for run in runs:
        assert run.status.status_code is StatusCode.ERROR
        assert [event.name for event in run.events] == ["exception"]
        assert [link.context.span_id for link in run.links] == [span_of(publish)]
    assert _executions(runs) == [1, 2]


def span_of(span: ReadableSpan) -> int:
    assert span.context is not None
    return int(span.context.span_id)


def _executions(runs: list[ReadableSpan]) -> list[object]:
    return [(run.attributes or {})["jobkit.executions"] for run in runs]


def test_what_other_middleware_has_in_meta_stays(exporter: InMemorySpanExporter) -> None:
    tracing = Tracing(TracerProvider())
    stored: list[Payload] = []
    given = Payload.of({"class": "A", "args": [], "jid": "1", "meta": {"mine": 1}})

    def store(payload: Payload) -> Payload:
        stored.append(payload)
        return payload

    tracing.enqueue(given, store)
    meta = stored[0].fields["meta"]
    assert meta["mine"] == 1
    assert set(meta["otel"]) == {"traceparent"}


@pytest.mark.parametrize(
    "meta", [None, 5, {"otel": 1}, {"otel": {"traceparent": "x"}}, {"otel": {}}]
)
def test_what_it_cannot_read_is_no_link_and_no_error(
    exporter: InMemorySpanExporter, meta: object
) -> None:
    Ships.perform_later()
    (job,) = enqueued_jobs()
    job._payload = Payload.of({"class": Ships._name, "args": [], "jid": "1", "meta": meta})
    assert Tracing(TracerProvider()).perform(job, lambda: 7) == 7
