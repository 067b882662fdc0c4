"""Processes that die: whose jobs run again, when, and who is charged."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from jobkit.adapter import State
from jobkit.worker.settler import BATCH
from tests.integration.worker.site import Site, at_once, until

BRIEF = """

    class Brief(Job):
        def perform(self, number):
            note("S", number)
            time.sleep(0.01)
            note("F", number)
"""

LONG = {"JOBKIT_LEASE": "60"}
"""A lease that no test waits for: what is recovered was recovered by the supervisor."""


def test_the_supervisors_only_children_are_its_processes_and_it_imports_no_application(
    site: Site,
) -> None:
    worker = site.start("-p", "2")
    until(lambda: site.store.stats().workers == 2)
    imported = {int(pid) for pid in (site.folder / "imported").read_text().split()}
    assert imported == site.processes(worker)
    assert len(imported) == 2
    assert {info.pid for info in site.store.workers()} == imported


@pytest.mark.timeout(240)  # six interpreters one after the other, on a machine that may be busy
@pytest.mark.parametrize("processes", ["1", "2"])
def test_the_job_of_a_killed_process_runs_again_at_once(site: Site, processes: str) -> None:
    worker = site.start("-p", processes, **LONG)
    waits: list[float] = []
    for number in range(4):
        until(lambda: site.store.stats().workers == int(processes))
        with site.queued(worker) as queued:
            took = seconds_to_run_again(site, number)
        waits.append(took - queued.seconds)
    assert sorted(waits)[1] < 4, waits
    assert max(waits) < 15, waits
    assert Counter(site.started()) == dict.fromkeys(range(4), 2)


def seconds_to_run_again(site: Site, number: int) -> float:
    """From the death of the process that runs a new job to the job's next start."""
    site.enqueue("Hold", range(number, number + 1))
    until(lambda: number in site.started())
    [pid] = [pid for started, pid in site.log("S") if started == number]
    killed_at = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    until(lambda: site.started().count(number) == 2)
    took = time.monotonic() - killed_at
    site.go()
    until(lambda: number in site.finished())
    (site.folder / "go").unlink()
    return took


