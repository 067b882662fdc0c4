"""A worker embedded in programs: scripts that end, and web processes that are killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from textwrap import dedent
from typing import Self

import pytest

import jobkit
from jobkit import backends, settings
from jobkit.adapter import State
from tests.integration.worker.site import Site, payload, until

ROUNDS = 50


def run(site: Site, source: str) -> subprocess.Popen[bytes]:
    """Start a script in the site's folder that can import its application."""
    script = site.folder / "script.py"
    script.write_text(dedent(source))
    process = subprocess.Popen(
        [sys.executable, str(script)],
        cwd=site.folder,
        env={**os.environ, "JOBKIT_URL": site.url, "JOBKIT_LEASE": "2"},
        start_new_session=True,
    )
    site.workers.append(process)
    return process


@pytest.fixture
def configured(site: Site) -> Iterator[Site]:
    """The site's store is this process's."""
    jobkit.configure(url=site.url)
    yield site
    backends.close_all()
    settings.reset()


def test_fifty_starts_and_stops_leave_no_thread_no_descriptor_and_no_connection(
    configured: Site,
) -> None:
    def holds() -> tuple[int, int]:
        return threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))

    worker = jobkit.run_worker(concurrency=2, burst=True)
    before = (0, 0)
    for number in range(ROUNDS):
        configured.store.enqueue([payload("app.Nowhere", number)])
        with worker:
            pass
        if number == ROUNDS // 5:
            before = holds()
    until(lambda: holds()[0] <= before[0])  # those of others before it may end meanwhile
    assert holds()[1] <= before[1] + 4, "more than a pool's ups and downs"
    assert configured.store.stats().workers == 0


def test_a_worker_stops_by_itself_when_the_interpreter_exits(site: Site) -> None:
    script = run(
        site,
        """
        import time
        import app, jobkit

        class Slow(jobkit.Job, name="Slow"):
            def perform(self, number):
                app.note("S", number)
                time.sleep(0.3)
                app.note("F", number)

        jobkit.run_worker(concurrency=1).start()
        Slow.perform_bulk([(1,), (2,), (3,)])
        while not app.Path("log").read_text():
            time.sleep(0.01)
        """,
    )
    assert script.wait(45) == 0
    ran = site.finished()
    stats = site.store.stats()
    assert ran[:1] == [1]
    assert (stats.processed, stats.enqueued) == (len(ran), 3 - len(ran))
    assert (stats.running, stats.workers) == (0, 0)


def test_at_the_exit_a_job_that_goes_on_is_given_back_and_does_not_hold_the_program(
    site: Site,
) -> None:
    script = run(
        site,
        """
        import app, jobkit, time
        jobkit.run_worker(shutdown_timeout=0.2).start()
        app.Hold.perform_later(1)
        while not app.Path("log").read_text():
            time.sleep(0.01)
        """,
    )
    assert script.wait(45) == 0
    [job] = site.store.jobs(State.ENQUEUED).items
    assert (job.payload.executions, job.payload.deliveries) == (0, 0)


def test_a_program_that_is_interrupted_stops_its_worker(sqlite_site: Site) -> None:
    script = run(
        sqlite_site,
        """
        import app, jobkit, time
        with jobkit.run_worker(shutdown_timeout=60):
            app.Hold.perform_later(1)
            time.sleep(60)
        """,
    )
    until(lambda: sqlite_site.started() == [1])
    script.send_signal(signal.SIGINT)
    until(lambda: sqlite_site.store.workers()[0].quiet)
    assert script.poll() is None, "it did not wait for its job"
    script.send_signal(signal.SIGINT)
    assert script.wait(45) == -signal.SIGINT
    assert sqlite_site.store.stats().enqueued == 1


WEB = """
    import contextlib, os
    import app, jobkit
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    @contextlib.asynccontextmanager
    async def lifespan(web):
        async with jobkit.run_worker(concurrency=3):
            yield

    async def enqueue(request):
        number = int(request.path_params["number"])
        await app.Count.set(idempotency_key=f"count-{number}").aperform_later(number)
        return PlainTextResponse(str(os.getpid()))

    web = Starlette(routes=[Route("/{number:int}", enqueue)], lifespan=lifespan)
"""


class Web:
    """uvicorn with two workers, each with an embedded one, under load from this process."""

    def __init__(self, site: Site) -> None:
        (site.folder / "web.py").write_text(dedent(WEB))
        self._site = site
        # Bound and not listened at: nobody else is given it while no process serves it.
        self._reserved = socket.socket()
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reserved.bind(("127.0.0.1", 0))
        self._port = self._reserved.getsockname()[1]
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._load)
        self.promised = 0
        self.served: set[int] = set()
        self.process = self._started()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()
        self._reserved.close()

    def kill_and_restart(self) -> None:
        """Every process of it at once, as a machine dies."""
        self._site.kill(self.process)
        self.process = self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        words = ["uvicorn", "web:web", "--workers", "2", "--port", str(self._port)]
        process = subprocess.Popen(
            [sys.executable, "-m", *words, "--log-level", "error"],
            cwd=self._site.folder,
            env={**os.environ, "JOBKIT_URL": self._site.url, "JOBKIT_LEASE": "2"},
            start_new_session=True,
        )
        self._site.workers.append(process)
        return process

    def _load(self) -> None:
        while not self._ending.wait(0.002):
            with suppress(OSError, HTTPException):  # a kill may cut an answer anywhere
                address = f"http://127.0.0.1:{self._port}/{self.promised}"
                with urllib.request.urlopen(address, timeout=10) as answer:
                    self.served.add(int(answer.read()))
                self.promised += 1


@pytest.mark.timeout(240)
def test_web_processes_that_are_killed_and_restarted_under_load_lose_nothing(
    sqlite_site: Site,
) -> None:
    with Web(sqlite_site) as web:
        for more in (30, 30):
            goal = web.promised + more
            until(lambda: web.promised >= goal, 60)  # noqa: B023 - called here and now
            web.kill_and_restart()
        goal = web.promised + 30
        until(lambda: web.promised >= goal, 60)
    until(lambda: set(sqlite_site.finished()) >= set(range(web.promised)), 60)
    until(lambda: _at_rest(sqlite_site), 60)
    stats = sqlite_site.store.stats()
    assert (stats.dead, stats.retry) == (0, 0)
    ended = Counter(sqlite_site.finished())
    # The request whose answer the kill swallowed may have stored its job, under the same key.
    assert stats.processed == len(ended) <= web.promised + 1
    assert len(web.served) > 2, "the processes were not replaced"
    until(lambda: sqlite_site.store.stats().workers == 2)  # the dead ones are forgotten
    web.process.terminate()
    assert web.process.wait(60) in (0, -signal.SIGTERM)
    until(lambda: sqlite_site.store.stats().workers == 0)


def _at_rest(site: Site) -> bool:
    """True when nothing waits and nothing runs, a job that was finished and not settled neither."""
    stats = site.store.stats()
    return (stats.enqueued, stats.running) == (0, 0)
