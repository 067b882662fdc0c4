"""New processes for old ones: rolled, recycled, restarted, and given up."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from tests.integration.supervisor.test_deaths import LONG
from tests.integration.worker.site import Site, until
from tests.soak import SOAK

ROUNDS = 10 if SOAK else 4
"""Times that five processes are killed at once."""


@pytest.mark.timeout(240)  # eight interpreters one after the other
def test_rolling_under_load_loses_nothing_doubles_nothing_and_charges_nothing(site: Site) -> None:
    worker = site.start("-p", "2", "-c", "3", **LONG)
    until(lambda: site.store.stats().workers == 2)
    first = site.processes(worker)
    sent = 0
    for _ in range(3):
        before = site.processes(worker)
        worker.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 60
        while before & site.processes(worker):
            assert time.monotonic() < deadline
            if site.store.stats().enqueued < 100:  # more than they can do would only delay it
                site.enqueue("Count", range(sent, sent + 20))
                sent += 20
            time.sleep(0.02)
    until(lambda: site.store.stats().processed == sent)
    assert Counter(site.finished()) == Counter(site.started()) == Counter(range(sent))
    assert not first & site.processes(worker)
    assert "recovered" not in site.said()
    worker.terminate()
    assert worker.wait(45) == 0


def test_a_rolled_process_runs_freshly_loaded_code_and_comes_before_the_old_one_drains(
    site: Site,
) -> None:
    site.enqueue("Hold", range(1))
    worker = site.start(JOBKIT_LEASE="6")
    until(lambda: site.started() == [0])
    site.add("\n    class Fresh(Count): ...\n")
    worker.send_signal(signal.SIGHUP)
    until(lambda: len(site.processes(worker)) == 2)
    until(lambda: [info.quiet for info in site.store.workers()] == [True, False])
    site.enqueue("Fresh", range(1, 2))
    until(lambda: site.finished() == [1])
    site.go()
    until(lambda: len(site.processes(worker)) == 1)
    assert sorted(site.finished()) == [0, 1]


def test_code_that_cannot_be_loaded_leaves_the_old_processes_at_work(site: Site) -> None:
    worker = site.start("-p", "2", **LONG)
    until(lambda: site.store.stats().workers == 2)
    before = site.processes(worker)
    site.add("\n    1 / 0\n")
    worker.send_signal(signal.SIGHUP)
    until(lambda: "did not come up" in site.said())
    site.enqueue("Count", range(1))
    until(lambda: site.finished() == [0])
    assert site.processes(worker) == before
    assert "ZeroDivisionError: division by zero" in site.said()


def test_a_process_is_replaced_after_its_number_of_jobs(site: Site) -> None:
    site.enqueue("Count", range(25))
    site.start("-c", "2", "--max-jobs", "10", **LONG)
    until(lambda: site.store.stats().processed == 25)
    by_process = Counter(pid for _, pid in site.log("S"))
    assert len(by_process) >= 3
    assert max(by_process.values()) <= 10
    assert Counter(site.started()) == Counter(range(25))


def test_a_process_that_has_grown_too_large_is_replaced_when_nothing_runs(site: Site) -> None:
    site.enqueue("Hold", range(1, 2))
    site.start("-c", "2", "--max-memory", "120", **LONG)
    until(lambda: site.started() == [1])
    site.enqueue("Grow", range(1))
    until(lambda: "has more than 120 MB" in site.said())
    site.enqueue("Count", range(2, 3))
    [(_, old)] = [(number, pid) for number, pid in site.log("S") if number == 1]
    site.go()
    until(lambda: site.finished() == [0, 1, 2])
    assert {pid for number, pid in site.log("F") if number < 2} == {old}
    [new] = [pid for number, pid in site.log("F") if number == 2]
    assert new != old
    assert site.store.stats().failed == 0


def test_the_application_may_configure_how_many_processes_there_are(site: Site) -> None:
    site.add("\n    import jobkit\n    jobkit.configure(processes=3)\n")
    worker = site.start()
    until(lambda: site.store.stats().workers == 3)
    assert len(site.processes(worker)) == 3


@pytest.mark.timeout(240)  # five interpreters one after the other
def test_five_that_die_before_they_are_ready_end_it_with_70(site: Site) -> None:
    site.add("\n    os._exit(9)\n")
    worker = site.start(**LONG)
    assert worker.wait(200) == 70
    assert len((site.folder / "imported").read_text().split()) == 5
    assert "5 worker processes in a row died before they were ready" in site.said()


@pytest.mark.timeout(240)  # ten interpreters
def test_code_that_breaks_while_it_runs_ends_it_with_70_too(site: Site) -> None:
    worker = site.start("-p", "5", **LONG)
    until(lambda: site.store.stats().workers == 5)
    site.add("\n    1 / 0\n")
    for pid in site.processes(worker):
        os.kill(pid, signal.SIGKILL)
    assert worker.wait(180) == 70


def test_an_import_that_fails_at_first_ends_it_with_1_and_one_line(site: Site) -> None:
    site.add("\n    1 / 0\n")
    worker = site.start("-p", "3")
    assert worker.wait(45) == 1
    [line] = site.said().splitlines()
    assert line.startswith("Error: the import of 'app' failed at ")


def test_a_burst_is_over_when_all_its_processes_are(site: Site) -> None:
    site.enqueue("Count", range(200))
    worker = site.start("-p", "2", "--burst", **LONG)
    assert worker.wait(45) == 0
    assert Counter(site.finished()) == Counter(range(200))
    assert site.store.stats().workers == 0


@pytest.mark.timeout(240)  # many interpreters, on a machine that may be busy
def test_restarts_leave_no_descriptor_thread_or_process_behind(site: Site) -> None:
    worker = site.start("-p", "5", "-c", "1", **LONG)
    until(lambda: site.store.stats().workers == 5, 60)
    restart_all(site, worker)  # from here on it has met its store
    before = used(worker)
    for _ in range(ROUNDS - 1):
        restart_all(site, worker)
    until(lambda: used(worker) == before)
    assert site.store.stats().workers == 5
    worker.terminate()
    assert worker.wait(45) == 0


def restart_all(site: Site, worker: subprocess.Popen[bytes]) -> None:
    pids = site.processes(worker)
    assert len(pids) == 5
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    until(lambda: fresh(site, pids), 60)


def used(worker: subprocess.Popen[bytes]) -> tuple[int, int]:
    """The descriptors and threads of the supervisor, when it has nothing to do."""
    until(lambda: settled(worker))
    process = Path(f"/proc/{worker.pid}")
    return len(descriptors(worker)), len(list((process / "task").iterdir()))


def settled(worker: subprocess.Popen[bytes]) -> bool:
    """True when the number of descriptors does not change: no look or beat is under way."""
    counts = set()
    for _ in range(5):
        counts.add(len(descriptors(worker)))
        time.sleep(0.01)
    return len(counts) == 1


def descriptors(worker: subprocess.Popen[bytes]) -> list[str]:
    """What its descriptors lead to, but for that of a look: each has its own."""
    found: list[str] = []
    for each in Path(f"/proc/{worker.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed just now
            found.append(os.readlink(each))  # noqa: PTH115 - what it leads to is no path
    return [each for each in found if each != "anon_inode:[eventpoll]"]


def fresh(site: Site, old: set[int]) -> bool:
    """True when five processes have joined that are not the old ones."""
    listed = {info.pid for info in site.store.workers()}
    return len(listed) == 5 and not listed & old
