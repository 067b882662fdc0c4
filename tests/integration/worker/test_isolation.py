"""Classes with `isolation="process"`: each run in a process of its own."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from jobkit.adapter import State
from jobkit.capabilities import Move
from tests.integration.worker.site import Site, until
from tests.soak import SOAK

ISOLATED = """

    import asyncio
    import ctypes
    import signal
    import subprocess
    import sys

    import jobkit
    from jobkit import BuryJob, JobCrashed, JobTimeout, around_perform, retry_on


    class Apart(Job, isolation="process"):
        def perform(self, number):
            note("S", number)
            print(f"job {number} says so", flush=True)
            note("F", number)


    class Coroutine(Job, isolation="process"):
        @around_perform
        def around(self):
            note("before", self.args[0])
            yield
            note("after", self.args[0])

        async def perform(self, number):
            note("S", number)
            await asyncio.sleep(0.01)
            Count.perform_later(number + 1)
            note("F", number)


    @jobkit.job(isolation="process", name="app.plain")
    def plain(number):
        note("S", number)
        note("F", number)


    class Ends(Job, isolation="process", retry_in=lambda executions, error: 600):
        ways = {
            0: lambda: os._exit(0),
            1: lambda: os._exit(7),
            2: lambda: os.kill(os.getpid(), signal.SIGSEGV),
            3: lambda: sys.exit(3),
            4: lambda: ctypes.string_at(0),
        }

        def perform(self, number):
            note("S", number)
            self.ways[number]()


    @retry_on(JobCrashed, attempts=1, on_exhausted=lambda job, error: note(error.signal, 0))
    class Answered(Job, isolation="process"):
        def perform(self, number):
            os.abort()


    class Bury(Job, isolation="process"):
        def perform(self, number):
            raise BuryJob("enough")


    class Stuck(Job, isolation="process", timeout=0.5):
        def perform(self, number):
            sleeper = subprocess.Popen(["sleep", "60"])
            note("S", sleeper.pid)
            ctypes.PyDLL(None).sleep(60)  # holds the GIL


    class Glutton(Job, isolation="process", max_memory=200):
        def perform(self, number):
            note("S", number)
            kept = []
            while True:
                if len(kept) < 50:  # no more than its watcher has to see
                    kept.append(bytearray(os.urandom(1 << 20) * 10))
                time.sleep(0.01)


    class Completes(Job, isolation="process"):
        def perform(self, number):
            import sqlalchemy

            engine = sqlalchemy.create_engine(os.environ["STORE"])
            with engine.begin() as connection, self.complete_in(connection):
                connection.exec_driver_sql("create table if not exists done (number int)")
                connection.exec_driver_sql(f"insert into done values ({number})")
            if number:
                os._exit(1)


    class Steps(Job, isolation="process", retry_in=lambda executions, error: 0.01):
        def perform(self, number):
            self.step("first", lambda: note("first", number))
            if not os.path.exists("failed"):
                open("failed", "w").close()
                raise RuntimeError
            self.step("second", lambda: note("second", number))


    class Watches(Job, isolation="process"):
        def perform(self, number):
            note("S", number)
            while not self.cancelled:
                time.sleep(0.01)
            note("F", number)


    class Walks(Job, isolation="process"):
        def perform(self, number):
            self.step("first", lambda: None)
            note("S", number)
            self.step("walk", self.walk)
            note("F", number)

        def walk(self, step):
            nth = 0
            while not GO.exists():
                step.advance(nth := nth + 1)
                time.sleep(0.01)


    class PoliteApart(Polite, isolation="process"):
        pass


    class HoldApart(Hold, isolation="process"):
        pass


    jobkit.middleware.on_error(lambda job, error: note("error", job.args[0]))
"""


@pytest.fixture
def apart(sqlite_site: Site) -> Site:
    sqlite_site.add(ISOLATED)
    return sqlite_site


def notes(site: Site) -> list[tuple[str, int]]:
    """What was written down, in its order, without the processes."""
    path = site.folder / "log"
    lines = path.read_text().splitlines() if path.exists() else []
    return [(line.split()[0], int(line.split()[1])) for line in lines]


def failures(site: Site, state: State) -> dict[str, str]:
    """The errors of the jobs in that state, by the job's id."""
    jobs = [job.payload for job in site.store.jobs(state).items]
    return {job.id: f"{job.fields['error_class']}: {job.fields['error_message']}" for job in jobs}


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


def test_each_run_has_a_process_of_its_own(site: Site) -> None:
    site.add(ISOLATED)
    site.enqueue("Apart", range(3))
    worker = site.start()
    until(lambda: site.finished() == [0, 1, 2])
    until(lambda: site.store.stats().processed == 3)
    assert len({pid for _, pid in site.log("S")} | site.processes(worker)) == 4
    assert site.store.stats().failed == 0


