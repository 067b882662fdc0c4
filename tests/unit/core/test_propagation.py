"""Context variables travel with a job, and stay where they were set."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextvars import Context, ContextVar, copy_context
from datetime import date
from typing import Any

import pytest

import jobkit
from jobkit import (
    Job,
    SerializationError,
    after_discard,
    after_perform,
    around_perform,
    before_enqueue,
    before_perform,
    propagate,
    retry_on,
)
from jobkit.adapter import Claim
from jobkit.backends import use
from jobkit.execution import buried
from jobkit.jobs import run_of
from jobkit.outcome import Retried, Succeeded
from jobkit.payload import Payload
from jobkit.settings import Queues
from jobkit.testing import ManualClock
from jobkit.worker import Worker, WorkerOptions
from jobkit_inline import FakeAdapter, InlineAdapter
from tests.unit.core.support import Heard, Life, Store, outcome_of

tenant: ContextVar[str] = ContextVar("tenant", default="public")
request_id: ContextVar[str] = ContextVar("request_id")

seen: list[object] = []


class Look(Job):
    """Tells what it sees, and leaves something behind."""

    def perform(self) -> str:
        seen.append(tenant.get())
        tenant.set("left behind")
        return seen[-1]  # type: ignore[return-value]


class LookAsync(Job):
    async def perform(self) -> str:
        await asyncio.sleep(0)
        return tenant.get()


@pytest.fixture(autouse=True)
def _nothing_seen() -> None:
    seen.clear()


class Calls(list[str]):
    """A `dump` that remembers what it was asked for."""

    def __call__(self, value: str) -> str:
        self.append(value)
        return value


def within(value: str, call: Any) -> Any:
    """What `call` returns where the tenant is `value`."""

    def set_and_call() -> Any:
        tenant.set(value)
        return call()

    return copy_context().run(set_and_call)


class TestTravelling:
    def test_a_run_sees_what_was_set_at_the_enqueue(self, store: Store, clock: ManualClock) -> None:
        propagate(tenant)
        within("acme", Look.perform_later)
        assert store.only.context == {"tenant": "acme"}
        assert outcome_of(store.only, clock) == Succeeded("acme")

    def test_nothing_is_left_behind(self, store: Store, clock: ManualClock) -> None:
        propagate(tenant)
        within("acme", Look.perform_later)
        outcome_of(store.only, clock)
        assert tenant.get() == "public"
        assert within("mine", lambda: (outcome_of(store.only, clock), tenant.get()))[1] == "mine"

    def test_what_was_not_set_has_its_default_whatever_the_worker_has(
        self, store: Store, clock: ManualClock
    ) -> None:
        propagate(tenant)
        Look.perform_later()
        assert "context" not in store.only.fields
        assert within("the worker's", lambda: outcome_of(store.only, clock)) == Succeeded("public")

    def test_what_has_no_default_and_was_not_set_is_not_set(
        self, store: Store, clock: ManualClock
    ) -> None:
        class Asks(Job):
            def perform(self) -> str:
                return request_id.get("none")

        propagate(request_id)
        Asks.perform_later()

        def of_a_worker() -> object:
            request_id.set("the worker's")
            return outcome_of(store.only, clock)

        assert copy_context().run(of_a_worker) == Succeeded("none")

    def test_other_variables_are_left_alone(self, store: Store, clock: ManualClock) -> None:
        class Asks(Job):
            def perform(self) -> str:
                return request_id.get()

        propagate(tenant)
        Asks.perform_later()

        def of_a_worker() -> object:
            tenant.set("x")
            request_id.set("seen")
            return outcome_of(store.only, clock)

        assert copy_context().run(of_a_worker) == Succeeded("seen")

    def test_what_does_not_travel_is_not_stored(self, store: Store) -> None:
        within("acme", Look.perform_later)
        assert "context" not in store.only.fields

    def test_a_coroutine_sees_it(self, store: Store, clock: ManualClock) -> None:
        propagate(tenant)
        within("acme", LookAsync.perform_later)
        assert outcome_of(store.only, clock) == Succeeded("acme")

    def test_callbacks_and_hooks_see_it(self, clock: ManualClock) -> None:
        class Hooked(Job, retry=0):
            @before_perform
            def before(self) -> None:
                seen.append(("before", tenant.get()))

            @around_perform
            def around(self) -> Iterator[None]:
                seen.append(("around", tenant.get()))
                yield

            @after_perform
            def after(self) -> None:
                seen.append(("after", tenant.get()))
                raise ValueError

            @after_discard
            def ended(self, error: BaseException) -> None:
                seen.append(("discard", tenant.get()))

            def perform(self) -> None: ...

        propagate(tenant)
        within("acme", lambda: Life(clock, Hooked)).run()
        assert seen == [(place, "acme") for place in ("before", "around", "after", "discard")]

    def test_an_expired_job_ends_with_it(self, clock: ManualClock) -> None:
        class Expires(Job, expires_in=5):
            def perform(self) -> None: ...

            @after_discard
            def ended(self, error: BaseException) -> None:
                seen.append(tenant.get())

        propagate(tenant)
        life = within("acme", lambda: Life(clock, Expires))
        clock.advance(5)
        life.run()
        assert seen == ["acme"]

    def test_a_job_that_brought_its_workers_down_ends_with_it(self, clock: ManualClock) -> None:
        class Poison(Job):
            def perform(self) -> None: ...

            @after_discard
            def ended(self, error: BaseException) -> None:
                seen.append((tenant.get(), jobkit.current_job() is self))

        propagate(tenant)
        life = within("acme", lambda: Life(clock, Poison))
        buried(run_of(life.payload), RuntimeError(), clock.time())
        assert seen == [("acme", True)]
        assert tenant.get() == "public"

    def test_a_callback_may_set_it_before_the_enqueue(self, store: Store) -> None:
        class Sets(Job):
            @before_enqueue
            def choose(self) -> None:
                tenant.set("chosen")

            def perform(self) -> None: ...

        propagate(tenant)
        Context().run(use_store_and(store, Sets.perform_later))
        assert store.only.context == {"tenant": "chosen"}

    def test_a_retry_keeps_the_original_value(self, clock: ManualClock) -> None:
        class Fails(Job):
            def perform(self) -> None:
                seen.append(tenant.get())
                tenant.set("of the run")
                raise ValueError

        propagate(tenant)
        life = within("acme", lambda: Life(clock, Fails))
        within("the worker's", lambda: life.run(times=3))
        assert seen == ["acme"] * 3

    def test_a_job_enqueued_by_a_job_takes_it_along(self, store: Store, clock: ManualClock) -> None:
        class Outer(Job):
            def perform(self) -> None:
                Look.perform_later()

        propagate(tenant)
        life = within("acme", lambda: Life(clock, Outer))
        life.run()
        assert store.only.context == {"tenant": "acme"}

    def test_a_name_that_nobody_propagates_here_is_kept_and_passed_over(
        self, clock: ManualClock
    ) -> None:
        propagate(tenant)
        life = Life(clock, Look)
        life.payload = life.payload.replace(context={"of another program": [1]})
        assert life.run() == Succeeded("public")

    def test_a_context_that_is_none_is_a_failure_of_the_job(self, clock: ManualClock) -> None:
        propagate(tenant)
        life = Life(clock, Look)
        life.payload = life.payload.replace(context=[1])
        outcome = life.run()
        assert isinstance(outcome, Retried)
        assert outcome.failure is not None
        assert "'context' is of type list" in outcome.failure.message


def use_store_and(store: Store, call: Any) -> Any:
    def run() -> Any:
        with use(store):
            return call()

    return run


class TestVerbs:
    def test_perform_now_sees_it_and_leaves_nothing_behind(self, store: Store) -> None:
        propagate(tenant)
        assert within("acme", lambda: (Look.perform_now(), tenant.get())) == ("acme", "acme")
        assert Look.perform_now() == "public"
        assert tenant.get() == "public"

    def test_perform_now_has_it_from_the_wire(self, store: Store) -> None:
        propagate(tenant, dump=str.upper, load=lambda text: f"loaded {text}")
        assert within("acme", Look.perform_now) == "loaded ACME"

    def test_aperform_now_sees_it(self, store: Store) -> None:
        propagate(tenant)

        async def call() -> str:
            tenant.set("acme")
            return await LookAsync.aperform_now()

        assert asyncio.run(call()) == "acme"

    def test_aperform_later_takes_it_along(self, store: Store) -> None:
        propagate(tenant)

        async def call() -> None:
            tenant.set("acme")
            await Look.aperform_later()

        asyncio.run(call())
        assert store.only.context == {"tenant": "acme"}

    def test_a_retry_of_perform_now_takes_it_along(self, store: Store) -> None:
        @retry_on(ValueError)
        class Fails(Job):
            def perform(self) -> None:
                tenant.set("of the run")
                raise ValueError

        propagate(tenant)
        within("acme", Fails.perform_now)
        assert store.only.context == {"tenant": "acme"}

    def test_a_job_enqueued_by_name_takes_it_along(self, store: Store) -> None:
        propagate(tenant)
        within("acme", lambda: jobkit.enqueue("some.Job"))
        assert store.only.context == {"tenant": "acme"}

    def test_inline_the_run_has_it_and_the_caller_keeps_its_own(self) -> None:
        propagate(tenant)

        def call() -> str:
            with use(InlineAdapter()):
                Look.perform_later()
            return tenant.get()

        assert within("acme", call) == "acme"
        assert seen == ["acme"]

    def test_a_fake_store_runs_with_what_was_captured(self) -> None:
        propagate(tenant)
        fake = FakeAdapter()
        with use(fake):
            within("acme", Look.perform_later)
            Look.perform_later()
            within("of the test", fake.drain)
        assert seen == ["acme", "public"]

    def test_many_are_captured_once(self, store: Store) -> None:
        calls = Calls()
        propagate(tenant, dump=calls)
        within("acme", lambda: jobkit.perform_all_later([Look.new() for _ in range(3)]))
        assert calls == ["acme"]
        assert [each.context for each in store.stored] == [{"tenant": "acme"}] * 3

    def test_bulk_is_captured_where_it_begins(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("jobkit.jobs.bulk.SLICE", 2)
        calls = Calls()
        propagate(tenant, dump=calls)

        def rows() -> Iterator[tuple[()]]:
            for number in range(5):
                tenant.set(f"of row {number}")
                yield ()

        assert within("acme", lambda: Look.perform_bulk(rows())) == 5
        assert calls == ["acme"]
        assert {str(each.context) for each in store.stored} == {"{'tenant': 'acme'}"}


class TestWorkers:
    @pytest.mark.parametrize("job_class", [Look, LookAsync])
    def test_their_threads_see_it_and_keep_nothing(
        self, store: Store, heard: Heard, job_class: Any
    ) -> None:
        propagate(tenant)
        for name in ("one", "two", "three"):
            within(name, job_class.perform_later)
        job_class.perform_later()
        worker = Worker(
            store, WorkerOptions(queues=Queues(("default",)), concurrency=1, burst=True)
        )
        assert worker.start()
        assert worker.next_message() == "done"
        worker.stop(5)
        ended = [event.data["outcome"] for event in heard.events if event.name == "perform"]
        assert ended == [Succeeded(name) for name in ("one", "two", "three", "public")]


class TestCodecs:
    def test_a_value_may_be_dumped_and_loaded(self, store: Store, clock: ManualClock) -> None:
        day: ContextVar[date] = ContextVar("day")

        class Asks(Job):
            def perform(self) -> date:
                return day.get()

        assert propagate(day, name="d", dump=date.isoformat, load=date.fromisoformat) is day

        def call() -> None:
            day.set(date(2026, 11, 24))
            Asks.perform_later()

        copy_context().run(call)
        assert store.only.context == {"d": "2026-11-24"}
        assert outcome_of(store.only, clock) == Succeeded(date(2026, 11, 24))

    @pytest.mark.parametrize(
        "value", [date(2026, 1, 1), {1: 2}, (1,), float("nan"), "a\x00b", "\ud800"], ids=ascii
    )
    def test_a_value_that_is_not_json_is_refused_at_the_enqueue(
        self, store: Store, value: Any
    ) -> None:
        thing: ContextVar[Any] = ContextVar("thing")
        propagate(thing)

        def call() -> None:
            thing.set(value)
            Look.perform_later()

        with pytest.raises(SerializationError, match=r"variable 'thing' cannot travel.*dump="):
            copy_context().run(call)
        assert store.stored == []

    def test_a_none_that_was_set_travels(self, store: Store, clock: ManualClock) -> None:
        propagate(tenant)
        within(None, Look.perform_later)  # type: ignore[arg-type]
        assert store.only.context == {"tenant": None}
        assert outcome_of(store.only, clock) == Succeeded(None)

    def test_a_load_that_raises_is_a_failure_of_the_job(self, clock: ManualClock) -> None:
        def load(stored: object) -> str:
            raise LookupError("no such tenant")

        propagate(tenant, load=load)
        outcome = within("acme", lambda: Life(clock, Look)).run()
        assert isinstance(outcome, Retried)
        assert outcome.failure is not None
        assert outcome.failure.error_class == "jobkit.errors.DeserializationError"
        assert outcome.failure.message == (
            "the context variable 'tenant' cannot be loaded: LookupError: no such tenant"
        )
        assert seen == []

    def test_two_variables_cannot_have_one_name(self) -> None:
        propagate(tenant)
        with pytest.raises(ValueError, match="another context variable travels as 'tenant'"):
            propagate(ContextVar("tenant"))

    def test_a_variable_propagated_again_travels_as_it_was_said_last(self, store: Store) -> None:
        propagate(tenant)
        propagate(tenant, name="t")
        within("acme", Look.perform_later)
        assert store.only.context == {"t": "acme"}


def test_a_claim_of_it_is_settled_with_its_text_unchanged(
    store: Store, clock: ManualClock, heard: Heard
) -> None:
    propagate(tenant)
    within("acme", Look.perform_later)
    text = store.only.text
    claim = Claim(Payload(text), "receipt")
    outcome_of(claim.payload, clock)
    assert claim.payload.text == text
