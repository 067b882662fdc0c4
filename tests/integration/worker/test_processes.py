"""Worker processes on one store: who runs what, who dies, who leaves, and what is left."""

from __future__ import annotations

import gc
import signal
import subprocess
import time
from collections import Counter
from functools import partial

import pytest

from jobkit.adapter import State
from jobkit.cli.collecting import collect_as_usual, collect_rarely
from tests.integration.worker.site import NO_HURRY, PATIENT, Site, until


def ended(worker: subprocess.Popen[bytes], seconds: float = 45) -> int:
    return worker.wait(seconds)


@pytest.mark.timeout(240)  # thousands of jobs
def test_two_processes_share_thousands_of_jobs_and_each_runs_exactly_once(site: Site) -> None:
    # Neither ends its first job before the other has begun one, however quick it is.
    site.add(
        """
    class Meet(Count):
        def perform(self, number):
            while not Path("met").exists():
                Path(f"here-{os.getpid()}").touch()
                if len(list(Path().glob("here-*"))) == 2:
                    Path("met").touch()
                time.sleep(0.01)
            super().perform(number)
    """
    )
    number = 5_000
    site.enqueue("Meet", range(number))
    workers = [site.start("--burst", JOBKIT_LEASE="60") for _ in range(2)]
    assert [ended(worker, 180) for worker in workers] == [0, 0]
    assert site.finished() == list(range(number))
    assert len({pid for _, pid in site.log("F")}) == 2, "one worker did it all"
    stats = site.store.stats()
    assert (stats.processed, stats.failed, stats.enqueued, stats.workers) == (number, 0, 0, 0)


@pytest.mark.behaviour("F1")
def test_a_killed_workers_job_runs_again_elsewhere_and_the_others_are_untouched(
    site: Site,
) -> None:
    site.enqueue("Hold", range(2))
    doomed = site.start("-c", "2")
    until(lambda: site.started() == [0, 1])
    bystander = site.start("-c", "2")
    until(lambda: site.store.stats().workers == 2)
    site.enqueue("Hold", range(2, 3))
    until(lambda: site.started() == [0, 1, 2])
    beaten_at = site.time_of_a_beat(doomed)
    site.kill(doomed)
    site.go()
    until(lambda: site.finished() == [0, 1, 2])
    took = time.monotonic() - beaten_at
    assert took >= 2, "recovered before the lease of 2 s can have run out"
    assert Counter(number for number, _ in site.log("S")) == {0: 2, 1: 2, 2: 1}
    assert {pid for _, pid in site.log("F")} == site.processes(bystander)
    until(lambda: site.store.stats().processed == 3)


