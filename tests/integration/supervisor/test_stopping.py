"""Signals to a supervisor and to its whole group: who leaves when, and what is left."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from jobkit.adapter import State
from tests.integration.supervisor.test_deaths import LONG
from tests.integration.worker.site import NO_HURRY, PATIENT, Site, until


def ended(worker: subprocess.Popen[bytes], seconds: float = 45) -> int:
    return worker.wait(seconds)


def test_idle_processes_leave_within_a_second(site: Site) -> None:
    worker = site.start("-p", "2")
    until(lambda: site.store.stats().workers == 2)
    assert site.time_to_leave(worker) < 1
    assert site.store.stats().workers == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_whole_group_is_one_stop(site: Site, number: signal.Signals) -> None:
    site.enqueue("Hold", range(2))
    worker = site.start("-p", "2", "-c", "1", JOBKIT_LEASE="6")
    until(lambda: site.started() == [0, 1])
    os.killpg(worker.pid, number)
    until(lambda: all(info.quiet for info in site.store.workers()))
    site.go()
    assert ended(worker) == 0
    assert site.finished() == [0, 1]
    assert site.store.stats().processed == 2


def test_only_the_main_thread_hears_signals_so_that_they_stay_in_order(site: Site) -> None:
    worker = site.start("--health", "127.0.0.1:0")
    until(lambda: site.store.stats().workers == 1)
    blocked = {path.name: _blocked(path) for path in Path(f"/proc/{worker.pid}/task").iterdir()}
    heard = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGTSTP}
    assert not blocked.pop(str(worker.pid)) & heard
    assert len(blocked) == 2
    assert all(those >= heard for those in blocked.values())


def _blocked(thread: Path) -> set[int]:
    """The signals that this thread does not take, by what the system tells of it."""
    [mask] = re.findall(r"SigBlk:\s*(\w+)", (thread / "status").read_text())
    return {number for number in range(1, 32) if int(mask, 16) >> (number - 1) & 1}


def test_handlers_that_the_application_set_do_not_end_its_processes(site: Site) -> None:
    site.add("\n    signal.signal(signal.SIGTERM, lambda *_: os._exit(3))\n")
    site.enqueue("Hold", range(1))
    worker = site.start()
    until(lambda: site.started() == [0])
    os.killpg(worker.pid, signal.SIGTERM)
    until(lambda: all(info.quiet for info in site.store.workers()))
    site.go()
    assert ended(worker) == 0
    assert site.finished() == [0]


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_term_a_second_later_or_an_int_does_not_wait(
    site: Site, second: signal.Signals
) -> None:
    site.enqueue("Hold", range(1))
    worker = site.start("--shutdown-timeout", "60")
    until(lambda: site.started() == [0])
    worker.terminate()
    until(lambda: site.store.workers()[0].quiet)
    if second == signal.SIGTERM:
        time.sleep(1.1)
    worker.send_signal(second)
    assert ended(worker) == 0, "sooner than after the 60 s that the job had"
    [job] = site.store.jobs(State.ENQUEUED).items
    assert job.payload.deliveries == 0


def test_a_stop_before_the_application_is_imported_ends_at_once(site: Site) -> None:
    site.add("\n    time.sleep(30)\n")
    worker = site.start("-p", "2")
    until((site.folder / "imported").exists)
    worker.terminate()
    assert ended(worker, 25) == 0, "sooner than after the import"


def test_what_outlasts_its_process_starts_elsewhere_only_when_that_is_gone(site: Site) -> None:
    # A handler that is slow to close has the process stay a while longer, its job running on.
    site.add(
        """
    import logging

    class Slow(logging.Handler):
        def close(self):
            time.sleep(1)
            super().close()

    SLOW = Slow()
    """
    )
    site.enqueue("Tick", range(1))
    first = site.start("-c", "1", "--shutdown-timeout", "0.5", **LONG)
    until(lambda: site.started() == [0])
    site.start("-c", "1", **LONG)
    until(lambda: site.store.stats().workers == 2)
    first.terminate()
    assert ended(first) == 0
    until(lambda: len(site.started()) == 2)
    [old, new] = [pid for _, pid in site.log("S")]
    until(lambda: (site.folder / f"ticks-{new}").exists() and ticks(site, new))
    assert max(ticks(site, old)) < min(ticks(site, new))
    [job] = site.store.jobs(State.RUNNING).items
    assert job.payload.deliveries == job.payload.executions == 0


def ticks(site: Site, pid: int) -> list[int]:
    return [int(line) for line in (site.folder / f"ticks-{pid}").read_text().splitlines()]


def test_a_process_that_cannot_hear_the_stop_is_killed_and_its_job_not_charged(site: Site) -> None:
    site.start("--shutdown-timeout", "0.2", HOG="40", **LONG)
    until(lambda: site.store.stats().workers == 1)
    site.enqueue("Hog", range(1))
    until(lambda: site.started() == [0])
    [worker] = site.workers
    assert site.time_to_leave(worker) < 10
    [job] = site.store.jobs(State.ENQUEUED).items
    assert job.payload.deliveries == 0


def test_tstp_quiets_all_and_term_then_ends_them(site: Site) -> None:
    site.enqueue("Hold", range(1))
    worker = site.start("-p", "2", JOBKIT_LEASE="6")
    until(lambda: site.started() == [0] and site.store.stats().workers == 2)
    os.killpg(worker.pid, signal.SIGTSTP)
    until(lambda: all(info.quiet for info in site.store.workers()))
    site.enqueue("Count", range(1, 2))
    worker.send_signal(signal.SIGHUP)  # would bring processes that are not quiet
    until(lambda: "HUP is ignored" in site.said())
    site.go()
    until(lambda: site.finished() == [0])
    worker.terminate()
    assert ended(worker) == 0
    assert site.store.stats().enqueued == 1


def test_an_order_to_one_process_leaves_the_other(site: Site) -> None:
    worker = site.start("-p", "2", JOBKIT_LEASE="6")
    until(lambda: site.store.stats().workers == 2)
    first, second = site.store.workers()
    site.store.order(first.id, "stop")
    until(lambda: [info.id for info in site.store.workers()] == [second.id])
    site.enqueue("Count", range(1))
    until(lambda: site.finished() == [0])
    site.store.order(second.id, "stop")
    assert ended(worker) == 0


def test_stacks_of_all_processes_are_written_on_request(site: Site) -> None:
    site.enqueue("Hold", range(2))
    worker = site.start("-p", "2", "-c", "1", **LONG)
    until(lambda: site.started() == [0, 1])
    worker.send_signal(signal.SIGUSR1)
    until(lambda: len(re.findall(r'app.py", line \d+ in perform', site.said())) == 2)
    assert set(map(int, re.findall(r"The threads of process (\d+):", site.said()))) == (
        site.processes(worker)
    )
    site.go()
    until(lambda: site.finished() == [0, 1])


def test_a_job_gets_no_signals_to_ignore_handed_down(site: Site) -> None:
    site.add(
        """
    import subprocess

    class Status(Job):
        def perform(self, number):
            with open("status", "w") as status:
                subprocess.run(["cat", "/proc/self/status"], stdout=status, check=True)
            note("F", number)
    """
    )
    site.enqueue("Status", range(1))
    site.start()
    until(lambda: site.finished() == [0])
    lines = (site.folder / "status").read_text().splitlines()
    fields = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    blocked, ignored = int(fields["SigBlk"], 16), int(fields["SigIgn"], 16)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGTSTP, signal.SIGUSR1):
        assert not (blocked | ignored) >> (number - 1) & 1, number


def test_a_storm_of_signals_to_the_group_under_load_loses_and_doubles_nothing(site: Site) -> None:
    jobs = 1_500
    site.add(NO_HURRY)
    site.enqueue("Count", range(jobs))
    worker = site.start("-p", "2", "-c", "3", first=PATIENT, **LONG)
    until(lambda: len(site.finished()) > 20)
    chance = random.Random(7)
    kinds = [signal.SIGHUP, signal.SIGUSR1, signal.SIGTTIN]
    for _ in range(10):
        send = os.killpg if chance.random() < 0.5 else os.kill
        send(worker.pid, chance.choice(kinds))
        time.sleep(0.05)
    for number in (signal.SIGTSTP, signal.SIGTERM, signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
        os.killpg(worker.pid, number)
    assert ended(worker) == 0
    done, waiting = site.finished(), site.store.jobs(State.ENQUEUED, limit=jobs).items
    assert len(done) == len(set(done))
    assert len(done) + site.store.stats().enqueued == jobs
    assert all(job.payload.deliveries == job.payload.executions == 0 for job in waiting)
    assert Counter(site.started()) == Counter(done)
    assert not any(Path(f"/proc/{pid}").exists() for _, pid in site.log("S"))
