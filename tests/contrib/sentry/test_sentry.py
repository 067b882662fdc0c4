"""Failed runs as the real client sends them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sentry_sdk
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from jobkit import Job, discard_on, middleware, retry_on
from jobkit.contrib import sentry
from jobkit.contrib.sentry import Reporting
from jobkit_inline import FakeAdapter, drain, use_adapter


@retry_on(ConnectionError, attempts=3)
class Breaks(Job, queue="orders"):
    def perform(self, secret: str) -> None:
        sentry_sdk.add_breadcrumb(message=f"run {self.executions}")
        raise ConnectionError("no route")


@discard_on(KeyError)
class Unwanted(Job):
    def perform(self) -> None:
        raise KeyError


class Fine(Job):
    def perform(self) -> None:
        pass


class Kept(Transport):
    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict[str, Any]] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        for item in envelope.items:
            self.events.append(dict(item.payload.json or {}))

    def of_kind(self, kind: str | None) -> list[dict[str, Any]]:
        return [event for event in self.events if event.get("type") == kind]


@pytest.fixture
def sent() -> Iterator[Kept]:
    kept = Kept()
    sentry_sdk.init(
        dsn="http://key@127.0.0.1:9/1",
        transport=kept,
        default_integrations=False,
        auto_enabling_integrations=False,
        traces_sample_rate=1.0,
        include_local_variables=False,
    )
    with use_adapter(FakeAdapter()):
        yield kept
    middleware.remove(Reporting)
    sentry_sdk.get_client().close()
    sentry_sdk.get_global_scope().set_client(None)


def test_every_failed_run_is_reported_with_its_job(sent: Kept) -> None:
    sentry.install()
    job = Breaks.perform_later("s3cret")
    drain()
    errors = sent.of_kind(None)
    assert len(errors) == 3
    for nth, event in enumerate(errors, 1):
        (error,) = event["exception"]["values"]
        assert (error["type"], error["value"]) == ("ConnectionError", "no route")
        assert event["transaction"] == Breaks._name
        assert event["tags"]["jobkit.queue"] == "orders"
        about = event["contexts"]["jobkit"]
        assert about == {"id": job.id, "job": Breaks._name, "queue": "orders", "executions": nth}
        assert [each["message"] for each in event["breadcrumbs"]["values"]] == [f"run {nth}"]
    assert "s3cret" not in str(sent.events)


def test_only_deaths_are_reported_where_that_is_wanted(sent: Kept) -> None:
    sentry.install(only_deaths=True)
    Breaks.perform_later("x")
    drain()
    (event,) = sent.of_kind(None)
    assert event["contexts"]["jobkit"]["executions"] == 3


def test_what_a_rule_discards_is_not_reported(sent: Kept) -> None:
    sentry.install()
    Unwanted.perform_later()
    drain()
    assert sent.of_kind(None) == []


def test_a_run_is_a_transaction(sent: Kept) -> None:
    sentry.install()
    Fine.perform_later()
    drain()
    (transaction,) = sent.of_kind("transaction")
    assert transaction["transaction"] == Fine._name
    assert transaction["contexts"]["trace"]["op"] == "queue.process"
