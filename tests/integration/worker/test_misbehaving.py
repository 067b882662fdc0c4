"""Jobs that do what no job should, in a real worker process on a SQLite file."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent, indent
from typing import Final

import pytest

from jobkit.adapter import State
from jobkit.payload import Payload
from tests.integration.worker.site import Site, until

IMPORTS: Final = """
    import ctypes
    import signal
    import sys
    import threading

    from jobkit import BuryJob


    class Odd(BaseException):
        pass


    class Unspeakable(Exception):
        def __str__(self):
            raise RuntimeError

        __repr__ = __str__


    def recurse():
        recurse()

"""

FAILING: Final = {
    "sys.exit": ("sys.exit(0)", "SystemExit: 0"),
    "ctrl-c": ("raise KeyboardInterrupt('x')", "KeyboardInterrupt: x"),
    "generator exit": ("raise GeneratorExit('x')", "GeneratorExit: x"),
    "base": ("raise Odd('x')", "app.Odd: x"),
    "recursion": ("recurse()", "RecursionError: maximum recursion depth exceeded"),
    "memory": ("raise MemoryError('x')", "MemoryError: x"),
    "no memory": ("bytearray(1 << 62)", "MemoryError: "),
    "unspeakable": ("raise Unspeakable", "app.Unspeakable: <the message cannot be read"),
    "handler": ("signal.signal(signal.SIGTERM, signal.SIG_DFL)", "ValueError: signal only works"),
}
"""What the job does, and how the error begins that is kept of it."""

HARMFUL: Final = {
    "threads": ("[threading.Thread(target=time.sleep, args=(99,)).start() for _ in '123']", 3),
    "directory": ("os.mkdir('elsewhere'); os.chdir('elsewhere')", 0),
    "streams": ("sys.stdout.close(); sys.stderr.close()", 0),
    "signals": ("for each in (2, 15): ctypes.CDLL(None).signal(each, ctypes.c_void_p(0))", 0),
    "mask": ("signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())", 0),
}
"""What the job does to its process, and how many threads it leaves there."""


class Misled:
    """A worker of two threads that one job is about to mislead."""

    def __init__(self, site: Site, does: str, define: str = "def") -> None:
        self.site = site
        body = indent(dedent(does), " " * 8)
        later = "retry_in=lambda executions, error: 600"  # not while it is looked at
        job = f"\nclass Misled(Job, {later}):\n    {define} perform(self, number):\n{body}\n"
        site.add(IMPORTS)
        site.add(job)
        # Relative: wherever a job takes its process, the worker must keep to this file.
        self.worker = site.start("-c", "2", "--url", "sqlite:///jobs.db")
        self.count(0, 2)
        [self.process] = site.processes(self.worker)

    def count(self, first: int, behind: int) -> None:
        """Have ordinary jobs run, and wait until they are settled."""
        before = self.site.store.stats().processed
        self.site.enqueue("Count", range(first, behind))
        until(lambda: self.site.store.stats().processed == before + behind - first)

    def threads(self) -> int:
        return len([*Path(f"/proc/{self.process}/task").iterdir()])

    def goes_on(self) -> None:
        """Both threads of the same process work on, and it leaves in good order."""
        self.site.enqueue("Hold", range(100, 102))
        until(lambda: self.site.started()[-2:] == [100, 101])
        self.site.go()
        until(lambda: self.site.finished()[-2:] == [100, 101])
        assert {pid for _, pid in self.site.log("F")} == {self.process}
        self.worker.terminate()
        assert self.worker.wait(45) == 0
        stats = self.site.store.stats()
        assert (stats.enqueued, stats.running, stats.dead, stats.workers) == (0, 0, 0, 0)


def only(site: Site, state: State) -> Payload:
    [job] = site.store.jobs(state).items
    return job.payload


@pytest.mark.parametrize(
    ("define", "how"),
    [*(("def", how) for how in FAILING), ("async def", "sys.exit"), ("async def", "base")],
)
def test_07_whatever_a_job_raises_is_its_failure_and_the_worker_goes_on(
    sqlite_site: Site, define: str, how: str
) -> None:
    does, error = FAILING[how]
    misled = Misled(sqlite_site, does, define)
    threads = misled.threads() + (define == "async def")  # with the loop's own
    sqlite_site.enqueue("Misled", range(1))
    until(lambda: sqlite_site.store.stats().retry == 1)
    failed = only(sqlite_site, State.RETRY)
    assert (failed.executions, failed.deliveries) == (1, 0)
    said = f"{failed.fields['error_class']}: {failed.fields['error_message']}"
    assert said.startswith(error)
    assert misled.threads() == threads
    misled.goes_on()


@pytest.mark.parametrize(("does", "left"), HARMFUL.values(), ids=HARMFUL)
def test_07_what_a_job_does_to_its_process_does_not_stop_the_worker(
    sqlite_site: Site, does: str, left: int
) -> None:
    misled = Misled(sqlite_site, f"{does}\nCount.perform_later(50)")
    threads = misled.threads() + left
    sqlite_site.enqueue("Misled", range(1))
    until(lambda: 50 in sqlite_site.finished())
    until(lambda: sqlite_site.store.stats().processed == 4)
    assert sqlite_site.store.stats().failed == 0
    assert misled.threads() == threads
    misled.goes_on()


def test_07_a_job_that_ends_its_process_is_charged_and_harms_no_other(sqlite_site: Site) -> None:
    ends = "dies = number == 0 and not GO.exists()\nnote('S', number)\nif dies: os._exit(0)"
    misled = Misled(sqlite_site, ends)
    sqlite_site.enqueue("Hold", range(10, 11))
    until(lambda: 10 in sqlite_site.started())
    sqlite_site.enqueue("Misled", range(1))
    until(lambda: sqlite_site.started().count(0) == 3)  # one of them was Count's
    dying = {pid for number, pid in sqlite_site.log("S") if number == 0}
    until(lambda: not dying & sqlite_site.processes(misled.worker))
    sqlite_site.go()
    until(lambda: sqlite_site.charged(2))
    sqlite_site.make_due()
    until(lambda: sqlite_site.store.stats().processed == 4)
    stats = sqlite_site.store.stats()
    assert (stats.failed, stats.dead, stats.retry) == (0, 0, 0)
    assert sqlite_site.finished() == [0, 1, 10]
    assert misled.process not in sqlite_site.processes(misled.worker)
    misled.worker.terminate()
    assert misled.worker.wait(45) == 0