def test_a_recovered_job_is_charged_with_a_delivery_and_not_with_an_execution(site: Site) -> None:
    site.enqueue("Hold", range(1))
    site.start().send_signal(0)
    until(lambda: site.started() == [0])
    site.kill(site.workers[0])
    site.start()
    until(lambda: site.started() == [0, 0])
    [job] = site.store.jobs(State.RUNNING).items
    assert (job.payload.deliveries, job.payload.executions) == (1, 0)
    assert "stopped beating" in job.payload.fields["error_message"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_lets_running_jobs_finish_and_takes_no_more(
    site: Site, number: signal.Signals
) -> None:
    site.enqueue("Hold", range(5))
    worker = site.start("-c", "2")
    until(lambda: site.started() == [0, 1])
    worker.send_signal(number)
    until(lambda: site.store.stats().enqueued == 3)
    until(lambda: [each.quiet for each in site.store.workers()] == [True])
    site.go()
    assert ended(worker) == 0
    assert site.finished() == [0, 1]
    stats = site.store.stats()
    assert (stats.processed, stats.enqueued, stats.running, stats.workers) == (2, 3, 0, 0)


def test_an_idle_worker_leaves_within_a_second_of_a_stop(site: Site) -> None:
    worker = site.start()
    until(lambda: site.store.stats().workers == 1)
    assert site.time_to_leave(worker) < 1


@pytest.mark.behaviour("C18", "E9")
def test_jobs_that_outlast_the_shutdown_timeout_go_back_to_the_head_uncharged(site: Site) -> None:
    site.enqueue("Hold", range(3))
    worker = site.start("-c", "1", "--shutdown-timeout", "0.3")
    until(lambda: site.started() == [0])
    worker.terminate()
    assert ended(worker) == 0
    waiting = site.store.jobs(State.ENQUEUED).items
    assert [job.payload.args for job in waiting] == [[0], [1], [2]]
    assert waiting[0].payload.executions == waiting[0].payload.deliveries == 0


def test_a_second_interrupt_does_not_wait(site: Site) -> None:
    site.enqueue("Hold", range(1))
    worker = site.start("--shutdown-timeout", "60")
    until(lambda: site.started() == [0])
    worker.send_signal(signal.SIGINT)
    until(lambda: site.store.workers()[0].quiet or worker.poll() is not None)
    worker.send_signal(signal.SIGINT)
    assert ended(worker) == 0, "sooner than after the 60 s that the job had"
    assert site.store.stats().enqueued == 1


def test_a_second_term_in_the_same_second_is_the_same_term(site: Site) -> None:
    site.enqueue("Hold", range(1))
    # A second that is long enough for both to be heard in it.
    worker = site.start(first="from jobkit.supervisor import rules; rules._SECOND_TERM_AFTER = 60")
    until(lambda: site.started() == [0])
    worker.terminate()
    worker.terminate()
    time.sleep(0.3)  # a worker in a hurry would be gone by now
    assert worker.poll() is None
    site.go()
    assert ended(worker) == 0
    assert site.finished() == [0]


def test_a_job_that_interrupts_itself_goes_back_uncharged(site: Site) -> None:
    site.enqueue("Polite", range(1))
    worker = site.start()
    until(lambda: site.started() == [0])
    worker.terminate()
    assert ended(worker) == 0
    [job] = site.store.jobs(State.ENQUEUED).items
    assert (job.payload.executions, site.store.stats().processed) == (0, 0)


def test_tstp_quiets_for_good(site: Site) -> None:
    worker = site.start()
    until(lambda: site.store.stats().workers == 1)
    worker.send_signal(signal.SIGTSTP)
    until(lambda: site.store.workers()[0].quiet)
    site.enqueue("Count", range(1))
    time.sleep(0.5)  # a worker that still claims takes milliseconds
    assert site.started() == []
    worker.terminate()
    assert ended(worker) == 0


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTTIN])
def test_a_dump_of_all_stacks_goes_to_stderr_and_the_worker_goes_on(
    site: Site, number: signal.Signals
) -> None:
    site.enqueue("Hold", range(1))
    worker = site.start()
    until(lambda: site.started() == [0])
    worker.send_signal(number)
    until(lambda: "in perform" in site.said())
    site.go()
    until(lambda: site.finished() == [0])
    worker.terminate()
    assert ended(worker) == 0


