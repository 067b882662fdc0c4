"""Jobs that outlast their time limit, in real worker processes under a supervisor."""

from __future__ import annotations

import time
from collections import Counter

from jobkit.adapter import State
from jobkit.errors import AdapterError
from tests.integration.worker.site import Site, at_once, until

WITHIN = 12.0
"""Seconds behind the limit in which the failure of a job that does not heed it is recorded."""

SLOW = """

    import ctypes


    class Stuck(Job, timeout=1, retry_in=lambda executions, error: 60):
        \"\"\"Sits in C code, where no exception can reach it.\"\"\"

        def perform(self, number):
            note("S", number)
            time.sleep(60)
            note("F", number)


    class Seized(Job, timeout=1, retry_in=lambda executions, error: 60):
        \"\"\"Sits in C code that holds the GIL: nothing else in its process turns.\"\"\"

        def perform(self, number):
            Path("seized").write_text(str(time.monotonic()))
            note("S", number)
            ctypes.PyDLL(None).sleep(60)
            note("F", number)


    class Last(Job):
        \"\"\"Ends when it is told that its process is about to leave.\"\"\"

        def perform(self, number):
            note("S", number)
            while not self.stopping:
                time.sleep(0.01)
            note("F", number)


    class Spin(Job, timeout=0.3, retry_in=lambda executions, error: 600):
        def perform(self, number):
            note("S", number)
            try:
                while True:
                    time.sleep(0.005)
            finally:
                note("F", number)
"""


def test_a_job_that_outlasts_its_limit_fails_and_its_process_goes_on(site: Site) -> None:
    site.add(SLOW)
    site.enqueue("Spin", range(5))
    worker = site.start("-c", "2")
    until(lambda: site.store.stats().retry == 5)
    site.enqueue("Count", range(5, 6))
    until(lambda: site.finished() == list(range(6)))
    assert len({pid for _, pid in site.log("S")} | site.processes(worker)) == 1


def test_a_job_stuck_in_c_code_fails_in_time_and_its_process_goes_without_harm_to_the_others(
    everywhere: list[Site],
) -> None:
    at_once(everywhere, a_stuck_job_fails_in_time)


def a_stuck_job_fails_in_time(site: Site) -> None:
    site.add(SLOW)
    site.enqueue("Stuck", range(1))
    site.enqueue("Hold", range(1, 2))
    site.enqueue("Last", range(2, 3))
    worker = site.start("-c", "4", "--shutdown-timeout", "4", JOBKIT_LEASE="60")
    until(lambda: site.started() == [0, 1, 2])
    [old] = site.processes(worker)
    began = time.monotonic()
    with site.queued(worker) as queued:
        until(lambda: site.store.stats().retry == 1)
        took = time.monotonic() - began
    assert took - queued.seconds < 1 + WITHIN
    recorded = time.monotonic()
    with site.queued(worker) as queued:
        until(lambda: old not in site.processes(worker))
        took = time.monotonic() - recorded
    assert took - queued.seconds < 4 + 1
    [failed] = site.store.jobs(State.RETRY).items
    assert failed.payload.fields["error_class"] == "jobkit.errors.JobTimeout"
    assert (failed.payload.executions, failed.payload.deliveries) == (1, 0)
    assert (failed.payload.scheduled_at or 0) >= failed.payload.fields["failed_at"] + 4
    assert "does not end at its time limit" in site.said()
    # The neighbours: one ended in time, the other goes on elsewhere and is charged nothing.
    until(lambda: site.started() == [0, 1, 1, 2])
    assert site.finished() == [2]
    site.go()
    until(lambda: site.finished() == [1, 2])
    until(lambda: site.store.stats().processed == 3)
    assert "recovered" not in site.said()


def test_a_job_that_holds_the_gil_fails_in_time_too_and_its_neighbours_go_back_uncharged(
    everywhere: list[Site],
) -> None:
    at_once(everywhere, a_job_that_holds_the_gil_fails_in_time)


def a_job_that_holds_the_gil_fails_in_time(site: Site) -> None:
    site.add(SLOW)
    site.enqueue("Hold", range(3))
    # Time for its stacks.
    first = "from jobkit.supervisor import child; child._DUMP_TAKES = 30.0"
    options = ("-c", "4", "--shutdown-timeout", "3")
    worker = site.start(*options, first=first, JOBKIT_LEASE="60")
    until(lambda: site.started() == [0, 1, 2])
    [old] = site.processes(worker)
    with site.queued(worker) as queued:
        site.enqueue("Seized", range(9, 10))
        until(lambda: 9 in site.started())
        began = float((site.folder / "seized").read_text())
        until(lambda: old not in site.processes(worker))
        # What the supervisor knows is recorded at once, and judged when the next process is there.
        until(lambda: "jobkit.errors.JobTimeout" in errors(site))
        took = time.monotonic() - began
    assert took > 1 + 10
    assert took - queued.seconds < 1 + WITHIN
    until(lambda: site.store.stats().retry == 1)
    [failed] = site.store.jobs(State.RETRY).items
    assert failed.payload.fields["error_message"] == "the job ran longer than its limit of 1 s"
    assert (failed.payload.executions, failed.payload.deliveries) == (1, 0)
    assert "overrun" not in failed.payload.fields
    assert (failed.payload.scheduled_at or 0) > time.time() + 40
    until(lambda: Counter(site.started()) == {0: 2, 1: 2, 2: 2, 9: 1})
    assert [job.payload.deliveries for job in site.store.jobs(State.RUNNING).items] == [0, 0, 0]
    assert "Fatal Python error: Aborted" in site.said()
    assert "in perform" in site.said()
    site.go()
    until(lambda: site.store.stats().processed == 4)


def errors(site: Site) -> list[object]:
    """The error classes of all jobs."""
    try:
        jobs = [job.payload for state in State for job in site.store.jobs(state).items]
        return [payload.fields.get("error_class") for payload in jobs]
    except AdapterError:  # a job moved on meanwhile
        return []
