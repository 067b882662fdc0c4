"""Real worker processes on a real store, with an application of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from textwrap import dedent
from typing import TypeAlias

from jobkit.adapter import State
from jobkit.capabilities import Move
from jobkit.payload import Payload
from jobkit_redis import RedisAdapter
from jobkit_sql import SqlAdapter
from tests.timing import Queued

APPLICATION = '''
    """Jobs that write down when they start and finish, outside of the store."""

    import os
    import time
    from pathlib import Path

    from jobkit import Interrupted, Job

    LOG = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    GO = Path("go").absolute()


    def note(what, number):
        os.write(LOG, f"{what} {number} {os.getpid()}\\n".encode())


    class Count(Job):
        def perform(self, number):
            note("S", number)
            note("F", number)


    class Hold(Job):
        """Runs until a file named `go` is there."""

        def perform(self, number):
            note("S", number)
            while not GO.exists():
                time.sleep(0.01)
            note("F", number)


    class Polite(Job):
        def perform(self, number):
            note("S", number)
            while not self.stopping:
                time.sleep(0.01)
            raise Interrupted


    class Hook(Job):
        def perform(self, number):
            note("S", number)
            os._exit(3)
'''


PATIENT = """
from jobkit.supervisor import supervisor
supervisor.LINGER = 30.0
"""
"""What a supervisor runs first, for its processes to have the time that they need to leave."""

NO_HURRY = """

    from jobkit.worker import pool

    pool._LAST_MOMENT = 30.0