def test_coroutines_functions_and_callbacks_run_there_too(apart: Site) -> None:
    apart.enqueue("Coroutine", range(1))
    worker = apart.start("-c", "1")
    until(lambda: apart.finished() == [0, 1])
    assert [what for what, _ in notes(apart)][:4] == ["before", "S", "F", "after"]
    apart.enqueue("plain", range(5, 6))
    until(lambda: apart.finished() == [0, 1, 5])
    assert {pid for number, pid in apart.log("F") if number == 5}.isdisjoint(
        apart.processes(worker)
    )


def test_a_process_that_dies_is_a_failure_of_its_job_and_of_nothing_else(apart: Site) -> None:
    apart.enqueue("Hold", range(10, 11))
    worker = apart.start("-c", "3")
    until(lambda: 10 in apart.started())
    [process] = apart.processes(worker)
    apart.enqueue("Ends", range(5))
    until(lambda: apart.store.stats().retry == 5)
    crashed = "jobkit.errors.JobCrashed: its process"
    assert failures(apart, State.RETRY) == {
        "app.Ends-0": f"{crashed} exited with code 0 before it had ended",
        "app.Ends-1": f"{crashed} exited with code 7 before it had ended",
        "app.Ends-2": f"{crashed} was killed by SIGSEGV",
        "app.Ends-3": "SystemExit: 3",
        "app.Ends-4": f"{crashed} was killed by SIGSEGV",
    }
    assert sorted(number for what, number in notes(apart) if what == "error") == [0, 1, 2, 3, 4]
    for job in apart.store.jobs(State.RETRY).items:
        assert (job.payload.executions, job.payload.deliveries) == (1, 0)
    apart.go()
    until(lambda: apart.finished() == [10])
    assert apart.processes(worker) == {process}


def test_rules_and_control_errors_count_wherever_the_run_ended(apart: Site) -> None:
    apart.enqueue("Answered", range(1))
    apart.enqueue("Bury", range(1))
    apart.start()
    until(lambda: apart.store.stats().processed == 2)
    assert failures(apart, State.DEAD) == {"app.Bury-0": "jobkit.errors.BuryJob: enough"}
    assert ("SIGABRT", 0) in notes(apart)


def test_a_job_may_complete_itself_in_a_transaction_and_die_behind_it(apart: Site) -> None:
    apart.enqueue("Completes", range(2))
    worker = apart.start("--burst", STORE=apart.url)
    assert worker.wait(45) == 0
    stats = apart.store.stats()
    assert (stats.processed, stats.retry, stats.enqueued, stats.dead) == (2, 0, 0, 0)
    with closing(sqlite3.connect(apart.folder / "jobs.db")) as database:
        assert sorted(database.execute("select number from done")) == [(0,), (1,)]


def test_what_steps_have_done_comes_back_from_the_process(apart: Site) -> None:
    apart.enqueue("Steps", range(1))
    apart.start("-c", "1")
    until(lambda: apart.store.stats().processed > 0)
    waiting = [
        job for state in (State.RETRY, State.SCHEDULED) for job in apart.store.jobs(state).items
    ]
    apart.store.move([Move(job, job.payload, State.ENQUEUED) for job in waiting])
    until(lambda: ("second", 0) in notes(apart))
    assert [what for what, _ in notes(apart) if what != "error"] == ["first", "second"]


def test_a_job_that_holds_the_gil_is_killed_at_its_limit_with_what_it_started(apart: Site) -> None:
    apart.enqueue("Stuck", range(1))
    worker = apart.start()
    until(lambda: bool(apart.log("S")))
    [(sleeper, inner)] = apart.log("S")
    began = time.monotonic()
    with apart.queued(worker) as queued:
        until(lambda: apart.store.stats().retry == 1)
        took = time.monotonic() - began
    assert took - queued.seconds < 5
    assert failures(apart, State.RETRY) == {
        "app.Stuck-0": "jobkit.errors.JobTimeout: the job ran longer than its limit of 0.5 s"
    }
    until(lambda: not is_alive(inner) and not is_alive(sleeper))
    assert len(apart.processes(worker)) == 1


def test_a_job_that_takes_too_much_memory_is_killed(apart: Site) -> None:
    apart.enqueue("Glutton", range(1))
    apart.start()
    until(lambda: apart.store.stats().retry == 1)
    [failure] = failures(apart, State.RETRY).values()
    assert failure.startswith("MemoryError: the job took ")
    assert failure.endswith(" MB of memory, its limit is 200 MB")


