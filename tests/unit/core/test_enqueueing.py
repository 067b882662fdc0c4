"""The verbs that store one job, from plain code, from asyncio and by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

import jobkit
from jobkit import (
    ConfigurationError,
    EnqueueError,
    EnqueueUncertain,
    Job,
    PayloadTooLarge,
    SerializationError,
    backends,
    settings,
)
from jobkit.adapter import State
from jobkit.errors import AdapterError
from jobkit.payload import Payload
from jobkit.testing import ManualClock
from tests.unit.core.support import Heard, Store

TEN_YEARS = 10 * 365.25 * 86_400


class Welcome(Job, queue="mailers"):
    def perform(self, user_id: int, *, locale: str = "en") -> str:
        return f"{user_id} {locale}"


class TestNow:
    @pytest.mark.behaviour("A2")
    def test_the_job_is_stored_with_its_arguments(self, store: Store) -> None:
        Welcome.perform_later(1, locale="de")
        payload = store.only
        assert payload.job_class == f"{__name__}.Welcome"
        assert (payload.args, payload.kwargs) == ([1], {"locale": "de"})
        assert payload.fields["v"] == 1

    @pytest.mark.behaviour("A2")
    def test_the_job_comes_back_as_an_instance(self, store: Store, clock: ManualClock) -> None:
        job = Welcome.perform_later(1, locale="de")
        now = datetime.fromtimestamp(clock.time(), UTC)
        assert isinstance(job, Welcome)
        assert (job.args, job.kwargs) == ([1], {"locale": "de"})
        assert (job.id, job.queue, job.priority) == (store.only.id, "mailers", 0)
        assert (job.created_at, job.enqueued_at, job.scheduled_at) == (now, now, None)
        assert (job.executions, job.stopping) == (0, False)
        assert job.successfully_enqueued is True
        assert repr(job) == f"<{__name__}.Welcome {job.id}>"

    def test_what_is_empty_is_left_out(self, store: Store) -> None:
        Welcome.perform_later(1)
        assert not {"kwargs", "priority", "tags", "timeout", "expires_at"} & {*store.only.fields}

    def test_each_job_has_an_id_of_its_own(self, store: Store) -> None:
        assert Welcome.perform_later(1).id != Welcome.perform_later(1).id
        assert len(store.stored) == 2

    def test_an_instance_made_by_new_is_not_stored(self, store: Store) -> None:
        job = Welcome.new(1)
        assert job.successfully_enqueued is None
        assert (job.created_at, job.executions) == (None, 0)
        assert not store.stored

    def test_arguments_changed_afterwards_do_not_change_what_is_stored(self, store: Store) -> None:
        class Take(Job):
            def perform(self, items: Any) -> None: ...

        items = [1]
        Take.perform_later(items)
        items.append(2)
        assert store.only.args == [[1]]


class TestLater:
    @pytest.mark.behaviour("A2", "D4")
    @pytest.mark.parametrize(
        "enqueue",
        [
            lambda: Welcome.perform_in(600, 1),
            lambda: Welcome.perform_in(timedelta(minutes=10), 1),
            lambda: Welcome.perform_at(1_700_000_600, 1),
            lambda: Welcome.perform_at(1_700_000_600.0, 1),
            lambda: Welcome.perform_at(datetime.fromtimestamp(1_700_000_600, UTC), 1),
            lambda: Welcome.perform_at(
                datetime.fromtimestamp(1_700_000_600, timezone(timedelta(hours=5))), 1
            ),
            lambda: Welcome.set(wait=600).perform_later(1),
            lambda: Welcome.set(wait_until=1_700_000_600).perform_later(1),
            lambda: Welcome.set(wait=5).perform_in(600, 1),
            lambda: Welcome.set(wait=5).perform_at(1_700_000_600, 1),
        ],
    )
    def test_a_job_waits_for_its_time(self, store: Store, enqueue: Callable[[], Welcome]) -> None:
        job = enqueue()
        payload = store.only
        assert (payload.scheduled_at, payload.enqueued_at) == (1_700_000_600, None)
        assert job.scheduled_at == datetime.fromtimestamp(1_700_000_600, UTC)
        assert job.enqueued_at is None
        assert store.jobs(State.SCHEDULED).items

    @pytest.mark.behaviour("D4")
    @pytest.mark.parametrize(
        "enqueue",
        [
            lambda: Welcome.perform_in(0, 1),
            lambda: Welcome.perform_in(-5, 1),
            lambda: Welcome.perform_in(timedelta(days=-5), 1),
            lambda: Welcome.perform_at(5, 1),
            lambda: Welcome.perform_at(-5, 1),
            lambda: Welcome.perform_at(datetime(1990, 1, 1, tzinfo=UTC), 1),
            lambda: Welcome.set(wait=-1).perform_later(1),
        ],
    )
    def test_the_past_means_now(self, store: Store, enqueue: Callable[[], Welcome]) -> None:
        assert enqueue().scheduled_at is None
        assert store.only.scheduled_at is None
        assert store.jobs(State.ENQUEUED).items

    @pytest.mark.behaviour("D1")
    def test_a_datetime_without_a_zone_is_refused(self, store: Store) -> None:
        naive = datetime(2030, 1, 1)  # noqa: DTZ001 - that is the test
        for enqueue in (
            lambda: Welcome.perform_at(naive, 1),
            lambda: Welcome.set(wait_until=naive),
        ):
            with pytest.raises(ValueError, match="has no time zone: give an aware datetime"):
                enqueue()
        assert not store.stored

    @pytest.mark.behaviour("D1")
    @pytest.mark.parametrize("delay", [TEN_YEARS + 1, timedelta(days=3_700), 1_700_000_000])
    def test_a_delay_above_ten_years_is_refused_and_perform_at_named(
        self, store: Store, delay: Any
    ) -> None:
        for enqueue in (lambda: Welcome.perform_in(delay, 1), lambda: Welcome.set(wait=delay)):
            with pytest.raises(ValueError, match="above 10 years: give the moment to perform_at"):
                enqueue()
        assert not store.stored

    def test_a_delay_of_ten_years_is_taken_and_a_moment_beyond(self, store: Store) -> None:
        Welcome.perform_in(TEN_YEARS, 1)
        Welcome.perform_at(datetime(2999, 1, 1, tzinfo=UTC), 2)
        assert len(store.stored) == 2

    @pytest.mark.behaviour("D1")
    @pytest.mark.parametrize("moment", [1_700_000_000_000, 1e300, 10**400])
    def test_a_moment_beyond_the_calendar_is_refused(self, store: Store, moment: float) -> None:
        with pytest.raises(ValueError, match="moment"):
            Welcome.perform_at(moment, 1)
        assert not store.stored

    @pytest.mark.behaviour("D1")
    @pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf, 10**400])
    def test_a_time_that_is_not_finite_is_refused(self, store: Store, wrong: float) -> None:
        for enqueue in (Welcome.perform_in, Welcome.perform_at):
            with pytest.raises(ValueError, match=r"finite|beyond the year"):
                enqueue(wrong, 1)

    @pytest.mark.behaviour("D1")
    @pytest.mark.parametrize("wrong", ["10", None, True, [5], b"5"])
    def test_a_time_of_another_type_is_a_type_error(self, store: Store, wrong: Any) -> None:
        with pytest.raises(TypeError, match=r"the delay is .*: give seconds or a timedelta"):
            Welcome.perform_in(wrong, 1)
        with pytest.raises(TypeError, match="the moment is"):
            Welcome.perform_at(wrong, 1)
        assert not store.stored


class TestSet:
    @pytest.mark.behaviour("A9", "A10", "A11")
    def test_options_hold_for_that_call_only(self, store: Store) -> None:
        Welcome.set(
            queue="low", priority=5, timeout=9, expires_in=60, tags=["a"], wait=1
        ).perform_later(1)
        Welcome.perform_later(2)
        plain, special = sorted(store.stored, key=lambda payload: payload.priority)
        assert (special.queue, special.timeout, special.tags) == ("low", 9, ("a",))
        assert special.expires_at == 1_700_000_061
        assert (plain.queue, plain.timeout, plain.tags) == ("mailers", None, ())
        assert (plain.scheduled_at, plain.expires_at) == (None, None)

    @pytest.mark.behaviour("A10")
    def test_options_add_up_and_the_last_wins(self, store: Store) -> None:
        low = Welcome.set(queue="low", priority=1)
        low.set(priority=2).perform_later(1)
        assert (store.only.queue, store.only.priority) == ("low", 2)

    @pytest.mark.behaviour("A11")
    def test_an_object_with_options_is_not_changed_by_its_verbs(self, store: Store) -> None:
        low = Welcome.set(queue="low")
        low.perform_in(5, 1)
        low.set(priority=7)
        assert low.perform_later(2).scheduled_at is None
        assert low.new(3).priority == 0

    def test_tags_are_added_to_those_of_the_class(self, store: Store) -> None:
        class Tagged(Job, tags=["a"]):
            def perform(self) -> None: ...

        assert Tagged.set(tags=("b",)).perform_later().tags == ("a", "b")
        assert store.only.tags == ("a", "b")

    @pytest.mark.parametrize("name", ["timeout", "expires_in"])
    def test_a_limit_of_the_class_may_be_lifted(self, store: Store, name: str) -> None:
        class Limited(Job, timeout=5, expires_in=5):
            def perform(self) -> None: ...

        lifted: Any = {name: None}
        Limited.set(**lifted).perform_later()
        field = {"timeout": store.only.timeout, "expires_in": store.only.expires_at}
        assert field[name] is None

    def test_expiry_counts_from_the_time_the_job_is_due(self, store: Store) -> None:
        Welcome.set(expires_in=60).perform_in(600, 1)
        assert store.only.expires_at == 1_700_000_660

    @pytest.mark.behaviour("A10", "D1")
    @pytest.mark.parametrize(
        ("options", "error", "text"),
        [
            ({"queues": "x"}, TypeError, r"set\(\): unknown option 'queues'; did you mean 'queue'"),
            ({"retry": 5}, TypeError, "unknown option 'retry'"),
            ({"queue": None}, TypeError, "queue"),
            ({"queue": "a b"}, ValueError, "queue"),
            ({"priority": None}, TypeError, "priority"),
            ({"priority": "1"}, TypeError, "priority"),
            ({"tags": "ab"}, TypeError, "tags"),
            ({"timeout": 0}, ValueError, "timeout"),
            ({"expires_in": "1h"}, TypeError, "expires_in"),
            ({"backend": None}, TypeError, "backend"),
            ({"idempotency_key": 5}, TypeError, "idempotency_key"),
            ({"idempotency_key": ""}, ValueError, "idempotency_key is empty"),
            ({"backend": ""}, ValueError, "backend is empty"),
            ({"wait_until": "5"}, TypeError, "the moment is '5': give an aware datetime or epoch"),
            ({"wait": "5"}, TypeError, "delay"),
            ({"wait": 5, "wait_until": 5}, ValueError, "wait or wait_until, not both"),
        ],
        ids=str,
    )
    def test_a_wrong_option_is_refused_where_it_stands(
        self, options: Any, error: type[Exception], text: str
    ) -> None:
        with pytest.raises(error, match=text):
            Welcome.set(**options)


class TestIdempotency:
    def test_equal_keys_make_equal_ids(self, store: Store) -> None:
        keyed = Welcome.set(idempotency_key="order-5")
        assert (
            keyed.new(1).id == keyed.new(2).id == Welcome.set(idempotency_key="order-5").new(1).id
        )
        assert len(keyed.new(1).id) == 32

    def test_other_keys_and_other_classes_make_other_ids(self) -> None:
        class Other(Welcome):
            pass

        ids = {
            Welcome.set(idempotency_key="a").new(1).id,
            Welcome.set(idempotency_key="b").new(1).id,
            Other.set(idempotency_key="a").new(1).id,
        }
        assert len(ids) == 3

    @pytest.mark.behaviour("D3")
    def test_it_is_refused_for_many_jobs(self, store: Store) -> None:
        with pytest.raises(ValueError, match="names one job"):
            Welcome.set(idempotency_key="a").perform_bulk([(1,), (2,)])


class Refusing(Store):
    """A store that does not take what it is given."""

    error: Exception = AdapterError("connection refused")

    def enqueue(self, payloads: Sequence[Payload]) -> None:
        raise self.error


class TestErrors:
    @pytest.mark.behaviour("B3")
    def test_an_argument_that_cannot_be_stored_stores_nothing(self, store: Store) -> None:
        with pytest.raises(SerializationError, match="argument 'user_id'"):
            Welcome.perform_later("x")  # type: ignore[arg-type] # that is the test
        assert store.calls == 0

    @pytest.mark.behaviour("A3")
    def test_a_store_that_fails_is_an_enqueue_error_with_its_cause(self) -> None:
        job = Welcome.new(1)
        with (
            backends.override(Refusing()),
            pytest.raises(EnqueueError, match="connection refused") as caught,
        ):
            jobkit.perform_all_later([job])
        assert caught.value.__cause__ is Refusing.error
        assert not isinstance(caught.value, EnqueueUncertain)
        assert job.successfully_enqueued is False
        assert job.enqueued_at is None

    @pytest.mark.behaviour("A3")
    def test_an_error_that_is_no_storage_error_is_the_callers(self) -> None:
        refusing, job = Refusing(), Welcome.new(1)
        refusing.error = ZeroDivisionError("a fault of the adapter")
        with backends.override(refusing), pytest.raises(ZeroDivisionError) as caught:
            jobkit.perform_all_later([job])
        assert caught.value is refusing.error
        assert job.successfully_enqueued is False

    @pytest.mark.behaviour("A3")
    def test_an_answer_that_was_lost_says_which_job_it_was(self) -> None:
        refusing = Refusing()
        refusing.error = EnqueueUncertain("no answer", "abc")
        with backends.override(refusing), pytest.raises(EnqueueUncertain) as caught:
            Welcome.perform_later(1)
        assert caught.value.job_id == "abc"

    def test_a_payload_above_the_limit_is_refused(self, store: Store) -> None:
        class Take(Job):
            def perform(self, text: str) -> None: ...

        settings.configure(url="memory://", max_payload=1_000)
        Take.perform_later("x" * 500)
        with pytest.raises(PayloadTooLarge, match="the limit is 1000: pass a key"):
            Take.perform_later("x" * 1_000)
        with pytest.raises(PayloadTooLarge):
            Take.perform_later("é" * 450)  # counted in bytes
        assert len(store.stored) == 1

    def test_a_backend_that_is_not_configured_is_an_error(self) -> None:
        settings.configure(url="memory://one")
        with pytest.raises(ConfigurationError, match="no backend 'nowhere'"):
            Welcome.set(backend="nowhere").perform_later(1)

    @pytest.mark.behaviour("A12")
    def test_a_subclass_may_use_another_backend_and_its_base_keeps_its_own(
        self, clock: ManualClock
    ) -> None:
        class Bulk(Welcome, backend="bulk"):
            pass

        stores = {name: Store(clock=clock) for name in ("default", "bulk")}
        for name, adapter in stores.items():
            backends.install(name, adapter)
        try:
            Bulk.perform_later(1)
            Welcome.perform_bulk([(2,), (3,)])
        finally:
            for name in stores:
                backends.uninstall(name)
        assert [payload.args for payload in stores["bulk"].stored] == [[1]]
        assert [payload.args for payload in stores["default"].stored] == [[2], [3]]

    @pytest.mark.behaviour("A12")
    def test_a_class_and_a_call_may_choose_another_backend(self, clock: ManualClock) -> None:
        class Bulk(Job, backend="bulk"):
            def perform(self) -> None: ...

        stores = {name: Store(clock=clock) for name in ("default", "bulk")}
        for name, adapter in stores.items():
            backends.install(name, adapter)
        try:
            Bulk.perform_later()
            Bulk.set(backend="default").perform_later()
            Welcome.perform_later(1)
        finally:
            for name in stores:
                backends.uninstall(name)
        assert [len(adapter.stored) for adapter in stores.values()] == [2, 1]


class TestEvents:
    @pytest.mark.behaviour("A15")
    def test_a_stored_job_is_told_once(self, store: Store, heard: Heard) -> None:
        job = Welcome.perform_in(5, 1)
        event = heard.only("enqueue")
        assert event.job is job
        assert event.adapter is store
        assert event.data == {"aborted": False, "state": State.SCHEDULED}
        assert heard.names == ["enqueue"]

    def test_a_subscriber_that_raises_harms_nobody(self, store: Store) -> None:
        def fail(event: object) -> None:
            raise RuntimeError

        jobkit.events.subscribe(fail)
        assert Welcome.perform_later(1).successfully_enqueued
