"""Workers are killed at any moment: what `complete_in` completes happens exactly once.

`make soak` kills 200 times.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from textwrap import dedent

import pytest

from jobkit.adapter import State
from jobkit.payload import Payload, new_id
from tests.integration.transactions.support import Database, noted
from tests.soak import SOAK

KILLS = 200 if SOAK else 20
BACKLOG = 300
ROOT = Path(__file__).parents[3]

APPLICATION = '''
    """Each job adds one row, which nothing but the job's own end keeps from being added again."""

    import os
    import time

    from sqlalchemy import create_engine, text
    from sqlalchemy.orm import Session

    from jobkit import Job

    add = text("INSERT INTO notes (text) VALUES (:text)")
    engine = create_engine(os.environ["APPLICATION_URL"])


    class Effect(Job):
        def perform(self, number):
            with Session(engine) as session, session.begin():
                with self.complete_in(session):
                    session.execute(add, {"text": str(number)})
                    time.sleep(0.002)
                time.sleep(0.002)
            time.sleep(0.002)
'''


class Workers:
    """Two worker processes; a killed one is replaced."""

    def __init__(self, database: Database, folder: Path) -> None:
        (folder / "app.py").write_text(dedent(APPLICATION))
        self._database = database
        self._folder = folder
        self._numbers = count()
        self.enqueued = 0
        self.killed_at_work = 0
        self._running = [self._start(), self._start()]

    def _start(self, *options: str) -> subprocess.Popen[bytes]:
        application = self._database.engine.url.render_as_string(hide_password=False)
        with (self._folder / "stderr").open("a") as stderr:
            return subprocess.Popen(
                [sys.executable, "-m", "jobkit", "worker", "-A", "app", "-c", "4", *options],
                cwd=self._folder,
                env={
                    **os.environ,
                    "APPLICATION_URL": application,
                    "JOBKIT_URL": self._database.url,
                    "JOBKIT_LEASE": "1",
                    "PYTHONPATH": str(ROOT),
                },
                stderr=stderr,
                start_new_session=True,
            )

    def feed(self) -> None:
        """See to it that nobody runs out of work."""
        if self._database.adapter.stats().enqueued < BACKLOG:
            numbers = [next(self._numbers) for _ in range(BACKLOG)]
            self._database.adapter.enqueue([job(number) for number in numbers])
            self.enqueued += BACKLOG

    def kill(self) -> None:
        """Kill the older of the two while it works, and start another."""
        adapter, doomed = self._database.adapter, self._running.pop(0)
        done = adapter.stats().processed
        until(lambda: adapter.stats().processed > done)
        time.sleep(random.uniform(0, 0.02))
        self.killed_at_work += adapter.stats().running > 0
        os.killpg(doomed.pid, signal.SIGKILL)
        doomed.wait()
        self._running.append(self._start())

    def finish(self) -> None:
        """Let them work until nothing is left but what waits for a later try, and stop them."""
        until(lambda: (left := self._database.adapter.stats()).enqueued + left.running == 0)
        self.close()

    def close(self) -> None:
        for worker in self._running:
            if worker.poll() is None:
                worker.terminate()
        for worker in self._running:
            worker.wait(30)


def job(number: int) -> Payload:
    fields = {"class": "app.Effect", "args": [number], "jid": new_id(), "queue": "default"}
    return Payload.of({**fields, "retry": True, "created_at": time.time()})


def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


@pytest.mark.timeout(60 + 12 * KILLS)
def test_effects_happen_exactly_once(database: Database, tmp_path: Path) -> None:
    with ExitStack() as stack:
        workers = Workers(database, tmp_path)
        stack.callback(workers.close)
        for _ in range(KILLS):
            workers.feed()
            workers.kill()
        workers.finish()
    done = Counter(int(text) for text in noted(database))
    waiting = Counter(
        stored.payload.args[0]
        for state in (State.SCHEDULED, State.RETRY, State.DEAD)
        for stored in database.adapter.jobs(state, limit=10_000).items
    )
    assert {number for number, times in done.items() if times > 1} == set()
    assert done + waiting == Counter(range(workers.enqueued)), "done and waiting make up all"
    stats = database.adapter.stats()
    assert sum(done.values()) == stats.processed - stats.failed, "each is counted with its effect"
    assert sum(waiting.values()) <= workers.enqueued * 0.05
    assert workers.killed_at_work >= 0.9 * KILLS, "they were killed at rest"
