"""Batches over real worker processes that are killed, and that stand still and come back."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import pytest

from jobkit.adapter import State
from jobkit.batching import BatchInfo, Event, NewBatch
from jobkit.capabilities import JobFilter
from jobkit.payload import Payload, new_id
from tests.integration.worker.site import Site, payload, until
from tests.soak import SOAK

JOBS = """
    class Member(Job):
        def perform(self, number):
            note("S", number)
            time.sleep(0.02)
            note("F", number)


    class Slow(Job):
        def perform(self, number):
            note("S", number)
            time.sleep(0.25)
            note("F", number)


    class Failing(Job):
        def perform(self, number):
            note("S", number)
            time.sleep(0.02)
            note("F", number)
            raise ValueError(number)


    class Told(Job):
        def perform(self, number):
            note("T", number)
"""
MEMBERS = 1_000 if SOAK else 300
FAILING = 30
UNSEEN = "unseen"
"""A queue that no worker looks at."""


@pytest.fixture
def site(site: Site) -> Site:
    site.add(JOBS)
    return site


def told(number: int, queue: str) -> Payload:
    return payload("app.Told", number).replace(queue=queue)


def opened(site: Site, job: str, numbers: range, callbacks: dict[Event, Payload]) -> NewBatch:
    """A stored batch with a member for each number."""
    batch = NewBatch(new_id(), callbacks=callbacks)
    jobs = [payload(f"app.{job}", number).replace(bid=batch.id, retry=0) for number in numbers]
    site.store.enqueue_batch(batch.id, jobs, opens=batch, closes=True)
    return batch


def standing(site: Site, batch: NewBatch) -> BatchInfo:
    found = site.store.batch(batch.id)
    assert found is not None
    return found


def done(site: Site, share: float) -> None:
    """Wait until that share of all members has run."""
    until(lambda: len(set(site.finished())) >= share * (MEMBERS + FAILING), 60)


def freeze_until_recovered(site: Site, worker: subprocess.Popen[bytes]) -> None:
    """Have a worker stand still until others have its jobs, and go on as if nothing were.

    Inside of a transaction it holds what the others need: then it goes on, and stands still again.
    """
    pids = site.processes(worker)
    # None of it where it has just lost its lease, and begins anew.
    while not (frozen := {each.id for each in site.store.workers() if each.pid in pids}):
        time.sleep(0.01)
    for _ in range(12):
        os.killpg(worker.pid, signal.SIGSTOP)
        recovered = came(lambda: not frozen & {each.id for each in site.store.workers()}, 4)
        site.go_on(worker)
        if recovered:
            return
    raise AssertionError("it was never recovered")


def came(condition: Callable[[], object], seconds: float) -> bool:
    """False if it did not happen in time."""
    with suppress(AssertionError):
        until(condition, seconds)
        return True
    return False


@pytest.mark.timeout(600)
@pytest.mark.behaviour("J1", "J4")
def test_each_callback_comes_once_and_after_all_members_through_kills_and_zombies(
    site: Site,
) -> None:
    workers = [site.start("-c", "3", JOBKIT_LEASE="1") for _ in range(3)]
    until(lambda: site.store.stats().workers == 3)
    numbers = range(MEMBERS), range(MEMBERS, MEMBERS + FAILING)
    seen = {Event.SUCCESS: told(1, "default"), Event.FINISH: told(2, "default")}
    unseen = {event: told(nth, UNSEEN) for nth, event in enumerate(Event, 3)}
    failing = opened(site, "Failing", numbers[1], unseen)
    well = opened(site, "Member", numbers[0], seen)
    done(site, 0.1)
    os.kill(site.processes(workers[0]).pop(), signal.SIGKILL)
    done(site, 0.3)
    site.kill(workers[1])
    done(site, 0.5)
    freeze_until_recovered(site, workers[2])
    until(partial(is_over, site, well), 60)
    until(partial(is_over, site, failing), 60)
    until(lambda: len(site.log("T")) >= 2 and site.store.stats().running == 0)
    ends = standing(site, well), standing(site, failing)
    assert [(each.succeeded, each.failed) for each in ends] == [(MEMBERS, 0), (0, FAILING)]
    assert sorted(number for number, _ in site.log("T")) == [1, 2]
    assert ran_before_the_callbacks(site) >= {*numbers[0]}
    assert waiting(site, UNSEEN) == [unseen[event].id for event in (Event.FAILURE, Event.FINISH)]


@pytest.mark.skipif(not SOAK, reason="takes a minute: make soak, or SOAK=1")
@pytest.mark.timeout(300)
def test_a_batch_of_a_thousand_has_one_callback_through_ten_kills_and_five_zombies(
    site: Site,
) -> None:
    workers = [site.start("-c", "3", JOBKIT_LEASE="1") for _ in range(3)]
    until(lambda: site.store.stats().workers == 3)
    callbacks = {Event.SUCCESS: told(1, "default"), Event.FINISH: told(2, "default")}
    batch = opened(site, "Slow", range(MEMBERS), callbacks)
    chance = random.Random(5)
    for act in chance.sample([kill_child, kill_machine, stand_still], k=15, counts=[5, 5, 5]):
        time.sleep(chance.uniform(0.2, 0.8))
        nth = chance.randrange(3)
        workers[nth] = act(site, workers[nth])
    assert not is_over(site, batch), "it was over before all had been done to it"
    until(partial(is_over, site, batch), 120)
    until(lambda: len(site.log("T")) >= 2 and site.store.stats().running == 0)
    assert (standing(site, batch).succeeded, standing(site, batch).failed) == (MEMBERS, 0)
    assert sorted(number for number, _ in site.log("T")) == [1, 2]
    assert ran_before_the_callbacks(site) == {*range(MEMBERS)}


def kill_child(site: Site, worker: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
    """Kill what runs the jobs, if it is up, and leave the rest to its supervisor."""
    for pid in site.processes(worker):
        os.kill(pid, signal.SIGKILL)
    return worker


def kill_machine(site: Site, worker: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
    site.kill(worker)
    return site.start("-c", "3", JOBKIT_LEASE="1")


def stand_still(site: Site, worker: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
    """For two leases and a half, in the middle of whatever it does."""
    del site
    os.killpg(worker.pid, signal.SIGSTOP)
    time.sleep(2.5)
    os.killpg(worker.pid, signal.SIGCONT)
    return worker


def is_over(site: Site, batch: NewBatch) -> bool:
    return standing(site, batch).finished_at is not None


def ran_before_the_callbacks(site: Site) -> set[int]:
    lines = (site.folder / "log").read_text().splitlines()
    first = next(nth for nth, line in enumerate(lines) if line.startswith("T"))
    return {int(line.split()[1]) for line in lines[:first] if line.startswith("F")}


def waiting(site: Site, queue: str) -> list[str]:
    """The ids of the jobs in a queue, those that are in it twice twice."""
    return [
        job.payload.id
        for job in site.store.jobs(State.ENQUEUED, where=JobFilter(queue=queue)).items
    ]