"""
"""In an application: what is at its end when somebody is in a hurry has the time that it needs."""

Store: TypeAlias = SqlAdapter | RedisAdapter


@dataclass
class Site:
    """A folder with an application and the workers started on a store, by default a SQLite file."""

    folder: Path
    url: str = ""
    connect: Callable[[str], Store] = SqlAdapter
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def store(self) -> Store:
        """A connection to the store, of this process."""
        return self._store

    def __post_init__(self) -> None:
        (self.folder / "app.py").write_text(dedent(APPLICATION))
        self.url = self.url or f"sqlite:///{self.folder / 'jobs.db'}"
        self._store = self.connect(self.url)

    def enqueue(self, job: str, numbers: range) -> None:
        """Store a job of the application for each number."""
        self.store.enqueue([payload(f"app.{job}", number) for number in numbers])

    def add(self, source: str) -> None:
        """Give the application more jobs."""
        with (self.folder / "app.py").open("a") as file:
            file.write(dedent(source))

    def start(self, *options: str, first: str = "", **variables: str) -> subprocess.Popen[bytes]:
        """Start `jobkit worker`, a supervisor, in a process group of its own.

        `first` is Python that it runs before, and that its processes do not.
        """
        program = ["-c", f"{first}\nfrom jobkit.__main__ import main\nmain()"]
        # Into a file: a pipe that nobody reads would block the worker when it is full.
        with (self.folder / "stderr").open("a") as stderr:
            worker = subprocess.Popen(
                [
                    sys.executable,
                    *(program if first else ("-m", "jobkit")),
                    "worker",
                    "-A",
                    "app",
                    "--url",
                    self.url,
                    *options,
                ],
                cwd=self.folder,
                env={**os.environ, "JOBKIT_LEASE": "2", **variables},
                stderr=stderr,
                start_new_session=True,
            )
        self.workers.append(worker)
        return worker

    def log(self, what: str) -> list[tuple[int, int]]:
        """What the jobs wrote down: the number and the process of each start (S) or finish (F)."""
        path = self.folder / "log"
        lines = path.read_text().splitlines() if path.exists() else []
        parts = [line.split() for line in lines]
        return [(int(number), int(pid)) for kind, number, pid in parts if kind == what]

    def started(self) -> list[int]:
        return sorted(number for number, _ in self.log("S"))

    def finished(self) -> list[int]:
        return sorted(number for number, _ in self.log("F"))

    def said(self) -> str:
        """What the workers wrote to stderr."""
        return (self.folder / "stderr").read_text()

    def processes(self, worker: subprocess.Popen[bytes]) -> set[int]:
        """The supervisor's direct children: its worker processes, and nothing else."""
        children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children")
        return {int(pid) for pid in children.read_text().split()}

    def kill(self, worker: subprocess.Popen[bytes]) -> None:
        """Kill the supervisor and its processes at once, as the death of a machine would."""
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()

    def go_on(self, worker: subprocess.Popen[bytes]) -> None:
        """Have one that stands still go on, and wait until it beats.

        Where it stood still in the middle of a transaction, that is over by then, most likely.
        """
        before = self._seen(worker)
        os.killpg(worker.pid, signal.SIGCONT)
        until(lambda: self._seen(worker) != before)

    def time_to_leave(self, worker: subprocess.Popen[bytes]) -> float:
        """Seconds from a TERM to the end, without those in which others had the processor."""
        with self.queued(worker) as queued:
            asked = time.monotonic()
            worker.terminate()
            assert worker.wait(45) == 0
            took = time.monotonic() - asked
        return took - queued.seconds

    def queued(self, *workers: subprocess.Popen[bytes]) -> Queued:
        """The seconds in which others had the processor that these wanted, or this thread."""
        return Queued(lambda: [pid for each in workers for pid in self.everyone(each)])

    def everyone(self, worker: subprocess.Popen[bytes]) -> set[int]:
        """The supervisor and its processes."""
        return {worker.pid} | self.processes(worker)

    def time_of_a_beat(self, worker: subprocess.Popen[bytes]) -> float:
        """Wait until each of its processes has beaten; a moment before any of those beats."""
        moment, pids = time.monotonic(), self.processes(worker)
        ids = {each.id for each in self.store.workers() if each.pid in pids}
        before = {each: self._beats()[each] for each in ids}
        until(lambda: all(self._beats()[each] > beats for each, beats in before.items()))
        return moment

    def _seen(self, worker: subprocess.Popen[bytes]) -> dict[str, datetime]:
        pids = self.processes(worker)
        return {each.id: each.beat_at for each in self.store.workers() if each.pid in pids}

    def _beats(self) -> dict[str, int]:
        return {each: pulse.beat for each, pulse in self.store.maintain(limit=1).workers.items()}

    def go(self) -> None:
        """Let the jobs that hold finish."""
        (self.folder / "go").touch()

    def charged(self, deliveries: int) -> bool:
        """True when the deaths of its workers have charged the one waiting job that often."""
        waiting = [
            job
            for state in (State.ENQUEUED, State.SCHEDULED)
            for job in self.store.jobs(state).items
        ]
        return bool(waiting) and waiting[0].payload.deliveries == deliveries

    def make_due(self) -> None:
        """Have the waiting jobs run now."""
        jobs = self.store.jobs(State.SCHEDULED).items
        self.store.move([Move(job, job.payload, State.ENQUEUED) for job in jobs])

    def close(self) -> None:
        for worker in self.workers:
            with suppress(ProcessLookupError):  # its processes may have outlived it
                os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
        self._store.close()


@contextmanager
def a_site_on_each_store(folder: Path, postgres: str, redis: str) -> Generator[list[Site]]:
    """For what takes its time and little else; the servers by their URLs."""
    made: list[Site] = []
    stores: tuple[tuple[str, str, Callable[[str], Store]], ...] = (
        ("sqlite", "", SqlAdapter),
        ("postgres", postgres, SqlAdapter),
        ("redis", redis, RedisAdapter),
    )
    try:
        for name, url, connect in stores:
            (folder / name).mkdir()
            made.append(Site(folder / name, url, connect))
        yield made
    finally:
        for site in made:
            site.close()


def at_once(sites: Iterable[Site], proof: Callable[[Site], None]) -> None:
    """Have it proved on all of them side by side."""
    with ThreadPoolExecutor() as threads:
        list(threads.map(proof, sites))


def payload(job: str, number: int) -> Payload:
    """A job's payload, as another program might write it."""
    return Payload.of(
        {
            "class": job,
            "args": [number],
            "jid": f"{job}-{number}",
            "queue": "default",
            "retry": True,
            "created_at": time.time(),
        }
    )


def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for what must come; fails the test when it does not."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
