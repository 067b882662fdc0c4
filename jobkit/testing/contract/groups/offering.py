"""Offers: what is lent for one is lent as by a claim, once, and nothing is lent past its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from time import monotonic, sleep
from typing import Any

import pytest

from jobkit.adapter import Ack, Adapter, Claim, Release
from jobkit.capabilities import SupportsPause
from jobkit.offering import SupportsOffers
from jobkit.payload import Payload
from jobkit.testing.contract.competitors import at_once
from jobkit.testing.contract.support import claim, claim_one, enqueue, ids, payload, peek, register

__all__ = ["Offering"]

_SOON = 0.01
_LONG = 20.0
_PAUSE = 0.006
"""Seconds between jobs, as of some that follow at once a store may have the first alone wake."""
_PRODUCERS = 3
_JOBS_OF_EACH = 40

Offered = Callable[[Callable[[], Any]], list[Claim]]
"""Has a worker wait, does something meanwhile, and returns what was lent for its offer."""


class Offering:
    """`SupportsOffers`. No offer need be taken: what is lent to nobody waits for a claim.

    One of many is to be, though, or it would be of no use.
    """

    @pytest.fixture
    def offerer(self, adapter: Adapter, offerer: SupportsOffers, worker: str) -> SupportsOffers:
        """The adapter once it lends: it may need a moment until an offer can stand."""
        adapter.settle([Ack(_lent(adapter, offerer, worker))])
        return offerer

    @pytest.fixture
    def offered(self, offerer: SupportsOffers, worker: str) -> Offered:
        """With the worker's offer standing, if it can stand at all."""

        def lent(act: Callable[[], Any]) -> list[Claim]:
            assert offerer.offer(["default"], _SOON, worker=worker) == []
            act()
            return [
                *offerer.offer(["default"], _SOON, worker=worker),
                *offerer.withdraw(worker),
            ]

        return lent

    def test_without_a_job_it_is_a_wait(self, offerer: SupportsOffers, worker: str) -> None:
        assert offerer.offer(["default"], _SOON, worker=worker) == []
        assert offerer.withdraw(worker) == []

    def test_what_does_not_stand_is_withdrawn_in_vain(
        self, offerer: SupportsOffers, worker: str
    ) -> None:
        assert offerer.withdraw(worker) == []
        assert offerer.withdraw("nobody") == []

    def test_a_job_ends_it(
        self, adapter: Adapter, offerer: SupportsOffers, worker: str, connect: Callable[[], Adapter]
    ) -> None:
        """It was lent, or may be claimed: somebody who waits has it soon."""
        for _ in range(3):
            client = connect()
            calls: list[Callable[[], Any]] = [
                partial(offerer.offer, ["default"], _LONG, worker=worker),
                partial(enqueue, client),
            ]
            lent, job = at_once(calls)
            assert ids([*lent, *claim(adapter, worker)]) == [job.id]

    def test_what_was_lent_is_held_like_what_was_claimed(
        self, adapter: Adapter, offerer: SupportsOffers, worker: str
    ) -> None:
        one = _lent(adapter, offerer, worker)
        assert claim(adapter, register(adapter, "other")) == []
        assert adapter.held(worker) in (None, [one])
        assert adapter.settle([Ack(one)]) == []
        assert adapter.settle([Ack(one)]) == [one]

    def test_what_was_lent_and_is_given_back_is_first_again(
        self, adapter: Adapter, offerer: SupportsOffers, worker: str
    ) -> None:
        one = _lent(adapter, offerer, worker)
        later = enqueue(adapter)
        assert adapter.settle([Release(one, started=False)]) == []
        assert peek(adapter) == [one.payload.id, later.id]

    def test_the_job_is_the_very_one_that_was_enqueued(
        self, adapter: Adapter, offerer: SupportsOffers, worker: str
    ) -> None:
        args = ["ä", "\x00", "a:b\nc", [], {}, 2**70, "\u2028"]
        one = _lent(adapter, offerer, worker, args=args)
        assert one.payload.args == args
        assert one.deliveries == 0

    def test_a_worker_that_leaves_gives_back_what_was_lent(
        self, adapter: Adapter, offerer: SupportsOffers, worker: str
    ) -> None:
        job = _on_its_way(adapter, offerer, worker)
        adapter.retire(worker)
        assert peek(adapter) == [job.id]

    def test_an_offer_ends_with_its_worker(
        self, adapter: Adapter, offerer: SupportsOffers, worker: str, other: str
    ) -> None:
        offerer.offer(["default"], _SOON, worker=worker)
        adapter.recover(worker, to=other)
        job = enqueue(adapter)
        assert ids(claim(adapter, other)) == [job.id]

    def test_what_was_lent_to_a_dead_worker_is_recovered(
        self, adapter: Adapter, offerer: SupportsOffers, worker: str, other: str
    ) -> None:
        job = _on_its_way(adapter, offerer, worker)
        assert ids(adapter.recover(worker, to=other)) == [job.id]
        assert claim(adapter, other) == []

    def test_nothing_is_lent_once_it_was_withdrawn(
        self, adapter: Adapter, offerer: SupportsOffers, worker: str
    ) -> None:
        offerer.offer(["default"], _SOON, worker=worker)
        assert offerer.withdraw(worker) == []
        job = enqueue(adapter)
        assert not adapter.held(worker)
        assert claim_one(adapter, worker).payload.id == job.id

    def test_one_job_is_lent_for_one_offer(
        self, adapter: Adapter, offerer: SupportsOffers, worker: str
    ) -> None:
        first = _on_its_way(adapter, offerer, worker)
        rest = [enqueue(adapter).id for _ in range(2)]
        assert ids(offerer.withdraw(worker)) == [first.id]
        assert peek(adapter) == rest

    def test_what_was_lent_is_returned_by_the_next_offer_at_once(
        self, adapter: Adapter, offerer: SupportsOffers, worker: str
    ) -> None:
        job = _on_its_way(adapter, offerer, worker)
        lent = offerer.offer(["default"], _LONG, worker=worker)
        assert ids([*lent, *offerer.withdraw(worker)]) == [job.id]

    def test_many_jobs_of_one_call_wait_or_come_in_order(
        self, adapter: Adapter, offered: Offered
    ) -> None:
        jobs = [payload() for _ in range(3)]
        lent = offered(lambda: adapter.enqueue(jobs))
        assert [*ids(lent), *peek(adapter)] == [job.id for job in jobs]

    @pytest.mark.parametrize("limit", [1, 2, 10])
    def test_a_claim_counts_what_the_offer_brought(
        self, adapter: Adapter, offerer: SupportsOffers, worker: str, limit: int
    ) -> None:
        for _ in range(3):
            first = _on_its_way(adapter, offerer, worker)
            jobs = [first.id, *(enqueue(adapter).id for _ in range(3))]
            claims = claim(adapter, worker, limit=limit)
            claims += offerer.withdraw(worker)
            assert sorted(ids(claims)) == sorted(jobs[:limit])
            assert ids(claim(adapter, worker)) == jobs[limit:]

    def test_nothing_of_another_queue_is_lent(self, adapter: Adapter, offered: Offered) -> None:
        for queue in ("other", "default\ndefault", "efault", "\n"):
            assert offered(partial(enqueue, adapter, queue=queue)) == []

    def test_nothing_of_a_paused_queue_is_lent(
        self, adapter: Adapter, offered: Offered, pauser: SupportsPause
    ) -> None:
        pauser.pause("default")
        assert offered(lambda: enqueue(adapter)) == []
        pauser.resume("default")
        assert len(peek(adapter)) == 1

    def test_nobody_is_overtaken(
        self, adapter: Adapter, offerer: SupportsOffers, worker: str, pauser: SupportsPause
    ) -> None:
        pauser.pause("default")
        first = enqueue(adapter)
        offerer.offer(["default"], _SOON, worker=worker)
        pauser.resume("default")
        sleep(_PAUSE)
        second = enqueue(adapter)
        lent = [*offerer.withdraw(worker), *claim(adapter, worker)]
        assert ids(lent) == [first.id, second.id]

    @pytest.mark.parametrize("priority", [None, -5])
    def test_what_waits_in_an_earlier_queue_of_the_offer_is_not_overtaken(
        self,
        adapter: Adapter,
        offerer: SupportsOffers,
        worker: str,
        pauser: SupportsPause,
        priority: int | None,
    ) -> None:
        """A claim of both would have it first."""
        if priority is not None and not adapter.features.priority:
            pytest.skip(f"{type(adapter).__name__} has no priorities (features.priority)")
        both = ["first", "default"]
        pauser.pause("first")
        first = enqueue(adapter, queue="first", priority=priority)
        offerer.offer(both, _SOON, worker=worker)
        pauser.resume("first")
        sleep(_PAUSE)
        second = enqueue(adapter)
        lent = [*offerer.withdraw(worker), *claim(adapter, worker, *both)]
        assert ids(lent) == [first.id, second.id]

    def test_nobody_who_counts_for_more_is_overtaken(
        self, adapter: Adapter, offered: Offered
    ) -> None:
        if not adapter.features.priority:
            pytest.skip(f"{type(adapter).__name__} has no priorities (features.priority)")

        def act() -> None:
            enqueue(adapter, priority=5)
            jobs.append(enqueue(adapter, priority=-5).id)
            sleep(_PAUSE)
            jobs.append(enqueue(adapter).id)

        jobs: list[str] = []
        lent = offered(act)
        found = [*ids(lent), *peek(adapter)]
        assert [each for each in found if each in jobs] == jobs

    def test_each_of_many_jobs_is_lent_or_claimed_once(
        self, adapter: Adapter, offerer: SupportsOffers, connect: Callable[[], Adapter]
    ) -> None:
        workers = [register(adapter, f"worker-{number}") for number in range(3)]
        wanted = _PRODUCERS * _JOBS_OF_EACH
        found: list[Claim] = []
        lent: list[Claim] = []

        def work(worker: str) -> None:
            while len(found) < wanted:
                claims = adapter.claim(["default"], limit=2, worker=worker)
                if not claims:
                    claims = offerer.offer(["default"], _SOON, worker=worker)
                    lent.extend(claims)
                assert adapter.settle([Ack(one) for one in claims]) == []
                found.extend(claims)
            found.extend(offerer.withdraw(worker))

        def produce(client: Adapter) -> list[Payload]:
            return [_after_a_pause(client) for _ in range(_JOBS_OF_EACH)]

        made: list[Any] = at_once(
            [
                *(partial(work, worker) for worker in workers),
                *(partial(produce, connect()) for _ in range(_PRODUCERS)),
            ]
        )
        jobs = [job.id for some in made if some for job in some]
        assert Counter(ids(found)) == Counter(jobs)
        assert lent, "all were claimed"
        assert peek(adapter) == []


def _after_a_pause(adapter: Adapter) -> Payload:
    sleep(_PAUSE)
    return enqueue(adapter)


def _on_its_way(adapter: Adapter, offerer: SupportsOffers, worker: str, **fields: Any) -> Payload:
    """A job that was lent to the worker, who has not been told so."""
    witness = register(adapter, "witness")  # who retires may stop all who listen
    deadline = monotonic() + _LONG
    while monotonic() < deadline:
        assert offerer.offer(["default"], _SOON, worker=worker) == []
        job = enqueue(adapter, **fields)
        claims = claim(adapter, witness)
        if not claims:
            return job
        adapter.settle([Ack(each) for each in claims])
        sleep(_PAUSE)
    pytest.fail(f"{type(adapter).__name__} lends nothing to those who offer to take it")


def _lent(adapter: Adapter, offerer: SupportsOffers, worker: str, **fields: Any) -> Claim:
    """The claim of a job that was lent for an offer."""
    job = _on_its_way(adapter, offerer, worker, **fields)
    lent = [*offerer.offer(["default"], _SOON, worker=worker), *offerer.withdraw(worker)]
    assert ids(lent) == [job.id]
    return lent[0]
