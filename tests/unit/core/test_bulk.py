"""Many jobs in one call."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import pytest

import jobkit
from jobkit import (
    EnqueueError,
    Job,
    Middleware,
    PayloadTooLarge,
    SerializationError,
    backends,
    middleware,
    settings,
)
from jobkit.errors import AdapterError
from jobkit.jobs.plan import plan_of
from jobkit.jobs.writing import PlainWriter
from jobkit.payload import Payload
from jobkit.testing import ManualClock
from tests.unit.core.support import Heard, Store

NOW = 1_700_000_000


class Count(Job):
    def perform(self, number: int, *, label: str = "") -> None: ...


class Other(Job, queue="low"):
    def perform(self) -> None: ...


class FailsFrom(Store):
    """A store that is lost after so many calls."""

    last_call = 2

    def enqueue(self, payloads: Sequence[Payload]) -> None:
        if self.calls == self.last_call:
            raise AdapterError("gone")
        super().enqueue(payloads)


class EvenOnly(Middleware):
    def enqueue(self, payload: Payload, call_next: Any) -> Any:
        return call_next(payload) if payload.args[0] % 2 == 0 else None


class Odd(Job, queue="low", retry=3, redact=["secret"]):
    def perform(self, text: str = "", *rest: Any, secret: str = "") -> None: ...


class TestPerformBulk:
    @pytest.mark.parametrize(
        ("args", "kwargs"),
        [
            ((), {}),
            (("a\nb\u2028\U0001f600",), {}),
            (("", None, 1.5, {"b": [1]}), {"secret": '"jid":"x"'}),
            ((), {"text": "},"}),
        ],
    )
    def test_a_job_of_many_is_written_as_it_would_be_alone(
        self, store: Store, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        jobkit.propagate(ContextVar("tenant", default="").set("x").var)
        Odd.perform_later(*args, **kwargs)
        alone = store.only
        Odd.perform_bulk([args] if not kwargs else [kwargs] if not args else [args])
        if args and kwargs:
            written = PlainWriter(plan_of(Odd), store.now(), {"tenant": "x"})
            store.enqueue(written([(args, kwargs)]))
        many = store.stored[-1]
        assert many.text == alone.text.replace(alone.id, many.id)
        assert json.loads(many.text) == many.fields
        assert list(many.fields) == list(alone.fields)

    def test_a_job_is_stored_for_each_row_and_the_number_returned(self, store: Store) -> None:
        assert Count.perform_bulk([(1,), {"number": 2, "label": "b"}]) == 2
        assert [(payload.args, payload.kwargs) for payload in store.stored] == [
            ([1], {}),
            ([], {"number": 2, "label": "b"}),
        ]

    @pytest.mark.parametrize("rows", [[], (), {}, iter([])])
    def test_no_rows_are_no_error(self, store: Store, rows: Any) -> None:
        assert Count.perform_bulk(rows) == 0
        assert store.calls == 0

    def test_rows_come_from_any_iterable_of_any_mappings(self, store: Store) -> None:
        rows: Iterator[Mapping[str, int]] = (MappingProxyType({"number": n}) for n in range(3))
        assert Count.perform_bulk(rows) == 3

    @pytest.mark.behaviour("D1")
    @pytest.mark.parametrize("row", [5, "text", None, {1, 2}])
    def test_a_row_that_is_none_is_refused_with_the_remedy(self, store: Store, row: Any) -> None:
        with pytest.raises(TypeError, match=r"rows of arguments, .* write \(value,\)"):
            Count.perform_bulk([row])

    def test_options_hold_for_all(self, store: Store) -> None:
        Count.set(queue="low", wait=60).perform_bulk([(1,), (2,)])
        assert {(p.queue, p.scheduled_at) for p in store.stored} == {("low", NOW + 60)}

    @pytest.mark.behaviour("D3")
    def test_slices_of_a_thousand_go_to_the_store(self, store: Store) -> None:
        assert Count.perform_bulk((n,) for n in range(2_500)) == 2_500
        assert store.calls == 3
        assert [payload.args[0] for payload in store.stored] == list(range(2_500))

    @pytest.mark.behaviour("D3")
    def test_an_endless_generator_is_taken_slice_by_slice(self, clock: ManualClock) -> None:
        store = FailsFrom(clock=clock)
        numbers = itertools.count()
        with backends.override(store), pytest.raises(EnqueueError) as caught:
            Count.perform_bulk((n,) for n in numbers)
        assert next(numbers) == 3_000
        assert len(store.stored) == 2_000
        assert caught.value.__notes__ == ["2000 jobs of this call were stored before"]

    @pytest.mark.behaviour("B3")
    @pytest.mark.parametrize(
        ("row", "error"), [((1, 2), TypeError), (("x",), SerializationError), (5, TypeError)]
    )
    def test_a_wrong_row_stores_nothing_of_its_slice(
        self, store: Store, row: Any, error: type[Exception]
    ) -> None:
        rows = itertools.chain(((n,) for n in range(1_500)), [row])
        with pytest.raises(error) as caught:
            Count.perform_bulk(rows)
        assert len(store.stored) == 1_000
        assert caught.value.__notes__ == ["1000 jobs of this call were stored before"]

    def test_an_error_of_the_generator_says_what_was_stored(self, store: Store) -> None:
        def rows() -> Iterator[tuple[int]]:
            yield from ((n,) for n in range(1_000))
            raise OSError("the file ends here")

        with pytest.raises(OSError, match="the file ends here") as caught:
            Count.perform_bulk(rows())
        assert caught.value.__notes__ == ["1000 jobs of this call were stored before"]

    @pytest.mark.behaviour("D2")
    def test_stopped_jobs_are_not_counted(self, store: Store) -> None:
        middleware.add(EvenOnly())
        assert Count.perform_bulk((n,) for n in range(5)) == 3
        assert [payload.args for payload in store.stored] == [[0], [2], [4]]


class TestSpread:
    @pytest.mark.behaviour("D3")
    @pytest.mark.parametrize("window", [100, timedelta(seconds=100)])
    def test_each_job_has_a_delay_of_its_own_within_the_window(
        self, store: Store, window: Any
    ) -> None:
        Count.perform_bulk(((n,) for n in range(300)), spread=window)
        times = [payload.scheduled_at for payload in store.stored]
        assert all(time is not None and NOW < time <= NOW + 100 for time in times)
        assert len(set(times)) > 250  # not quite all: floats of this size are coarse

    @pytest.mark.behaviour("D3")
    def test_it_begins_where_the_jobs_would_have_been_due(
        self, store: Store, full_jitter: None
    ) -> None:
        Count.set(wait=1_000).perform_bulk([(1,)], spread=100)
        Count.set(wait_until=NOW + 500).perform_bulk([(2,)], spread=100)
        assert [payload.scheduled_at for payload in store.stored] == [NOW + 600, NOW + 1_100]

    @pytest.mark.parametrize("window", [-5, 0])
    def test_no_window_means_now(self, store: Store, window: float) -> None:
        Count.perform_bulk([(1,)], spread=window)
        assert store.only.scheduled_at is None

    def test_a_window_above_ten_years_is_refused_before_a_row_is_taken(self, store: Store) -> None:
        rows = iter([(1,)])
        with pytest.raises(ValueError, match="10 years"):
            Count.perform_bulk(rows, spread=timedelta(days=4_000))
        assert next(rows) == (1,)


class TestPerformAllLater:
    @pytest.mark.behaviour("A8")
    def test_jobs_of_any_classes_are_stored_each_with_its_options(self, store: Store) -> None:
        jobs = [Count.new(1), Other.set(wait=60).new(), Count.set(priority=-1).new(2)]
        assert jobkit.perform_all_later(jobs) == jobs
        assert store.calls == 1
        assert all(job.successfully_enqueued for job in jobs)
        assert [(p.job_class.rpartition(".")[2], p.queue, p.priority) for p in store.stored] == [
            ("Count", "default", -1),
            ("Count", "default", 0),
            ("Other", "low", 0),
        ]
        assert [job.scheduled_at is None for job in jobs] == [True, False, True]

    def test_none_are_no_error(self, store: Store) -> None:
        assert jobkit.perform_all_later([]) == []
        assert store.calls == 0

    def test_what_is_no_job_is_refused(self, store: Store) -> None:
        wrong: Any = [Count.new(1), Count, "text"]
        with pytest.raises(TypeError, match=r"takes jobs made by new\(\)"):
            jobkit.perform_all_later(wrong)
        assert not store.stored

    @pytest.mark.behaviour("A8")
    def test_they_are_grouped_by_backend(self, clock: ManualClock) -> None:
        with two_backends(clock) as (default, bulk):
            jobs = [Count.new(1), Count.set(backend="bulk").new(2), Count.new(3)]
            jobkit.perform_all_later(jobs)
        assert [(each.calls, len(each.stored)) for each in (default, bulk)] == [(1, 2), (1, 1)]

    @pytest.mark.behaviour("B3")
    def test_an_argument_that_cannot_be_stored_stores_none(self, clock: ManualClock) -> None:
        wrong: Any = "x"
        with two_backends(clock) as (default, bulk):
            jobs = [Count.new(1), Count.set(backend="bulk").new(wrong)]
            with pytest.raises(SerializationError):
                jobkit.perform_all_later(jobs)
        assert not default.stored
        assert not bulk.stored

    def test_a_payload_that_is_too_large_stores_none(self, clock: ManualClock) -> None:
        settings.configure(max_payload=1_000)
        with two_backends(clock) as (default, bulk):
            jobs = [Count.new(1), Count.set(backend="bulk").new(2, label="x" * 1_000)]
            with pytest.raises(PayloadTooLarge):
                jobkit.perform_all_later(jobs)
        assert not default.stored
        assert not bulk.stored

    @pytest.mark.behaviour("A8")
    def test_when_one_backend_fails_each_job_says_whether_it_was_stored(
        self, clock: ManualClock
    ) -> None:
        with two_backends(clock) as (_, bulk):
            bulk.last_call = 0
            jobs = [Count.new(1), Count.set(backend="bulk").new(2)]
            with pytest.raises(EnqueueError):
                jobkit.perform_all_later(jobs)
        assert [job.successfully_enqueued for job in jobs] == [True, False]

    @pytest.mark.behaviour("D2")
    def test_a_stopped_job_leaves_the_others_alone(self, store: Store) -> None:
        middleware.add(EvenOnly())
        jobs = jobkit.perform_all_later([Count.new(n) for n in range(4)])
        assert [job.successfully_enqueued for job in jobs] == [True, False, True, False]

    @pytest.mark.behaviour("A8", "A15")
    def test_no_callbacks_run_and_one_event_is_told(self, store: Store, heard: Heard) -> None:
        called: list[str] = []

        class Called(Job):
            @jobkit.before_enqueue
            def before(self) -> None:
                called.append("before")

            def perform(self) -> None: ...

        middleware.add(EvenOnly())
        jobkit.perform_all_later([Count.new(1), Count.new(2)])
        middleware.clear()
        jobkit.perform_all_later([Called.new()])
        assert not called
        assert [event.name for event in heard.events] == ["enqueue_bulk", "enqueue_bulk"]
        assert [event.data["count"] for event in heard.events] == [1, 1]


class two_backends:  # noqa: N801 - reads as a function
    """The backends `default` and `bulk`, each with a store of its own."""

    def __init__(self, clock: ManualClock) -> None:
        self.stores = FailsFrom(clock=clock), FailsFrom(clock=clock)

    def __enter__(self) -> tuple[FailsFrom, FailsFrom]:
        for name, store in zip(("default", "bulk"), self.stores, strict=True):
            backends.install(name, store)
        return self.stores

    def __exit__(self, *args: object) -> None:
        for name in ("default", "bulk"):
            backends.uninstall(name)