def test_a_stop_reaches_the_job_and_it_goes_back_uncharged(apart: Site) -> None:
    apart.enqueue("PoliteApart", range(1))
    worker = apart.start()
    until(lambda: apart.started() == [0])
    worker.terminate()
    assert worker.wait(45) == 0
    [job] = apart.store.jobs(State.ENQUEUED).items
    assert (job.payload.executions, job.payload.deliveries) == (0, 0)


def test_a_job_that_is_cancelled_hears_of_it_in_its_process(apart: Site) -> None:
    apart.enqueue("Watches", range(1))
    apart.start()
    until(lambda: apart.started() == [0])
    assert apart.store.cancel(apart.store.jobs(State.RUNNING).items) == 1
    until(lambda: apart.finished() == [0])
    until(lambda: apart.store.stats().running == 0)


def test_how_far_it_has_come_is_stored_while_it_runs_and_outlives_its_process(apart: Site) -> None:
    apart.enqueue("Walks", range(1))
    worker = apart.start()
    until(lambda: apart.started() == [0])
    # The end of a step at once; the cursor, at full size, when it is some seconds old.
    until(lambda: steps(apart, State.RUNNING).get("cursor" if SOAK else "done"))
    [(_, inner)] = apart.log("S")
    os.kill(inner, 9)
    until(lambda: apart.store.stats().running == 0)
    [state] = [
        state
        for state in (State.RETRY, State.SCHEDULED, State.ENQUEUED)
        if apart.store.jobs(state).items
    ]
    assert steps(apart, state)["done"] == ["first"]
    assert not SOAK or steps(apart, state)["cursor"] > 1
    assert len(apart.processes(worker)) == 1


def steps(site: Site, state: State) -> Any:
    """What is stored of the steps of the one job in that state."""
    jobs = site.store.jobs(state).items
    return jobs[0].payload.fields.get("steps", {}) if jobs else {}


def test_what_it_prints_goes_where_the_workers_output_goes(apart: Site) -> None:
    apart.enqueue("Apart", range(2))
    words = ["-m", "jobkit", "worker", "-A", "app", "--url", apart.url, "--burst"]
    done = subprocess.run(
        [sys.executable, *words], cwd=apart.folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == ["job 0 says so", "job 1 says so"]


EMBEDS = """
    import os, time
    import app, jobkit

    with jobkit.run_worker(concurrency=2):
        app.Apart.perform_later(5)
        while not os.path.exists("log") or "F 5" not in open("log").read():
            time.sleep(0.01)
    print("the program", os.getpid())
"""


def test_an_embedded_worker_has_processes_for_them_too(apart: Site) -> None:
    done = subprocess.run(
        [sys.executable, "-c", dedent(EMBEDS)],
        cwd=apart.folder,
        env={**os.environ, "JOBKIT_URL": apart.url},
        capture_output=True,
        text=True,
        check=False,
        timeout=150,
    )
    assert done.returncode == 0, done.stderr
    said, program = done.stdout.splitlines()
    assert said == "job 5 says so"
    [(_, inner)] = apart.log("F")
    assert program != f"the program {inner}"
    assert apart.store.stats().processed == 1


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_nothing_of_a_job_outlives_its_worker(apart: Site, how: str) -> None:
    apart.enqueue("HoldApart", range(1))
    worker = apart.start("--shutdown-timeout", "0.2")
    until(lambda: apart.started() == [0])
    [(_, inner)] = apart.log("S")
    if how == "stopped":
        worker.terminate()
        assert worker.wait(45) == 0
        [job] = apart.store.jobs(State.ENQUEUED).items
        assert (job.payload.executions, job.payload.deliveries) == (0, 0)
        assert not is_alive(inner)
    else:
        [process] = apart.processes(worker)
        os.kill(process, 9)
        until(lambda: not is_alive(inner))
        until(lambda: apart.started() == [0, 0])


def test_a_run_whose_job_others_have_by_now_is_killed_and_counts_no_more(site: Site) -> None:
    site.add(ISOLATED)
    site.enqueue("HoldApart", range(1))
    worker = site.start()
    until(lambda: site.started() == [0])
    [(_, inner)] = site.log("S")
    [info] = site.store.workers()
    # As another worker does that has seen no beat of it for a lease.
    site.store.beat("rescuer", lease=60, claims=[], register=True)
    [claim] = site.store.recover(info.id, to="rescuer")
    until(lambda: not is_alive(inner))
    until(lambda: "outcomes came too late" in site.said())
    assert site.store.held("rescuer") == [claim]
    assert claim.payload.deliveries == 0
    # Its worker is there again, as somebody new, with all its threads.
    site.enqueue("Apart", range(1, 2))
    until(lambda: site.finished() == [1])
    assert site.processes(worker) == {info.pid}
