"""Jobs that outlast their time limit, in real worker processes under a supervisor."""

from __future__ import annotations

import time

from jobkit.adapter import State
from tests.integration.worker.site import Site, until

SLOW = """

    class Stuck(Job, timeout=1):
        \"\"\"Sits in C code, where no exception can reach it.\"\"\"

        def perform(self, number):
            note("S", number)
            time.sleep(60)
            note("F", number)


    class Nap(Job):
        def perform(self, number):
            note("S", number)
            time.sleep(11.5)
            note("F", number)


    class Spin(Job, timeout=0.3):
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
    site: Site,
) -> None:
    site.add(SLOW)
    site.enqueue("Stuck", range(1))
    site.enqueue("Hold", range(1, 2))
    site.enqueue("Nap", range(2, 3))
    worker = site.start("-c", "4", "--shutdown-timeout", "3")
    until(lambda: site.started() == [0, 1, 2])
    [old] = site.processes(worker)
    began = time.monotonic()
    until(lambda: site.store.stats().retry == 1)
    recorded = time.monotonic()
    assert recorded - began < 1 + 12
    until(lambda: old not in site.processes(worker))
    assert time.monotonic() - recorded < 3 + 1
    [failed] = site.store.jobs(State.RETRY).items
    assert failed.payload.fields["error_class"] == "jobkit.errors.JobTimeout"
    assert (failed.payload.executions, failed.payload.deliveries) == (1, 0)
    assert (failed.payload.scheduled_at or 0) >= failed.payload.fields["failed_at"] + 3
    assert "does not end at its time limit" in site.said()
    # The neighbours: one ended in time, the other goes on elsewhere and is charged nothing.
    until(lambda: site.started() == [0, 1, 1, 2])
    assert site.finished() == [2]
    site.go()
    until(lambda: site.finished() == [1, 2])
    until(lambda: site.store.stats().processed == 3)
    assert "recovered" not in site.said()
