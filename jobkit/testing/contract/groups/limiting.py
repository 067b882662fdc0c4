"""Limiting: never more than a limit says, and whoever waits for one goes on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from time import monotonic

import pytest

from jobkit.adapter import Ack, Adapter, Bury, Checkpoint, Claim, Release, Requeue, State
from jobkit.capabilities import (
    LimitInfo,
    Move,
    SupportsInspect,
    SupportsLimits,
    SupportsManage,
    SupportsPause,
)
from jobkit.testing.contract.support import (
    all_jobs,
    beats,
    claim,
    claim_one,
    enqueue,
    ids,
    limited,
    payload,
    register,
)

__all__ = ["Limiting"]

ONE = {"key": "k", "to": 1}
TWO = {"key": "k", "to": 2}


ENDINGS: dict[str, Callable[[Adapter, Claim], object]] = {
    "success": lambda adapter, held: adapter.settle([Ack(held)]),
    "burial": lambda adapter, held: adapter.settle([Bury(held, held.payload)]),
    "retry": lambda adapter, held: adapter.settle(
        [Requeue(held, held.payload.replace(scheduled_at=2e9), State.RETRY)]
    ),
    "snooze": lambda adapter, held: adapter.settle(
        [Requeue(held, held.payload.replace(scheduled_at=2e9), State.SCHEDULED)]
    ),
    "retry elsewhere": lambda adapter, held: adapter.settle(
        [Requeue(held, held.payload.replace(queue="elsewhere"), State.ENQUEUED)]
    ),
}


class Limiting:
    """`SupportsLimits`: how many run at once."""

    @pytest.fixture(autouse=True)
    def _needed(self, limiter: SupportsLimits) -> None:
        pass

    def test_never_more_than_the_limit_are_lent(self, adapter: Adapter, worker: str) -> None:
        expected = [limited(adapter, TWO) for _ in range(5)][:2]
        assert ids(claim(adapter, worker)) == expected
        assert claim(adapter, worker) == []

    def test_what_is_behind_those_that_wait_is_lent(self, adapter: Adapter, worker: str) -> None:
        first = limited(adapter)
        for _ in range(30):
            limited(adapter)
        free = [enqueue(adapter).id, enqueue(adapter).id]
        assert ids(claim(adapter, worker, limit=3)) == [first, *free]

    def test_limits_of_different_keys_are_apart(self, adapter: Adapter, worker: str) -> None:
        a = limited(adapter, {"key": "a", "to": 1})
        b = limited(adapter, {"key": "b", "to": 1})
        rate = limited(adapter, {"key": "a", "to": 1, "per": 60})
        assert ids(claim(adapter, worker)) == [a, b, rate]

    def test_a_limit_holds_over_classes_queues_and_workers(
        self, adapter: Adapter, worker: str, other: str
    ) -> None:
        first = limited(adapter, queue="a", **{"class": "contract.A"})
        limited(adapter, queue="b", **{"class": "contract.B"})
        assert ids(claim(adapter, worker, "a", "b")) == [first]
        assert claim(adapter, other, "b", "a") == []

    @pytest.mark.parametrize("ending", ENDINGS)
    def test_whatever_ends_a_job_lets_the_next_one_go_on(
        self, adapter: Adapter, worker: str, ending: str
    ) -> None:
        limited(adapter)
        following = limited(adapter)
        (held,) = claim(adapter, worker)
        ENDINGS[ending](adapter, held)
        assert ids(claim(adapter, worker)) == [following]

    def test_a_job_given_back_is_the_next_to_run(self, adapter: Adapter, worker: str) -> None:
        first = limited(adapter)
        limited(adapter)
        (held,) = claim(adapter, worker)
        adapter.settle([Release(held)])
        assert ids(claim(adapter, worker)) == [first]
        assert claim(adapter, worker) == []

    def test_a_checkpoint_keeps_the_place(self, adapter: Adapter, worker: str) -> None:
        limited(adapter)
        limited(adapter)
        (held,) = claim(adapter, worker)
        adapter.settle([Checkpoint(held, held.payload.replace(cursor=1))])
        assert claim(adapter, worker) == []

    def test_those_that_wait_go_on_by_priority_then_age(
        self, adapter: Adapter, worker: str
    ) -> None:
        if not adapter.features.priority:
            pytest.skip("the adapter has no priorities")
        jobs = [limited(adapter, priority=priority) for priority in (-9, 5, 0, -3, 0)]
        order: list[str] = []
        while claims := claim(adapter, worker, limit=1):
            order += ids(claims)
            adapter.settle([Ack(claims[0])])
            claim_nothing = claim(adapter, worker, "elsewhere")
            assert claim_nothing == []
        assert order == [jobs[n] for n in (0, 3, 2, 4, 1)]

    def test_a_newcomer_that_is_more_urgent_goes_first(self, adapter: Adapter, worker: str) -> None:
        if not adapter.features.priority:
            pytest.skip("the adapter has no priorities")
        limited(adapter)
        waiting = limited(adapter)
        (held,) = claim(adapter, worker)
        urgent = limited(adapter, priority=-1)
        adapter.settle([Ack(held)])
        (held,) = claim(adapter, worker)
        assert held.payload.id == urgent
        adapter.settle([Ack(held)])
        assert ids(claim(adapter, worker)) == [waiting]

    def test_settling_many_at_once_frees_no_more_than_they_had(
        self, adapter: Adapter, worker: str
    ) -> None:
        for _ in range(8):
            limited(adapter, TWO)
        held = claim(adapter, worker)
        adapter.settle([*map(Ack, held), *map(Ack, held), *map(Release, held)])
        assert len(claim(adapter, worker)) == 2
        adapter.settle([Ack(each) for each in held])
        assert claim(adapter, worker) == []

    def test_a_stale_claim_frees_no_place(self, adapter: Adapter, worker: str, other: str) -> None:
        limited(adapter)
        limited(adapter)
        (stale,) = claim(adapter, worker)
        adapter.settle([Release(c) for c in adapter.recover(worker, to=other)])
        assert len(claim(adapter, other)) == 1
        assert adapter.settle([Ack(stale)]) == [stale]
        assert claim(adapter, other) == []

    def test_a_dead_workers_places_are_free_when_its_jobs_were_recovered(
        self, adapter: Adapter, worker: str, other: str
    ) -> None:
        crashed = limited(adapter)
        following = limited(adapter)
        claim(adapter, worker)
        assert claim(adapter, other) == []
        (taken,) = adapter.recover(worker, to=other, beat=beats(adapter, worker))
        adapter.settle([Requeue(taken, taken.payload, State.ENQUEUED, head=True)])
        (held,) = claim(adapter, other)
        assert held.payload.id == crashed
        adapter.settle([Ack(held)])
        assert ids(claim(adapter, other)) == [following]

    def test_a_worker_that_leaves_frees_its_places(
        self, adapter: Adapter, worker: str, other: str
    ) -> None:
        first = limited(adapter)
        limited(adapter)
        claim(adapter, worker)
        assert adapter.retire(worker) == 1
        assert ids(claim(adapter, other)) == [first]
        assert claim(adapter, other) == []

    def test_a_job_under_two_limits_needs_a_place_in_both(
        self, adapter: Adapter, worker: str
    ) -> None:
        a, b = {"key": "a", "to": 1}, {"key": "b", "to": 1}
        only_b = limited(adapter, b)
        limited(adapter, a, b)
        only_a = limited(adapter, a)
        assert ids(claim(adapter, worker)) == [only_b, only_a]

    def test_a_job_that_waits_for_another_limit_now_lets_others_have_the_first(
        self, adapter: Adapter, worker: str
    ) -> None:
        a, b = {"key": "a", "to": 1}, {"key": "b", "to": 1}
        limited(adapter, a)
        (in_a,) = claim(adapter, worker)
        limited(adapter, b)
        (in_b,) = claim(adapter, worker)
        both, only_a = limited(adapter, a, b), limited(adapter, a)
        assert claim(adapter, worker) == []
        adapter.settle([Ack(in_a)])
        assert ids(claim(adapter, worker)) == [only_a]
        adapter.settle([Ack(in_b)])
        assert claim(adapter, worker) == []  # `both` waits for a again
        adapter.settle([Ack(c) for c in adapter.held(worker) or []])
        assert ids(claim(adapter, worker)) == [both]

    def test_a_queue_that_nobody_works_keeps_no_place_from_another(
        self, adapter: Adapter, worker: str
    ) -> None:
        limited(adapter, queue="a")
        (held,) = claim(adapter, worker, "a")
        limited(adapter, queue="nobody")
        following = limited(adapter, queue="b")
        assert claim(adapter, worker, "nobody", "b") == []
        adapter.settle([Ack(held)])
        assert ids(claim(adapter, worker, "b")) == [following]

    def test_a_paused_queue_keeps_no_place_from_another(
        self, adapter: Adapter, pauser: SupportsPause, worker: str
    ) -> None:
        limited(adapter, queue="a")
        (held,) = claim(adapter, worker, "a")
        waiting, following = limited(adapter, queue="a"), limited(adapter, queue="b")
        assert claim(adapter, worker, "a", "b") == []
        pauser.pause("a")
        adapter.settle([Ack(held)])
        (held,) = claim(adapter, worker, "a", "b")
        assert held.payload.id == following
        adapter.settle([Ack(held)])
        pauser.resume("a")
        assert ids(claim(adapter, worker, "a", "b")) == [waiting]

    def test_what_is_over_a_limit_that_discards_is_lent_to_be_discarded(
        self, adapter: Adapter, worker: str
    ) -> None:
        drop = {**ONE, "discard": True}
        for _ in range(3):
            limited(adapter, drop)
        first, second, third = claim(adapter, worker)
        assert (first.full, second.full, third.full) == (None, "k", "k")
        adapter.settle([Ack(second), Ack(third)])
        following = limited(adapter, drop)
        (over,) = claim(adapter, worker)
        assert (over.payload.id, over.full) == (following, "k")
        adapter.settle([Ack(over), Ack(first)])
        assert limited(adapter, drop) == claim_one(adapter, worker).payload.id

    def test_blocked_jobs_are_told_and_found(
        self, adapter: Adapter, inspector: SupportsInspect, worker: str
    ) -> None:
        limited(adapter, queue="a")
        waiting = [limited(adapter, queue="a"), limited(adapter, queue="a")]
        claim(adapter, worker, "a")
        assert inspector.stats().blocked == 2
        assert inspector.stats().enqueued == 0
        assert ids(all_jobs(inspector, State.BLOCKED)) == waiting
        (found,) = inspector.find([waiting[1]])
        assert found.state is State.BLOCKED
        paged = inspector.jobs(State.BLOCKED, limit=1)
        rest = inspector.jobs(State.BLOCKED, limit=1, after=paged.next)
        assert ids([*paged.items, *rest.items]) == waiting

    def test_a_blocked_job_can_be_moved_and_deleted(
        self, adapter: Adapter, inspector: SupportsInspect, manager: SupportsManage, worker: str
    ) -> None:
        limited(adapter)
        deleted, buried, moved, last = [limited(adapter) for _ in range(4)]
        (held,) = claim(adapter, worker)
        assert manager.delete(inspector.find([deleted])) == 1
        (job,) = inspector.find([buried])
        assert manager.move([Move(job, job.payload, State.DEAD)]) == 1
        (job,) = inspector.find([moved])
        elsewhere = job.payload.replace(queue="elsewhere", limits=None)
        assert manager.move([Move(job, elsewhere, State.ENQUEUED)]) == 1
        assert ids(claim(adapter, worker, "elsewhere")) == [moved]
        adapter.settle([Ack(held)])
        assert ids(claim(adapter, worker)) == [last]
        assert inspector.stats().blocked == 0

    def test_one_that_was_told_to_go_on_and_is_deleted_keeps_nobody_waiting(
        self, adapter: Adapter, inspector: SupportsInspect, manager: SupportsManage, worker: str
    ) -> None:
        limited(adapter)
        called, following = limited(adapter), limited(adapter)
        (held,) = claim(adapter, worker)
        adapter.settle([Ack(held)])
        assert manager.delete(inspector.find([called])) == 1
        assert ids(claim(adapter, worker)) == [following]

    def test_the_limits_in_use_are_told(
        self, adapter: Adapter, limiter: SupportsLimits, worker: str
    ) -> None:
        assert limiter.limits() == []
        for _ in range(3):
            limited(adapter, TWO)
        limited(adapter, {"key": "a", "to": 5, "per": 60.0})
        held = claim(adapter, worker)
        assert limiter.limits() == [LimitInfo("a", 5, 60.0, 1, 0), LimitInfo("k", 2, None, 2, 1)]
        adapter.settle([Ack(each) for each in held])
        adapter.settle([Ack(each) for each in claim(adapter, worker)])
        assert [each.key for each in limiter.limits() if each.used or each.blocked] == ["a"]

    def test_a_backlog_that_waits_costs_a_claim_nothing(
        self, adapter: Adapter, worker: str
    ) -> None:
        free = payload(queue="free")
        adapter.enqueue([payload(limits=[ONE], queue="free") for _ in range(2_000)])
        assert len(claim(adapter, worker, "free")) == 1
        adapter.enqueue([free])
        began = monotonic()
        assert ids(claim(adapter, worker, "free")) == [free.id]
        for _ in range(50):
            assert claim(adapter, worker, "free") == []
        assert monotonic() - began < 5  # met once, they are met no more

    def test_many_workers_at_once_keep_the_limit_and_forget_nobody(
        self, adapter: Adapter, connect: Callable[[], Adapter]
    ) -> None:
        jobs = {limited(adapter, TWO, queue=f"q{n % 2}") for n in range(60)}
        lock, running, most, done = Lock(), [0], [0], list[str]()

        def work(nth: int) -> None:
            client = connect()
            name = register(client, f"worker-{nth}")
            until = monotonic() + 60
            while len(done) < len(jobs) and monotonic() < until:
                for held in claim(client, name, "q0", "q1", limit=2):
                    with lock:
                        running[0] += 1
                        most[0] = max(most[0], running[0])
                    with lock:
                        running[0] -= 1
                        done.append(held.payload.id)
                    client.settle([Ack(held)])

        with ThreadPoolExecutor(6) as threads:
            list(threads.map(work, range(6)))
        assert sorted(done) == sorted(jobs)
        assert most[0] <= 2
