"""Limits as a class declares them, and what becomes of jobs that are over one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

import jobkit
from jobkit import Concurrency, Job, Rate, Unsupported, backends, events
from jobkit.adapter import (
    Ack,
    Bury,
    Claim,
    Enqueues,
    Features,
    Release,
    Requeue,
    State,
)
from jobkit.jobs import check_classes
from jobkit.limits import Limit, fields_of, is_limited, limits_of
from jobkit.payload import Payload
from jobkit.testing import ManualClock
from jobkit_inline import FakeAdapter, InlineAdapter, MemoryAdapter


@pytest.fixture
def store() -> Iterator[FakeAdapter]:
    fake = FakeAdapter(clock=ManualClock())
    with backends.use(fake):
        yield fake


def written(adapter: FakeAdapter) -> list[Any]:
    return [job.payload.fields.get("limits") for job in adapter.waiting()]


class TestDeclaring:
    @pytest.mark.behaviour("H8")
    def test_a_key_that_is_none_is_no_limit(self, store: FakeAdapter) -> None:
        class Sync(Job, limits=[Concurrency(key=lambda job: job.args[0], to=2)]):
            def perform(self, account: str | None) -> None: ...

        Sync.perform_later("a")
        Sync.perform_later(None)
        assert written(store) == [[{"key": "a", "to": 2}], None]

    def test_without_a_key_it_is_the_classs_name(self, store: FakeAdapter) -> None:
        class Report(Job, name="app.Report", limits=[Concurrency(), Rate(to=5, per=60)]):
            def perform(self) -> None: ...

        Report.perform_later()
        assert written(store) == [
            [{"key": "app.Report", "to": 1}, {"key": "app.Report", "to": 5, "per": 60.0}]
        ]

    def test_a_whole_number_is_a_key(self, store: FakeAdapter) -> None:
        class Sync(Job, limits=[Concurrency(key=lambda job: job.args[0], on_conflict="discard")]):
            def perform(self, account: int) -> None: ...

        Sync.perform_bulk([(7,)])
        assert written(store) == [[{"key": "7", "to": 1, "discard": True}]]

    def test_limits_are_inherited_and_can_be_taken_off(self) -> None:
        class Limited(Job, limits=[Concurrency(key="a")]):
            def perform(self) -> None: ...

        class Same(Limited): ...

        class Free(Limited, limits=[]): ...

        assert len(Same._options.limits) == 1
        assert Free._options.limits == ()

    @pytest.mark.parametrize(
        ("make", "said"),
        [
            (lambda: Concurrency(to=0), "to is 0: give a number from 1"),
            (lambda: Concurrency(to=True), "give a whole number"),
            (lambda: Concurrency(key=""), "printable characters"),
            (lambda: Concurrency(key=3), "give text"),  # type: ignore[arg-type]
            (lambda: Concurrency(on_conflict="wait"), "'block' or 'discard'"),  # type: ignore[arg-type]
            (lambda: Rate(per=0), "more than 0 seconds"),
            (lambda: Rate(per=timedelta(days=4000)), "at most 10 years"),
            (lambda: Rate(per="1m"), "give seconds or a timedelta"),  # type: ignore[arg-type]
        ],
    )
    def test_what_cannot_be_is_refused_where_it_is_written(self, make: Any, said: str) -> None:
        with pytest.raises((TypeError, ValueError), match=said):
            make()

    @pytest.mark.parametrize("limits", [Concurrency(), "one", [1], None])
    def test_the_option_takes_a_list_of_limits(self, limits: Any) -> None:
        with pytest.raises(TypeError, match="limits"):
            type("Wrong", (Job,), {"perform": lambda self: None}, limits=limits)

    @pytest.mark.parametrize("key", [1.5, "", "\n", b"x", "x" * 256])
    def test_a_callables_key_is_checked_at_the_enqueue(self, store: FakeAdapter, key: Any) -> None:
        class Sync(Job, limits=[Concurrency(key=lambda job: key)]):
            def perform(self) -> None: ...

        with pytest.raises((TypeError, ValueError), match="the key of a limit"):
            Sync.perform_later()
        assert store.waiting() == []


class TestReading:
    def test_a_payload_is_read_as_it_was_written(self) -> None:
        limits = (Limit("a", 2), Limit("b", 3, 60.0, discard=True))
        payload = Payload.of({"class": "A", "limits": fields_of(limits)})
        assert limits_of(Payload(payload.text)) == limits

    def test_a_job_without_limits_is_not_even_parsed(self) -> None:
        payload = Payload('{"class":"A"} this is no JSON')
        assert not is_limited(payload)
        assert limits_of(payload) == ()

    @pytest.mark.parametrize(
        "text",
        [
            '{"limits": 1}',
            '{"limits": [1, {}, {"key": 1, "to": 1}, {"key": "a", "to": 0}]}',
            '{"limits": [{"key": "a", "to": true}, {"key": "a", "to": 1, "per": "x"}]}',
            '{"limits"',
            '{"args": ["limits"]}',
        ],
    )
    def test_what_makes_no_sense_is_no_limit(self, text: str) -> None:
        assert limits_of(Payload(text)) == ()


class Bare(Enqueues):
    """Takes jobs, and has no capability."""

    features = Features(durable=False)

    def __init__(self) -> None:
        self.stored: list[Payload] = []

    def enqueue(self, payloads: Any) -> None:
        self.stored += payloads


class TestAnAdapterWithoutLimits:
    def test_refuses_a_limited_job_at_the_enqueue(self) -> None:
        class Sync(Job, name="app.Sync", limits=[Concurrency(key="a")]):
            def perform(self) -> None: ...

        bare = Bare()
        with (
            backends.use(bare),
            pytest.raises(Unsupported, match=r"Bare does not support limits, which app\.Sync is"),
        ):
            Sync.perform_later()
        assert bare.stored == []

    def test_is_told_before_a_worker_starts(self) -> None:
        class Sync(Job, name="app.SyncAtStart", limits=[Concurrency(key="a")]):
            def perform(self) -> None: ...

        with backends.use(Bare()):
            said = [line for line in check_classes() if "app.SyncAtStart" in line]
        assert said == ["Bare does not support limits, which app.SyncAtStart is under"]


class TestDiscarding:
    def test_hooks_and_events_tell_of_it_and_the_body_does_not_run(self) -> None:
        happened: list[str] = []

        class Sync(Job, limits=[Concurrency(key="a", on_conflict="discard")]):
            def perform(self) -> None:
                happened.append("ran")

            @jobkit.after_discard
            def note(self, error: BaseException) -> None:
                happened.append(str(error))

        payload = Payload.of({"class": Sync._name, "args": [], "jid": "1", "queue": "q"})
        memory = MemoryAdapter()
        heard: list[str] = []
        note = events.subscribe(lambda event: heard.append(event.name))
        try:
            performed = backends.perform(Claim(payload, "r", full="a"), memory, ManualClock())
        finally:
            events.unsubscribe(note)
        assert happened == ["the limit 'a' is reached"]
        assert type(performed.settlement).__name__ == "Ack"
        assert performed.error is None
        assert heard == ["discard", "perform"]


class TestRunning:
    @pytest.mark.behaviour("H5")
    def test_never_more_run_than_the_limit_whatever_ends_them(self) -> None:
        store = MemoryAdapter(clock=ManualClock())
        for worker in ("a", "b"):
            store.beat(worker, lease=30, claims=[], register=True)
        limits = fields_of([Limit("k", 2)])
        jobs = [Payload.of({"class": "A", "jid": str(n), "limits": limits}) for n in range(9)]
        store.enqueue(jobs)
        endings: list[Any] = [
            lambda claim: store.settle([Ack(claim)]),
            lambda claim: store.settle([Bury(claim, claim.payload)]),
            lambda claim: store.settle([Release(claim), Release(claim)]),
            lambda claim: store.settle([Requeue(claim, claim.payload, State.ENQUEUED)]),
            lambda claim: store.settle([Ack(each) for each in store.recover("a", to="b")]),
        ]
        for end in endings:
            store.beat("a", lease=30, claims=[], register=True)
            held = store.claim(["default"], limit=9, worker="a")
            assert len(held) == 2
            assert store.claim(["default"], limit=9, worker="b") == []
            end(held[0])
            assert len(store.claim(["default"], limit=9, worker="b")) in (1, 2)
            for worker in ("a", "b"):
                store.settle([Release(each) for each in store.held(worker) or ()])


class TestWithTheFake:
    def test_a_drain_keeps_a_rate_by_moving_the_time(self, store: FakeAdapter) -> None:
        starts: list[float] = []

        class Call(Job, limits=[Rate(key="api", to=2, per=timedelta(minutes=1))]):
            def perform(self) -> None:
                starts.append(store.now())

        for _ in range(5):
            Call.perform_later()
        assert store.drain() == 5
        assert [round(at - starts[0]) for at in starts] == [0, 0, 60, 60, 120]

    def test_a_drain_that_ends_leaves_those_over_a_limit_blocked(self, store: FakeAdapter) -> None:
        class Call(Job, limits=[Rate(key="api", per=60)]):
            def perform(self) -> None: ...

        for _ in range(3):
            Call.perform_later()
        assert store.drain(until=store.now() + 30) == 1
        inspector = jobkit.inspect()
        assert inspector.stats().blocked == 2
        assert [job.state for job in inspector.jobs("blocked").items] == [State.BLOCKED] * 2
        assert [limit.blocked for limit in inspector.limits()] == [2]

    def test_inline_nobody_waits(self) -> None:
        runs: list[int] = []

        class Call(Job, limits=[Rate(key="api", per=60, on_conflict="discard"), Concurrency()]):
            def perform(self, nth: int) -> None:
                runs.append(nth)

        with backends.use(InlineAdapter()):
            for nth in range(3):
                Call.perform_later(nth)
        assert runs == [0, 1, 2]
