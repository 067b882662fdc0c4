"""A limit of one over real worker processes that are killed, and that stand still and come back."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.integration.worker.site import Site, payload, until
from tests.soak import SOAK

Workers: TypeAlias = Sequence[subprocess.Popen[bytes]]

ONE = [{"key": "lone", "to": 1}]
LONE = """
    class Lone(Job):
        def perform(self, number):
            note("S", number)
            time.sleep(0.05)
            while os.path.exists("held"):
                time.sleep(0.01)
            note("F", number)
"""
JOBS = 60 if SOAK else 16


@pytest.fixture
def site(site: Site) -> Site:
    site.add(LONE)
    return site


def lines(site: Site) -> list[list[str]]:
    path = site.folder / "log"
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def at_it(site: Site, workers: Workers) -> subprocess.Popen[bytes] | None:
    """The worker whose job runs now.

    That another one stands still may be written down behind it: it was recovered just then.
    """
    last = [line for line in lines(site) if line[0] != "K"][-1:]
    if not last or last[0][0] != "S":
        return None
    pid = int(last[0][2])
    return next((worker for worker in workers if pid in site.processes(worker)), None)


def in_the_middle(site: Site, workers: Workers) -> subprocess.Popen[bytes]:
    """The worker whose job runs now, and does not end: for `held` jobs."""
    until(lambda: at_it(site, workers))
    worker = at_it(site, workers)
    assert worker is not None
    return worker


def stand_still(site: Site, worker: subprocess.Popen[bytes]) -> None:
    """Have it stand still, and write down that it does."""
    os.killpg(worker.pid, signal.SIGSTOP)
    until(partial(_stand_still, site.processes(worker)))
    with (site.folder / "log").open("a") as log:
        log.writelines(f"K 0 {pid}\n" for pid in site.processes(worker))


def stand_still_until_recovered(
    site: Site, worker: subprocess.Popen[bytes], others: Workers
) -> None:
    """Have it stand still until another runs its job.

    Inside of a transaction it holds what the others need: then it goes on, and stands still again.
    """
    for _ in range(12):
        stand_still(site, worker)
        with suppress(AssertionError):
            until(lambda: at_it(site, others), 4)
            return
        site.go_on(worker)
    raise AssertionError("it was never recovered")


def _stand_still(pids: Iterable[int]) -> bool:
    stats = [Path(f"/proc/{pid}/stat").read_text() for pid in pids]
    return all(stat.rpartition(")")[2].split()[0] == "T" for stat in stats)


def most_at_once(site: Site) -> int:
    """How many ran at the same moment; what a worker ran that died or stood still ended there.

    What such a one finishes of its old job, awake again, is not told to the store: it is fenced.
    """
    running: set[tuple[str, str]] = set()
    most = 0
    for what, number, pid in lines(site):
        if what == "S":
            running.add((number, pid))
        elif what == "F":
            running.discard((number, pid))
        else:
            running = {each for each in running if each[1] != pid}
        most = max(most, len(running))
    return most


@pytest.mark.timeout(240)  # it waits for two leases, and perhaps for a third
@pytest.mark.behaviour("H5")
def test_a_limit_of_one_holds_through_kills_and_zombies_and_no_place_is_lost(site: Site) -> None:
    workers = [site.start("-c", "3", JOBKIT_LEASE="1") for _ in range(3)]
    until(lambda: site.store.stats().workers == 3)
    (site.folder / "held").touch()
    site.store.enqueue([payload("app.Lone", number).replace(limits=ONE) for number in range(JOBS)])
    killed = in_the_middle(site, workers)
    stand_still(site, killed)
    site.kill(killed)
    workers.remove(killed)
    zombie = in_the_middle(site, workers)
    stand_still_until_recovered(site, zombie, [each for each in workers if each is not zombie])
    (site.folder / "held").unlink()
    before = len(site.finished())
    until(lambda: len(site.finished()) > before + 1)  # others have recovered it, and go on
    site.go_on(zombie)
    until(lambda: site.store.stats().processed == JOBS)
    assert most_at_once(site) == 1
    assert set(site.finished()) == set(range(JOBS))
    stats = site.store.stats()
    assert (stats.blocked, stats.enqueued, stats.running, stats.dead) == (0, 0, 0, 0)
    assert [(each.used, each.blocked) for each in site.store.limits()] == []


def test_those_that_wait_use_up_no_attempts_and_go_on_by_priority(site: Site) -> None:
    jobs = [payload("app.Lone", number).replace(limits=ONE) for number in range(6)]
    site.store.enqueue([job.replace(priority=-nth) for nth, job in enumerate(jobs)])
    worker = site.start("-c", "3", "--burst")
    assert worker.wait(45) == 0
    assert [number for number, _ in site.log("S")] == [5, 4, 3, 2, 1, 0]
    assert most_at_once(site) == 1
    stats = site.store.stats()
    assert (stats.processed, stats.failed) == (6, 0)
