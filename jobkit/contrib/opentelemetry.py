"""OpenTelemetry: a span where a job is enqueued, one for each of its runs, and a link between.

from jobkit.contrib import opentelemetry

opentelemetry.install()       # where jobs are enqueued and where they run
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from opentelemetry import context, propagate, trace
from opentelemetry.trace import Link, SpanKind, Status, StatusCode, TracerProvider

import jobkit
from jobkit import middleware
from jobkit.errors import PayloadError
from jobkit.middleware import Middleware
from jobkit.payload import Payload

__all__ = ["Tracing", "install"]

_META: Final = "meta"
_CARRIER: Final = "otel"


class Tracing(Middleware):
    """The spans. The names of attributes are those of the semantic conventions for messaging.

    The span of a run is a trace of its own, linked to the one that enqueued the job: a job may run
    days later, and often. What travels is in the payload's `meta`, in the form of whatever
    propagator is set (W3C's `traceparent` usually).
    """

    def __init__(self, provider: TracerProvider | None = None) -> None:
        """`provider` by default is the program's own."""
        self._tracer = trace.get_tracer("jobkit", jobkit.__version__, tracer_provider=provider)

    def enqueue(
        self, payload: Payload, call_next: Callable[[Payload], Payload | None]
    ) -> Payload | None:
        """Around an enqueue: a span, whose context goes with the payload."""
        with self._tracer.start_as_current_span(
            f"{payload.job_class} publish",
            kind=SpanKind.PRODUCER,
            attributes=_attributes(payload.job_class, payload.queue, payload.id),
        ):
            carrier: dict[str, str] = {}
            propagate.inject(carrier)
            return call_next(_carrying(payload, carrier) if carrier else payload)

    def perform(self, job: Any, call_next: Callable[[], Any]) -> Any:
        """Around a run: a span, which has failed when the run has."""
        name = job._plan.name
        attributes = {
            **_attributes(name, job.queue, job.id),
            "jobkit.executions": job.executions,
        }
        span = self._tracer.start_span(
            f"{name} process",
            context.Context(),  # no parent: what runs beside it in this thread is not one
            kind=SpanKind.CONSUMER,
            attributes=attributes,
            links=_links(job._payload),
        )
        with trace.use_span(span, end_on_exit=True, record_exception=False):
            try:
                return call_next()
            except BaseException as error:
                # Not by use_span, which knows nothing of what is no Exception: time limits are.
                span.record_exception(error)
                span.set_status(Status(StatusCode.ERROR, type(error).__name__))
                raise


def install(provider: TracerProvider | None = None) -> Tracing:
    """Trace every enqueue and every run of this process."""
    tracing = Tracing(provider)
    middleware.add(tracing)
    return tracing


def _attributes(name: str, queue: str, job_id: str) -> dict[str, str]:
    return {
        "messaging.system": "jobkit",
        "messaging.destination.name": queue,
        "messaging.message.id": job_id,
        "jobkit.job": name,
    }


def _carrying(payload: Payload, carrier: Mapping[str, str]) -> Payload:
    return payload.replace(meta={**_meta(payload), _CARRIER: dict(carrier)})


def _links(payload: Payload | None) -> list[Link]:
    """To the span that enqueued the job, if that was traced."""
    carrier = _meta(payload).get(_CARRIER) if payload is not None else None
    if not isinstance(carrier, dict):
        return []
    texts = {name: value for name, value in carrier.items() if isinstance(value, str)}
    found = trace.get_current_span(propagate.extract(texts, context.Context())).get_span_context()
    return [Link(found)] if found.is_valid else []


def _meta(payload: Payload) -> Mapping[str, Any]:
    try:
        meta = payload.fields.get(_META)
    except PayloadError:
        return {}
    return meta if isinstance(meta, dict) else {}
