"""Separated: several processes on one store, where an adapter's store can be shared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Final

import pytest

from jobkit.adapter import Ack, Adapter
from jobkit.testing.contract.competitors import (
    claim_and_die,
    drain_elsewhere,
    recover_elsewhere,
    separately,
)
from jobkit.testing.contract.support import (
    beats,
    claim,
    enqueue,
    flat,
    ids,
    payload,
    peek,
    register,
)

__all__ = ["Separated"]

_CHILDREN: Final = 3


class Separated:
    """The verbs from several processes at once; the fixture `opener` opens the store in each."""

    @pytest.fixture
    def pool(self, opener: Callable[[], Adapter]) -> Iterator[ProcessPoolExecutor]:
        """The children."""
        with ProcessPoolExecutor(_CHILDREN, mp_context=separately(opener)) as children:
            yield children

    def test_each_job_is_finished_by_one_process(
        self, adapter: Adapter, opener: Callable[[], Adapter], pool: ProcessPoolExecutor
    ) -> None:
        jobs = [payload(args=[number]) for number in range(300)]
        adapter.enqueue(jobs)
        drained = [
            pool.submit(drain_elsewhere, opener, f"child-{nth}", _CHILDREN)
            for nth in range(_CHILDREN)
        ]
        done = flat(each.result() for each in drained)
        assert sorted(done) == sorted(job.id for job in jobs)
        assert peek(adapter) == []

    def test_a_dead_worker_is_recovered_by_one_process(
        self,
        adapter: Adapter,
        opener: Callable[[], Adapter],
        pool: ProcessPoolExecutor,
        worker: str,
    ) -> None:
        jobs = [enqueue(adapter).id for _ in range(5)]
        claim(adapter, worker)
        seen = beats(adapter, worker)
        recovered = [
            pool.submit(recover_elsewhere, opener, worker, f"heir-{nth}", seen, _CHILDREN)
            for nth in range(_CHILDREN)
        ]
        got = [each.result() for each in recovered]
        assert sorted(flat(got)) == sorted(jobs)
        assert sum(map(bool, got)) == 1

    def test_what_a_killed_process_held_is_still_there(
        self, adapter: Adapter, opener: Callable[[], Adapter]
    ) -> None:
        jobs = [enqueue(adapter).id for _ in range(5)]
        child = separately(opener).Process(target=claim_and_die, args=(opener, "killed", 3))
        child.start()
        child.join()
        heir = register(adapter, "heir")
        assert peek(adapter) == jobs[3:]
        recovered = adapter.recover("killed", to=heir, beat=beats(adapter, "killed"))
        assert sorted(ids(recovered)) == sorted(jobs[:3])
        assert adapter.settle([Ack(each) for each in recovered]) == []
