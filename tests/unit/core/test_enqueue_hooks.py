"""Callbacks and middleware around the storing of a job."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from jobkit import (
    Abort,
    EnqueueError,
    Job,
    Middleware,
    SerializationError,
    after_enqueue,
    around_enqueue,
    backends,
    before_enqueue,
    middleware,
)
from jobkit.errors import AdapterError
from jobkit.payload import Payload
from tests.unit.core.support import Heard, Store

CallNext = Callable[[Payload], Payload | None]


@pytest.fixture
def log() -> list[str]:
    return []


def traced(log: list[str]) -> type[Job]:
    class Parent(Job):
        @before_enqueue
        def before_parent(self) -> None:
            log.append("before parent")

        @around_enqueue
        def around_parent(self) -> Iterator[None]:
            log.append("into parent")
            yield
            log.append("out of parent")

        @after_enqueue
        def after_parent(self) -> None:
            log.append("after parent")

        def perform(self) -> None: ...

    class Child(Parent):
        @after_enqueue
        def after_child(self) -> None:
            log.append("after child")

        @around_enqueue
        def around_child(self) -> Iterator[None]:
            log.append("into child")
            yield
            log.append("out of child")

        @before_enqueue
        def before_child(self) -> None:
            log.append("before child")

    return Child


class Named(Middleware):
    def __init__(self, log: list[str], name: str) -> None:
        self.log, self.name = log, name

    def enqueue(self, payload: Payload, call_next: CallNext) -> Payload | None:
        self.log.append(f"into {self.name}")
        try:
            return call_next(payload)
        finally:
            self.log.append(f"out of {self.name}")


class Second(Named):
    pass


class TestCallbacks:
    @pytest.mark.behaviour("A7")
    def test_the_base_class_comes_first_on_the_way_in_and_last_on_the_way_out(
        self, store: Store, log: list[str]
    ) -> None:
        middleware.add(Named(log, "middleware"))
        traced(log).perform_later()
        assert log == [
            "before parent",
            "before child",
            "into parent",
            "into child",
            "into middleware",
            "out of middleware",
            "out of child",
            "out of parent",
            "after child",
            "after parent",
        ]
        assert len(store.stored) == 1

    def test_a_callback_overridden_by_name_runs_once(self, store: Store, log: list[str]) -> None:
        class Child(traced(log)):  # type: ignore[misc] # a class made at run time
            @before_enqueue
            def before_parent(self) -> None:
                log.append("overridden")

        Child.perform_later()
        assert log[:2] == ["overridden", "before child"]

    def test_one_method_may_be_several_callbacks(self, store: Store, log: list[str]) -> None:
        class Both(Job):
            @before_enqueue
            @after_enqueue
            def say(self) -> None:
                log.append("called")

            def perform(self) -> None: ...

        Both.perform_later()
        assert log == ["called", "called"]

    def test_a_callback_sees_and_may_change_the_job(self, store: Store) -> None:
        class Routed(Job):
            @before_enqueue
            def route(self) -> None:
                self.queue = f"user-{self.args[0]}"
                self.priority = 7

            def perform(self, user: int) -> None: ...

        job = Routed.perform_later(5)
        assert (store.only.queue, store.only.priority) == ("user-5", 7)
        assert job.queue == "user-5"

    @pytest.mark.behaviour("A6", "A15")
    def test_an_abort_before_stores_nothing_and_skips_the_rest(
        self, store: Store, log: list[str], heard: Heard
    ) -> None:
        class Child(traced(log)):  # type: ignore[misc] # a class made at run time
            @before_enqueue
            def stop(self) -> None:
                raise Abort

        job = Child.perform_later()
        assert job.successfully_enqueued is False
        assert job.enqueued_at is None
        assert not store.stored
        assert log == ["before parent", "before child"]
        assert heard.only("enqueue").data["aborted"] is True

    @pytest.mark.behaviour("A6")
    def test_an_abort_on_the_way_in_stores_nothing(self, store: Store) -> None:
        class Around(Job):
            @around_enqueue
            def stop(self) -> Iterator[None]:
                if not self.args:
                    raise Abort
                yield

            def perform(self) -> None: ...

        assert Around.perform_later().successfully_enqueued is False
        assert not store.stored

    def test_an_abort_after_the_storing_does_not_pretend_it_was_not_stored(
        self, store: Store
    ) -> None:
        class After(Job):
            @after_enqueue
            def stop(self) -> None:
                raise Abort

            def perform(self) -> None: ...

        assert After.perform_later().successfully_enqueued is True
        assert len(store.stored) == 1

    @pytest.mark.behaviour("A3")
    def test_an_error_of_a_callback_is_the_callers(self, store: Store) -> None:
        class Broken(Job):
            @before_enqueue
            def fail(self) -> None:
                raise ZeroDivisionError

            def perform(self) -> None: ...

        with pytest.raises(ZeroDivisionError):
            Broken.perform_later()
        assert not store.stored

    def test_no_callback_runs_for_a_job_that_cannot_be_stored(
        self, store: Store, log: list[str]
    ) -> None:
        class Child(traced(log)):  # type: ignore[misc] # a class made at run time
            def perform(self, value: int) -> None: ...

        wrong: Any = "x"
        with pytest.raises(SerializationError):
            Child.perform_later(wrong)
        assert not log

    @pytest.mark.behaviour("A3")
    def test_a_store_that_fails_is_seen_by_the_around_callbacks(self, log: list[str]) -> None:
        class Lost(Store):
            def enqueue(self, payloads: Sequence[Payload]) -> None:
                raise AdapterError("gone")

        class Catching(Job):
            @around_enqueue
            def catch(self) -> Iterator[None]:
                try:
                    yield
                except EnqueueError as error:
                    log.append(str(error))

            @after_enqueue
            def say(self) -> None:
                log.append("not to be said")

            def perform(self) -> None: ...

        with backends.override(Lost()):
            assert Catching.perform_later().successfully_enqueued is False
        assert log == ["the job was not stored: gone"]

    def test_an_around_callback_that_does_not_yield_is_an_error(self, store: Store) -> None:
        class Wrong(Job):
            @around_enqueue
            def around(self) -> None: ...

            def perform(self) -> None: ...

        with pytest.raises(TypeError, match="'around' must be a generator method"):
            Wrong.perform_later()


class Plain(Job):
    def perform(self, *args: Any) -> None: ...


class TestMiddleware:
    def test_the_first_added_is_the_outermost(self, store: Store, log: list[str]) -> None:
        middleware.add(Named(log, "first"))
        middleware.add(Second(log, "second"))
        Plain.perform_later()
        assert log == ["into first", "into second", "out of second", "out of first"]

    @pytest.mark.behaviour("D2")
    def test_it_may_change_the_payload_and_the_job_says_so(self, store: Store) -> None:
        class Stamp(Middleware):
            def enqueue(self, payload: Payload, call_next: CallNext) -> Payload | None:
                return call_next(
                    payload.replace(meta={"trace": "x"}, queue="low", tags=["a"], priority=3)
                )

        middleware.add(Stamp())
        job = Plain.perform_later()
        assert store.only.fields["meta"] == {"trace": "x"}
        assert (job.queue, job.priority, job.tags) == ("low", 3, ("a",))

    @pytest.mark.behaviour("D2")
    def test_what_it_returns_is_stored(self, store: Store) -> None:
        class Replace(Middleware):
            def enqueue(self, payload: Payload, call_next: CallNext) -> Payload | None:
                call_next(payload)
                return payload.replace(args=["replaced"])

        middleware.add(Replace())
        Plain.perform_later(1)
        assert store.only.args == ["replaced"]

    def test_a_moment_it_writes_as_a_whole_number_is_one_in_seconds(self, store: Store) -> None:
        class Delay(Middleware):
            def enqueue(self, payload: Payload, call_next: CallNext) -> Payload | None:
                return call_next(payload.replace(scheduled_at=1_700_000_100))

        middleware.add(Delay())
        Plain.perform_later()
        assert store.only.scheduled_at == 1_700_000_100

    @pytest.mark.behaviour("A15", "D2")
    def test_one_that_does_not_call_on_stops_the_job(
        self, store: Store, log: list[str], heard: Heard
    ) -> None:
        class Stop(Middleware):
            def enqueue(self, payload: Payload, call_next: CallNext) -> None:
                return None

        middleware.add(Stop())
        middleware.add(Named(log, "inner"))
        assert Plain.perform_later().successfully_enqueued is False
        assert not store.stored
        assert not log
        assert heard.only("enqueue").data["aborted"] is True

    @pytest.mark.parametrize("answer", [True, "text", {"class": "A"}])
    def test_an_answer_that_is_no_payload_is_a_type_error(self, store: Store, answer: Any) -> None:
        class Wrong(Middleware):
            def enqueue(self, payload: Payload, call_next: CallNext) -> Any:
                call_next(payload)
                return answer

        middleware.add(Wrong())
        with pytest.raises(TypeError, match="return what call_next returned"):
            Plain.perform_later()
        assert not store.stored

    @pytest.mark.behaviour("A3")
    def test_an_error_of_it_is_the_callers(self, store: Store) -> None:
        class Broken(Middleware):
            def enqueue(self, payload: Payload, call_next: CallNext) -> Payload | None:
                raise ZeroDivisionError

        middleware.add(Broken())
        with pytest.raises(ZeroDivisionError):
            Plain.perform_later()
        assert not store.stored


class TestRegister:
    @pytest.mark.behaviour("D5")
    def test_adding_twice_does_not_double_and_the_latest_stands_where_the_first_did(
        self, log: list[str]
    ) -> None:
        first, second, again = Named(log, "a"), Second(log, "b"), Named(log, "c")
        middleware.add(first)
        middleware.add(second)
        middleware.add(again)
        assert middleware.entries() == (again, second)

    def test_it_is_placed_before_or_after_another(self, log: list[str]) -> None:
        class Third(Named):
            pass

        first, second, third = Named(log, "1"), Second(log, "2"), Third(log, "3")
        middleware.add(first)
        middleware.add(second, before=Named)
        middleware.add(third, after=Second)
        assert middleware.entries() == (second, third, first)
        middleware.add(third, before=Second)
        assert middleware.entries() == (third, second, first)

    def test_a_place_beside_what_is_not_there_is_an_error(self, log: list[str]) -> None:
        with pytest.raises(ValueError, match="no middleware of class Second was added"):
            middleware.add(Named(log, "1"), before=Second)

    def test_one_place_is_given_not_two(self, log: list[str]) -> None:
        middleware.add(Named(log, "1"))
        with pytest.raises(ValueError, match="before or after, not both"):
            middleware.add(Second(log, "2"), before=Named, after=Named)

    def test_another_is_named_by_its_class_or_by_itself(self, log: list[str]) -> None:
        first, second = Named(log, "1"), Second(log, "2")
        middleware.add(first)
        middleware.add(second, before=first)
        assert middleware.entries() == (second, first)
        middleware.remove(first)
        assert middleware.entries() == (second,)

    def test_it_is_taken_out_by_its_class(self, log: list[str]) -> None:
        middleware.add(Named(log, "1"))
        middleware.add(Second(log, "2"))
        middleware.remove(Named)
        middleware.remove(Named)
        assert [type(entry) for entry in middleware.entries()] == [Second]

    def test_a_class_is_no_middleware(self) -> None:
        wrong: Any = Named
        with pytest.raises(TypeError, match="an instance of a Middleware subclass"):
            middleware.add(wrong)

    def test_clear_takes_all_out(self, log: list[str]) -> None:
        middleware.add(Named(log, "1"))
        middleware.on_death(lambda job, error: log.append("death"))
        middleware.clear()
        middleware.notify("on_death", None, KeyError())
        assert middleware.entries() == ()
        assert not log
