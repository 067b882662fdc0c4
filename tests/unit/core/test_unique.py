"""Unique jobs: what is equal, who is stored, and what the others are told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, cast

import pytest

import jobkit
from jobkit import DuplicateJob, Job, RetryJob, Unique, Unsupported, after_enqueue, backends
from jobkit.adapter import Enqueues, Features
from jobkit.jobs import check_classes
from jobkit.locks import Lock, Until
from jobkit.payload import Payload
from tests.unit.core.support import Heard, Store


class Sync(Job, unique=Unique()):
    def perform(self, user_id: int, *more: int, force: bool = False, **rest: Any) -> None: ...


class Plain(Job):
    def perform(self, number: int = 0) -> None: ...


class Only(Plain, unique=Unique(by=())):
    pass


def key(job: Any) -> str:
    """What the stored job is compared by."""
    lock = Lock.of(job._payload)
    assert lock is not None
    return lock.key


def won(job: Job) -> bool:
    """Whether it is stored, or told what it lost to: never both, never neither."""
    assert job.successfully_enqueued is (job.duplicate_of is None)
    return job.duplicate_of is None


class TestEqual:
    @pytest.mark.behaviour("H1")
    def test_the_same_arguments_are_equal_by_place_or_by_name(self, store: Store) -> None:
        first = Sync.perform_later(1, force=True)
        second = Sync.perform_later(user_id=1, force=True)
        assert won(first)
        assert second.duplicate_of == first.id
        assert store.only.id == first.id

    @pytest.mark.behaviour("H1")
    def test_other_arguments_are_not(self, store: Store) -> None:
        calls: list[tuple[tuple[int, ...], dict[str, Any]]] = [
            ((1,), {}),
            ((2,), {}),
            ((1,), {"force": False}),  # given, if only what it is anyway
            ((1, 1), {}),
            ((1,), {"more": 1}),
            ((1,), {"more": []}),
            ((1,), {"more": None}),
        ]
        assert all(won(Sync.perform_later(*args, **kwargs)) for args, kwargs in calls)
        assert len(store.stored) == len(calls)

    @pytest.mark.behaviour("H1")
    def test_some_of_the_arguments_may_count(self, store: Store) -> None:
        some = Sync.set(unique=Unique(by=("user_id",)))
        assert won(some.perform_later(1))
        assert not won(some.perform_later(1, force=True))
        assert won(some.perform_later(2, force=True))

    @pytest.mark.behaviour("H1")
    def test_an_argument_that_is_missing_differs_from_an_empty_one(self, store: Store) -> None:
        some = Plain.set(unique=Unique(by=("number",)))
        assert won(some.perform_later())
        assert won(some.perform_later(0))
        assert not won(some.perform_later())

    @pytest.mark.behaviour("H1")
    def test_the_queue_counts_if_it_is_named(self, store: Store) -> None:
        assert won(Sync.perform_later(1))
        assert not won(Sync.set(queue="other").perform_later(1))
        both = Unique(by=("args", "queue"))
        assert won(Sync.set(unique=both).perform_later(1))
        assert won(Sync.set(unique=both, queue="other").perform_later(1))

    @pytest.mark.behaviour("H1")
    def test_classes_do_not_meet(self, store: Store) -> None:
        class Other(Plain, unique=Unique(by=())):
            pass

        assert won(Only.perform_later(1))
        assert won(Other.perform_later(1))
        assert not won(Only.perform_later(2))

    def test_a_class_keeps_its_locks_when_it_is_renamed_and_says_so(self, store: Store) -> None:
        class Former(Job, name="app.Sync", unique=Unique()):
            def perform(self, user_id: int) -> None: ...

        class Moved(Job, name="app.Sync", unique=Unique()):
            def perform(self, user_id: int) -> None: ...

        assert won(Former.perform_later(1))
        assert not won(Moved.perform_later(1))

    def test_a_callable_may_say_what_counts_and_that_nothing_does(self, store: Store) -> None:
        def tens(job: Job) -> list[int] | None:
            return [job.args[0] // 10] if job.args else None

        some = Plain.set(unique=Unique(by=tens))
        assert [won(some.perform_later(number)) for number in (11, 12, 21)] == [True, False, True]
        assert won(some.perform_later())
        assert won(some.perform_later())

    def test_the_digest_is_the_same_in_every_process(self, store: Store) -> None:
        # A lock of a version before would not be met by one of the next.
        job = jobkit.enqueue("app.Sync", [1], {"b": 2, "a": "ä"}, unique=Unique())
        digest = "92e06ec3ba8ebb33f5b6a6ffd102a72ee0288f3f696fee6e2f3bf06b4032b7cd"
        assert key(job) == digest

    @pytest.mark.behaviour("H1")
    def test_a_period_is_a_lock_of_its_own(self, store: Store) -> None:
        hour = Sync.set(unique=Unique(until=timedelta(hours=1)))
        assert won(Sync.perform_later(1))
        job = hour.perform_later(1)
        assert won(job)
        lock = Lock.of(cast("Payload", job._payload))
        assert lock is not None
        assert (lock.until, lock.seconds) == (Until.TIME, 3600.0)
        assert not won(hour.perform_later(1))


class TestTold:
    @pytest.mark.behaviour("D2", "H4")
    def test_bulk_calls_obey_and_count_what_is_stored(self, store: Store, heard: Heard) -> None:
        assert Sync.perform_bulk([(1,), (2,), (1,), (3,)]) == 3
        assert heard.only("enqueue_bulk").data["count"] == 3
        assert len(store.stored) == 3

    @pytest.mark.behaviour("H4")
    def test_of_many_instances_each_is_told(self, store: Store) -> None:
        jobs = [Sync.new(1), Plain.new(), Sync.new(1), Plain.new()]
        jobkit.perform_all_later(jobs)
        assert [job.duplicate_of for job in jobs] == [None, None, jobs[0].id, None]
        assert [job.successfully_enqueued for job in jobs] == [True, True, False, True]

    @pytest.mark.behaviour("H2")
    def test_of_many_at_once_one_is_stored_and_the_others_learn_which(self, store: Store) -> None:
        with ThreadPoolExecutor(8) as threads:
            jobs = list(threads.map(Only.perform_later, range(40)))
        (stored,) = [job for job in jobs if won(job)]
        assert store.only.id == stored.id
        assert {job.duplicate_of for job in jobs if job is not stored} == {stored.id}

    def test_an_event_tells_of_the_loser(self, store: Store, heard: Heard) -> None:
        first, second = Sync.perform_later(1), Sync.perform_later(1)
        event = heard.only("duplicate")
        assert (event.job, event.data["winner"]) == (second, first.id)
        assert [each.data["aborted"] for each in heard.events if each.name == "enqueue"] == [
            False,
            True,
        ]

    def test_from_asyncio_too(self, store: Store) -> None:
        async def both() -> list[str | None]:
            return [(await Sync.aperform_later(1)).duplicate_of for _ in range(2)]

        assert asyncio.run(both()) == [None, store.only.id]

    def test_what_comes_after_an_enqueue_does_not_come_after_none(self, store: Store) -> None:
        told: list[str] = []

        class Told(Job, unique=Unique()):
            def perform(self) -> None: ...

            @after_enqueue
            def tell(self) -> None:
                told.append(self.id)

        first = Told.perform_later()
        assert not won(Told.perform_later())
        assert told == [first.id]

    def test_raise_names_the_winner_and_stores_nothing_of_the_call(self, store: Store) -> None:
        strict = Sync.set(unique=Unique(on_conflict="raise"))
        first = Sync.perform_later(1)
        with pytest.raises(DuplicateJob, match=first.id) as raised:
            strict.perform_bulk([(2,), (1,)])
        assert raised.value.winner == first.id
        assert isinstance(raised.value, jobkit.EnqueueError)
        assert [payload.args for payload in store.stored] == [[1]]

    def test_replace_stores_the_later_job(self, store: Store) -> None:
        latest = Sync.set(unique=Unique(by=("user_id",), on_conflict="replace"))
        latest.perform_in(60, 1)
        second = latest.perform_in(60, 1, force=True)
        assert won(second)
        assert store.only.id == second.id

    def test_set_lifts_it_for_one_call(self, store: Store) -> None:
        assert won(Sync.perform_later(1))
        assert won(Sync.set(unique=None).perform_later(1))

    def test_a_repeated_key_is_one_job_and_no_conflict(self, store: Store) -> None:
        jobs = [Sync.set(idempotency_key="once").perform_later(1) for _ in range(2)]
        assert all(won(job) for job in jobs)
        assert store.only.id == jobs[0].id == jobs[1].id

    def test_perform_now_asks_nobody_but_its_retry_does(self, store: Store) -> None:
        ran: list[int] = []

        class Twice(Job, unique=Unique()):
            def perform(self) -> None:
                ran.append(1)
                raise RetryJob(wait=1)

        first = Twice.perform_later()
        Twice.perform_now()
        assert ran == [1]
        assert store.only.id == first.id


class TestOptions:
    def test_it_is_inherited_and_can_be_lifted(self, store: Store) -> None:
        class Child(Only): ...

        class Free(Only, unique=None): ...

        assert won(Child.perform_later())
        assert not won(Child.perform_later())
        assert won(Free.perform_later())
        assert won(Free.perform_later())

    @pytest.mark.parametrize(
        ("make", "error", "said"),
        [
            (lambda: Unique(by="args"), TypeError, "tuple of names"),
            (lambda: Unique(by=cast("Any", (1,))), TypeError, "names as text"),
            (lambda: Unique(until=cast("Any", "end")), ValueError, "'start', 'success' or"),
            (lambda: Unique(until=timedelta(0)), ValueError, "more than no time"),
            (lambda: Unique(on_conflict=cast("Any", "wait")), ValueError, "'replace' or 'raise'"),
            (lambda: Sync.set(unique=cast("Any", True)), TypeError, r"jobkit.Unique\("),
        ],
    )
    def test_a_wrong_one_is_refused_at_once(
        self, make: Callable[[], object], error: type[Exception], said: str
    ) -> None:
        with pytest.raises(error, match=said):
            make()

    def test_an_async_callable_is_refused(self) -> None:
        async def by(job: Job) -> int:
            return 1

        with pytest.raises(TypeError, match="async"):
            Unique(by=by)

    def test_a_name_that_is_no_parameter_is_refused_at_the_enqueue(self, store: Store) -> None:
        with pytest.raises(TypeError, match="by 'user', which is no parameter of perform"):
            Plain.set(unique=Unique(by=("user",))).perform_later()
        assert store.stored == []

    def test_what_is_not_json_is_refused(self, store: Store) -> None:
        with pytest.raises(TypeError, match="must be JSON values"):
            Plain.set(unique=Unique(by=lambda job: object())).perform_later()

    def test_a_class_that_encrypts_is_not_compared_by_its_arguments(self) -> None:
        with pytest.raises(ValueError, match="encrypt"):

            class Secret(Job, encrypt=True, unique=Unique()):
                def perform(self, card: str) -> None: ...

        class Fine(Job, encrypt=True, unique=Unique(by=("queue",))):
            def perform(self, card: str) -> None: ...


class Simple(Enqueues):
    """Stores jobs and knows no locks."""

    features = Features(durable=False)

    def __init__(self) -> None:
        self.stored: list[Payload] = []

    def enqueue(self, payloads: Any) -> None:
        self.stored += payloads


class TestUnsupported:
    def test_a_store_that_cannot_says_so_before_anything_is_stored(self) -> None:
        with backends.override(Simple()) as _:
            simple = cast("Simple", backends.get("default"))
            with pytest.raises(Unsupported, match="Sync is unique, which Simple does not support"):
                jobkit.perform_all_later([Plain.new(), Sync.new(1)])
            assert simple.stored == []
            Plain.perform_later()
            Sync.set(unique=None).perform_later(1)
        assert len(simple.stored) == 2

    def test_a_check_tells_of_it(self) -> None:
        with backends.override(Simple()):
            said = [line for line in check_classes() if f"{__name__}.Sync" in line]
        assert "Simple does not support" in said[0]

    def test_a_job_without_a_lock_reaches_the_store_as_it_always_did(self, store: Store) -> None:
        Plain.perform_later()
        Plain.perform_bulk([(1,), (2,)])
        assert store.calls == 2
        assert "unique" not in store.stored[0].fields


@pytest.mark.parametrize(
    "written",
    [
        True,
        {},
        {"key": 1},
        {"key": ""},
        {"key": "k", "until": "dawn"},
        {"key": "k", "on_conflict": "fight"},
        {"key": "k", "until": "time", "for": "long"},
    ],
)
def test_what_others_write_there_is_no_lock(written: object) -> None:
    assert Lock.of(Payload.of({"class": "Job", "unique": written})) is None


def test_text_that_nobody_can_read_has_no_lock() -> None:
    assert Lock.of(Payload('{"unique"')) is None
