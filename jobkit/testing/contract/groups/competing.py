"""Competing: many threads on one store, and each job still has one fate."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

import pytest

from jobkit.adapter import Ack, Adapter, Claim, Requeue, State
from jobkit.payload import Payload
from jobkit.testing.clock import ManualClock
from jobkit.testing.contract.competitors import at_once, drain
from jobkit.testing.contract.support import (
    beats,
    claim,
    claim_one,
    enqueue,
    flat,
    ids,
    payload,
    peek,
    register,
)

__all__ = ["Competing"]

_THREADS: Final = 8
_ROUNDS: Final = 10
_HASTE: Final = 5e-6  # seconds between two turns, a thousandth of the usual: what can race, does


class Competing:
    """Every verb from many threads at once, each with a client of its own."""

    @pytest.fixture(autouse=True)
    def _hasty_threads(self) -> Iterator[None]:
        usual = sys.getswitchinterval()
        sys.setswitchinterval(_HASTE)
        yield
        sys.setswitchinterval(usual)

    @pytest.fixture
    def clients(self, connect: Callable[[], Adapter]) -> list[Adapter]:
        """A client for each thread."""
        return [connect() for _ in range(_THREADS)]

    def test_each_of_2000_jobs_is_finished_by_one_of_8_workers(
        self, adapter: Adapter, clients: list[Adapter]
    ) -> None:
        jobs = [payload(args=[number]) for number in range(2000)]
        adapter.enqueue(jobs)
        done = at_once(
            partial(drain, client, f"worker-{nth}") for nth, client in enumerate(clients)
        )
        assert sorted(flat(done)) == sorted(job.id for job in jobs)

    def test_what_many_enqueue_at_once_is_all_there(
        self, adapter: Adapter, clients: list[Adapter]
    ) -> None:
        batches = [[payload() for _ in range(50)] for _ in clients]
        at_once(partial(_enqueue_each, *both) for both in zip(clients, batches, strict=True))
        assert sorted(peek(adapter)) == sorted(job.id for job in flat(batches))

    def test_a_due_job_is_promoted_by_one(
        self, adapter: Adapter, clients: list[Adapter], clock: ManualClock
    ) -> None:
        jobs = [payload(scheduled_at=clock.time() + 1) for _ in range(200)]
        adapter.enqueue(jobs)
        clock.advance(1)
        promoted = at_once(partial(_promote_slices, client) for client in clients)
        assert sum(promoted) == 200
        assert sorted(peek(adapter)) == sorted(job.id for job in jobs)

    def test_a_dead_worker_is_recovered_by_one(
        self, adapter: Adapter, clients: list[Adapter]
    ) -> None:
        heirs = [register(adapter, f"heir-{nth}") for nth in range(_THREADS)]
        for nth_round in range(_ROUNDS):
            dead = register(adapter, f"dead-{nth_round}")
            jobs = [enqueue(adapter).id for _ in range(3)]
            claim(adapter, dead)
            seen = beats(adapter, dead)
            got = at_once(
                partial(client.recover, dead, to=heir, beat=seen)
                for client, heir in zip(clients, heirs, strict=True)
            )
            assert sorted(ids(flat(got))) == sorted(jobs)
            assert sum(map(bool, got)) == 1

    def test_a_beat_and_a_recovery_do_not_both_win(
        self, adapter: Adapter, clients: list[Adapter]
    ) -> None:
        heir = register(adapter, "heir")
        for nth_round in range(_ROUNDS):
            late = register(adapter, f"late-{nth_round}")
            enqueue(adapter)
            held = claim_one(adapter, late)
            beat = partial(_beats, clients[0], late, held)
            recover = partial(_recovers, clients[1], late, heir, beats(adapter, late))
            alive, recovered = at_once([beat, recover])
            assert alive is not recovered

    def test_a_job_is_settled_or_recovered_and_not_both(
        self, adapter: Adapter, clients: list[Adapter]
    ) -> None:
        heir = register(adapter, "heir")
        for nth_round in range(_ROUNDS):
            late = register(adapter, f"late-{nth_round}")
            jobs = [enqueue(adapter).id for _ in range(20)]
            settle = partial(_ack_each, clients[0], claim(adapter, late))
            settled, recovered = at_once([settle, partial(clients[1].recover, late, to=heir)])
            assert sorted(ids([*settled, *recovered])) == sorted(jobs)

    def test_of_many_who_settle_one_claim_one_succeeds(
        self, adapter: Adapter, clients: list[Adapter], worker: str
    ) -> None:
        for _ in range(_ROUNDS):
            job = enqueue(adapter)
            held = claim_one(adapter, worker)
            again = Requeue(held, held.payload, State.ENQUEUED)
            stale = at_once(partial(client.settle, [again]) for client in clients)
            assert sorted(map(len, stale)) == [0] + [1] * (_THREADS - 1)
            assert ids(_ack_each(adapter, claim(adapter, worker))) == [job.id]

    def test_what_is_given_back_while_others_claim_is_not_lost(
        self, adapter: Adapter, clients: list[Adapter]
    ) -> None:
        jobs = [payload() for _ in range(100)]
        adapter.enqueue(jobs)
        at_once(partial(_come_and_go, client, f"guest-{nth}") for nth, client in enumerate(clients))
        assert sorted(peek(adapter)) == sorted(job.id for job in jobs)


def _enqueue_each(adapter: Adapter, jobs: Sequence[Payload]) -> None:
    for job in jobs:
        adapter.enqueue([job])


def _beats(adapter: Adapter, worker: str, held: Claim) -> bool:
    return adapter.beat(worker, lease=30.0, claims=[held]).registered


def _recovers(adapter: Adapter, worker: str, heir: str, seen: int) -> bool:
    return bool(adapter.recover(worker, to=heir, beat=seen))


def _promote_slices(adapter: Adapter) -> int:
    return sum(adapter.maintain(limit=20).promoted for _ in range(15))


def _ack_each(adapter: Adapter, claims: Sequence[Claim]) -> list[Claim]:
    """Those that were settled."""
    return [each for each in claims if not adapter.settle([Ack(each)])]


def _come_and_go(adapter: Adapter, guest: str) -> None:
    for visit in range(10):
        name = register(adapter, f"{guest}-{visit}")
        claim(adapter, name, limit=5)
        adapter.retire(name)