def test_a_storm_of_signals_loses_nothing(site: Site) -> None:
    site.add(NO_HURRY)
    site.enqueue("Count", range(300))
    worker = site.start(first=PATIENT)
    until(lambda: len(site.finished()) > 5)
    for number in (signal.SIGTSTP, signal.SIGTERM, signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
        worker.send_signal(number)
    assert ended(worker) == 0
    stats = site.store.stats()
    done = len(site.finished())
    assert len(set(site.finished())) == done
    assert (stats.processed, stats.enqueued, stats.running) == (done, 300 - done, 0)


def test_a_second_signal_lets_what_is_at_its_end_be_counted(sqlite_site: Site) -> None:
    sqlite_site.add(
        """
    class Ending(Job):
        def perform(self, number):
            note("F", number)
            time.sleep(0.1)
    """
    )
    sqlite_site.add(NO_HURRY)
    sqlite_site.enqueue("Ending", range(300))
    worker = sqlite_site.start(first=PATIENT)
    until(lambda: len(sqlite_site.finished()) > 5)
    worker.send_signal(signal.SIGTERM)
    worker.send_signal(signal.SIGINT)
    assert ended(worker) == 0
    stats, done = sqlite_site.store.stats(), sqlite_site.finished()
    assert (stats.processed, stats.enqueued, stats.running) == (len(done), 300 - len(done), 0)


def test_a_second_signal_does_not_wait_for_a_job_that_goes_on(sqlite_site: Site) -> None:
    sqlite_site.enqueue("Hold", range(1))
    worker = sqlite_site.start()
    until(lambda: sqlite_site.started() == [0])
    worker.send_signal(signal.SIGTERM)
    until(lambda: sqlite_site.store.workers()[0].quiet)
    worker.send_signal(signal.SIGINT)
    assert ended(worker, 20) == 0, "shorter than the 25 s that a job has otherwise"
    stats = sqlite_site.store.stats()
    assert (stats.processed, stats.enqueued, stats.running) == (0, 1, 0)


def test_orders_reach_a_worker_in_another_process(site: Site) -> None:
    worker = site.start()
    until(lambda: site.store.stats().workers == 1)
    [info] = site.store.workers()
    assert site.store.order(info.id, "stop")
    assert ended(worker) == 0


@pytest.mark.timeout(240)  # twelve interpreters one after the other
@pytest.mark.behaviour("F6")
def test_a_job_that_kills_its_process_three_times_is_set_aside(site: Site) -> None:
    site.enqueue("Hook", range(1))
    for deliveries in (1, 2):
        assert ended(site.start("--burst")) == 3
        rescuer = site.start("-q", "nothing")
        until(partial(site.charged, deliveries))
        rescuer.kill()
        rescuer.wait()
        site.make_due()
    assert ended(site.start("--burst")) == 3
    rescuer = site.start()
    until(lambda: site.store.stats().dead == 1)
    rescuer.terminate()
    assert ended(rescuer) == 0
    assert site.started() == [0, 0, 0]
    [dead] = site.store.jobs(State.DEAD).items
    assert dead.payload.fields["error_class"] == "jobkit.errors.WorkerLost"


def test_a_burst_worker_exits_0_even_when_jobs_failed(site: Site) -> None:
    site.enqueue("Nowhere", range(3))
    assert ended(site.start("--burst")) == 0
    assert site.store.stats().retry == 3


def test_a_worker_whose_store_cannot_be_used_says_so_and_goes_on_trying(sqlite_site: Site) -> None:
    site = sqlite_site
    site.store.close()
    (site.folder / "jobs.db").unlink(missing_ok=True)
    (site.folder / "jobs.db").mkdir()
    worker = site.start()
    until(lambda: site.said().count("the store failed, next try in") >= 2)
    assert "Traceback" not in site.said()
    worker.terminate()
    assert ended(worker) == 0


COLLECTS = """

    import gc


    class Asks(Job):
        def perform(self, number):
            note("S", gc.get_threshold()[0])


    class AsksApart(Asks, isolation="process"):
        pass
"""


def test_when_jobs_run_garbage_is_collected_as_usual(sqlite_site: Site) -> None:
    site = sqlite_site
    site.add(COLLECTS)
    site.enqueue("Asks", range(1))
    site.enqueue("AsksApart", range(1))
    worker = site.start("--burst")
    assert ended(worker) == 0
    assert [number for number, _ in site.log("S")] == [gc.get_threshold()[0]] * 2


def test_or_as_the_application_chose_while_it_was_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [gc.get_threshold()]
    monkeypatch.setattr(gc, "set_threshold", lambda *chosen: now.append(chosen))
    monkeypatch.setattr(gc, "get_threshold", lambda: now[-1])
    collect_rarely()
    assert now[-1] > now[0]
    gc.set_threshold(5, 10, 10)
    collect_as_usual()
    assert now[-1] == (5, 10, 10)