def test_a_kill_repeats_no_more_than_what_was_running_and_one_flush(site: Site) -> None:
    threads, jobs = 4, 400
    site.add(BRIEF)
    site.enqueue("Brief", range(jobs))
    site.start("-c", str(threads), **LONG)
    until(lambda: len(site.finished()) >= jobs * 3 // 4)
    os.kill(site.log("S")[0][1], signal.SIGKILL)
    until(lambda: {*site.finished()} == {*range(jobs)} and _at_rest(site))
    assert len(site.finished()) - jobs <= threads + BATCH


def _at_rest(site: Site) -> bool:
    """True when nothing waits and nothing runs, not even for the second time."""
    stats = site.store.stats()
    return (stats.enqueued, stats.running) == (0, 0)


def test_a_death_charges_a_delivery_with_the_reason_and_no_execution(site: Site) -> None:
    site.enqueue("Hold", range(1))
    site.start(**LONG)
    until(lambda: site.started() == [0])
    [(_, pid)] = site.log("S")
    os.kill(pid, signal.SIGKILL)
    until(lambda: site.started() == [0, 0])
    [job] = site.store.jobs(State.RUNNING).items
    assert (job.payload.deliveries, job.payload.executions) == (1, 0)
    said = job.payload.fields["error_message"]
    assert said == f"the worker process {pid} was killed by SIGKILL while the job ran"


def test_07_an_exit_with_0_in_a_job_is_a_crash_too(site: Site) -> None:
    site.enqueue("Leave", range(1))
    site.start(**LONG)
    until(lambda: site.finished() == [0])
    assert site.started() == [0, 0]
    assert "exited with code 0 while the job ran" in site.said()


@pytest.mark.timeout(180)
@pytest.mark.parametrize("pill", ["Segfault", "NullPointer"])
def test_06_a_pill_among_nine_neighbours_is_buried_after_three_and_they_are_done(
    site: Site, pill: str
) -> None:
    site.enqueue("Nap", range(5))
    site.enqueue(pill, range(99, 100))
    site.enqueue("Nap", range(5, 9))
    site.start("-c", "10", **LONG)

    def over() -> bool:
        site.make_due()  # instead of waiting 10 s each
        stats = site.store.stats()
        return stats.dead == 1 and len(set(site.finished())) == 9

    until(over, 120)
    [dead] = site.store.jobs(State.DEAD).items
    assert dead.payload.args == [99]
    assert dead.payload.fields["error_class"] == "jobkit.errors.WorkerLost"
    assert "was killed by SIGSEGV" in dead.payload.fields["error_message"]
    starts = Counter(site.started())
    assert starts[99] == 3
    assert all(starts[number] <= 3 for number in range(9))
    until(lambda: site.store.stats().processed == 10)
    assert "Fatal Python error: Segmentation fault" in site.said()


def test_the_third_time_a_job_is_alone_in_its_process(site: Site) -> None:
    site.enqueue("Segfault", range(99, 100))
    worker = site.start("-c", "5", **LONG)
    until(lambda: site.charged(2))
    site.enqueue("Nap", range(4))
    until(lambda: {*site.started()} == {0, 1, 2, 3, 99})
    site.make_due()
    until(lambda: site.started().count(99) == 3)
    # Nothing ran beside it: all that had started before had finished.
    assert site.finished() == [0, 1, 2, 3]
    until(lambda: site.store.stats().dead == 1)
    worker.terminate()
    assert worker.wait(45) == 0


def test_08_a_job_that_holds_the_gil_longer_than_the_lease_runs_once(
    everywhere: list[Site],
) -> None:
    def runs_once(site: Site) -> None:
        site.start("-c", "2", JOBKIT_LEASE="3", HOG="6")
        watcher = site.start("-q", "nothing", JOBKIT_LEASE="3")
        # Both supervisors, seen by their beats alone, have loaded their store as well: until then
        # a process beats for itself only, which it cannot while its job runs.
        until(lambda: len(site.store.maintain(limit=1).workers) == 4)
        [it] = [info.id for info in site.store.workers() if info.queues == ("default",)]
        site.enqueue("Hog", range(1))
        until(lambda: site.finished() == [0])
        assert site.started() == [0]
        assert f"{it} stopped beating" not in site.said()
        assert watcher.poll() is None
        until(lambda: site.store.stats().processed == 1)

    at_once(everywhere, runs_once)


def test_a_process_that_stands_still_is_dumped_and_killed_and_its_job_charged(site: Site) -> None:
    # Time for its stacks, and so much of a standstill as no busy machine brings about.
    first = "from jobkit.supervisor import child\nchild._DUMP_TAKES = 30.0"
    site.start("-c", "2", first=first, JOBKIT_STALL_TIMEOUT="4", HOG="40", **LONG)
    site.enqueue("Hold", range(1, 2))
    until(lambda: site.started() == [1])
    site.enqueue("Hog", range(1))
    until(lambda: site.started() == [0, 0, 1, 1] and site.store.stats().processed == 1)
    [job] = site.store.jobs(State.RUNNING).items
    assert "stood still for 4 s and was killed" in job.payload.fields["error_message"]
    assert "in perform" in site.said()
    site.go()
    until(lambda: site.finished() == [0, 1])


def test_the_processes_of_a_killed_supervisor_finish_their_jobs_and_leave(site: Site) -> None:
    site.enqueue("Hold", range(2))
    worker = site.start("-p", "2", "-c", "1", JOBKIT_LEASE="6")
    until(lambda: site.started() == [0, 1])
    pids = site.processes(worker)
    worker.kill()
    worker.wait()
    site.enqueue("Count", range(2, 3))
    until(lambda: all(info.quiet for info in site.store.workers()))
    site.go()
    until(lambda: not any(alive(pid) for pid in pids))
    assert site.finished() == [0, 1]
    stats = site.store.stats()
    assert (stats.processed, stats.enqueued, stats.running, stats.workers) == (2, 1, 0, 0)


def test_without_their_supervisor_they_give_back_what_does_not_end_uncharged(site: Site) -> None:
    site.enqueue("Hold", range(1))
    worker = site.start("--shutdown-timeout", "0.3")
    until(lambda: site.started() == [0])
    worker.kill()
    until(lambda: site.store.stats().workers == 0)
    [job] = site.store.jobs(State.ENQUEUED).items
    assert job.payload.deliveries == job.payload.executions == 0


def test_the_jobs_of_a_dead_machine_run_again_within_the_lease_and_two_beats(site: Site) -> None:
    lease = 6
    site.enqueue("Hold", range(1))
    doomed = site.start(JOBKIT_LEASE=str(lease))
    until(lambda: site.started() == [0])
    heir = site.start(JOBKIT_LEASE=str(lease))
    until(lambda: site.store.stats().workers == 2)
    beaten_at = site.time_of_a_beat(doomed)
    killed_at = time.monotonic()
    site.kill(doomed)
    with site.queued(heir) as queued:
        until(lambda: site.started() == [0, 0])
        started_at = time.monotonic()
    assert started_at - beaten_at >= lease
    took = started_at - killed_at - queued.seconds
    assert took < lease + 2 * lease / 6 + 4, took


def alive(pid: int) -> bool:
    """True for a process that runs; one that is dead but not reaped by anybody does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
