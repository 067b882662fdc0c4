"""A store that goes away and comes back: at the start, under running jobs, and at a stop."""

from __future__ import annotations

import os
import re
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import cast

import pytest

from jobkit.batching import Event
from jobkit.errors import AdapterError
from jobkit_redis import RedisAdapter
from jobkit_sql import SqlAdapter
from tests.chaos.processes import children, stands_still
from tests.faults.proxy import Proxy
from tests.integration.worker.site import Site, payload, until
from tests.integration.worker.test_batches import (
    JOBS,
    opened,
    ran_before_the_callbacks,
    standing,
    told,
)
from tests.servers.postgres import Postgres
from tests.servers.valkey import running
from tests.soak import SOAK
from tests.timing import Queued

STORES = ["sqlite", "postgres", "redis"]

AWAY = 10.0 if SOAK else 2.0
MEMBERS, CRASHES = (1_000, 8) if SOAK else (120, 2)
RESUMED = 5.0
"""Seconds in which work must go on when the store is back."""

SPUN = 0.25
"""Of a core, that a supervisor and its process may use together while the store is away."""


@dataclass
class Store:
    """A site whose store can be taken away; `hang`: it still takes connections, and is silent.

    `crash` kills the server and starts it again.
    """

    site: Site
    away: Callable[[], AbstractContextManager[None]]
    hang: Callable[[], AbstractContextManager[None]] | None = None
    crash: Callable[[], None] | None = None


@pytest.fixture(scope="module")
def postgres_server() -> Iterator[Postgres]:
    server = Postgres(durable=True)
    server.start()
    yield server
    server.remove()


@contextmanager
def locked(file: Path) -> Generator[None]:
    """Another program has the file to itself: SQLite has no server that could go away."""
    with sqlite3.connect(file, timeout=20) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.rollback()
    other.close()


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    (tmp_path / "site").mkdir()
    made: Generator[Store] = {"sqlite": _sqlite, "postgres": _postgres, "redis": _redis}[
        request.param
    ](request, tmp_path)
    store = next(made)
    try:
        yield store
    finally:
        store.site.close()
        made.close()


def _sqlite(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Store]:
    site = Site(tmp_path / "site")
    site.store.stats()
    yield Store(site, lambda: locked(tmp_path / "site" / "jobs.db"))


def _postgres(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Store]:
    server: Postgres = request.getfixturevalue("postgres_server")

    @contextmanager
    def away() -> Generator[None]:
        server.stop()
        try:
            yield
        finally:
            server.start()

    def crash() -> None:
        server.restart(number=signal.SIGKILL)

    yield Store(Site(tmp_path / "site", server.emptied("away")), away, server.frozen, crash)


def _redis(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Store]:
    with running(tmp_path / "server", tcp=True, appendonly=True) as server:

        @contextmanager
        def away() -> Generator[None]:
            server.kill()
            try:
                yield
            finally:
                server.start()

        site = Site(tmp_path / "site", server.url(), RedisAdapter)
        yield Store(site, away, server.suspended, server.restart)


def cpu(pids: set[int]) -> float:
    """Seconds of the processor that these have used."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def patiently(act: Callable[[], object]) -> None:
    """Do it as soon as the store lets one."""
    while True:
        with suppress(AdapterError):
            act()
            return
        time.sleep(0.05)


@pytest.mark.timeout(600)
@pytest.mark.behaviour("J1", "J4")
@pytest.mark.parametrize("store", ["postgres", "redis"], indirect=True)
def test_each_callback_comes_once_though_the_store_is_killed_under_the_batch(store: Store) -> None:
    site, kill = store.site, store.crash
    assert kill is not None
    site.add(JOBS)
    site.start("-c", "4")
    until(lambda: site.store.stats().workers == 1, 40)
    callbacks = {Event.SUCCESS: told(1, "default"), Event.FINISH: told(2, "default")}
    batch = opened(site, "Member", range(MEMBERS), callbacks)
    for crash in range(CRASHES):
        share = MEMBERS * (crash + 1) // (CRASHES + 1)
        until(lambda share=share: len(set(site.finished())) >= share, 60)  # type: ignore[misc]
        kill()
    until(lambda: len(site.log("T")) >= 2, 60)
    until(lambda: _is_idle(site))
    found = standing(site, batch)
    assert (found.succeeded, found.failed, found.pending) == (MEMBERS, 0, 0)
    assert found.finished_at is not None
    assert sorted(number for number, _ in site.log("T")) == [1, 2]
    assert ran_before_the_callbacks(site) == {*range(MEMBERS)}


def _is_idle(site: Site) -> bool:
    try:
        stats = site.store.stats()
    except AdapterError:  # our own connection, cut by the last crash
        return False
    return stats.enqueued + stats.running == 0


@pytest.mark.timeout(120)
def test_jobs_go_on_while_the_store_is_away_and_are_settled_when_it_is_back_without_spinning(
    store: Store,
) -> None:
    site = store.site
    worker = site.start("-c", "3", JOBKIT_LEASE="20")
    site.enqueue("Hold", range(2))
    until(lambda: site.started() == [0, 1])
    pids = {worker.pid, *site.processes(worker)}
    with store.away():
        site.go()
        until(lambda: site.finished() == [0, 1])
        time.sleep(0.5)  # what there was to do, is done
        before, began = cpu(pids), time.monotonic()
        time.sleep(AWAY)
        spun = (cpu(pids) - before) / (time.monotonic() - began)
    patiently(lambda: site.enqueue("Count", range(2, 4)))
    with Queued([*pids, os.getpid()]) as queued:
        stored = time.monotonic()
        until(lambda: site.finished() == [0, 1, 2, 3], 60)
        resumed = time.monotonic() - stored
    resumed -= queued.seconds
    until(lambda: site.store.stats().processed == 4)
    assert site.started() == [0, 1, 2, 3], "a job ran twice"
    assert {worker.pid, *site.processes(worker)} == pids, "a process was replaced"
    assert resumed < RESUMED
    assert spun < SPUN


@pytest.mark.timeout(120)
def test_a_worker_started_before_its_store_says_so_waits_and_begins(store: Store) -> None:
    site = store.site
    site.enqueue("Count", range(3))
    with store.away():
        site.start()
        until(lambda: site.said().count("start: the store failed, next try in") >= 2, 40)
    until(lambda: site.finished() == [0, 1, 2], RESUMED + 15)
    assert "Traceback" not in site.said()


@pytest.mark.parametrize("store", STORES if SOAK else ["redis"], indirect=True)
@pytest.mark.timeout(120)
def test_with_a_boot_timeout_it_gives_up_with_one_line_and_code_1(store: Store) -> None:
    site = store.site
    with store.away():
        worker = site.start("--boot-timeout", "0.5")
        assert worker.wait(40) == 1
    last = site.said().splitlines()[-1]
    assert last == "Error: the store did not answer within the boot time-out"


@pytest.mark.timeout(120)
def test_a_stop_while_the_store_is_away_ends_in_time_and_the_lease_tells_the_others(
    store: Store,
) -> None:
    site = store.site
    worker = site.start("--shutdown-timeout", "1")
    site.enqueue("Hold", range(1))
    until(lambda: site.started() == [0])
    with store.away():
        took = site.time_to_leave(worker)
    assert took < 1 + 3 + 10, "it was killed, or waited for the store"
    site.go()
    site.start()
    until(lambda: site.finished() == [0], 30)
    until(lambda: site.store.stats().processed == 1)


@pytest.mark.parametrize("store", ["postgres", "redis"], indirect=True)
@pytest.mark.timeout(120)
def test_a_stop_while_the_store_hangs_ends_in_time(store: Store) -> None:
    """A file does not hang: it answers, or says that it is busy."""
    assert store.hang is not None
    site = store.site
    worker = site.start("--shutdown-timeout", "1")
    site.enqueue("Count", range(1))
    until(lambda: site.finished() == [0])
    with store.hang():
        took = site.time_to_leave(worker)
    assert took < 1 + 3 + 10


def test_a_disk_that_is_full_refuses_loudly_and_work_goes_on_when_there_is_room(
    tmp_path: Path,
) -> None:
    site = Site(tmp_path)
    worker = site.start("-c", "2", JOBKIT_LEASE="20")
    try:
        site.enqueue("Hold", range(2))
        until(lambda: site.started() == [0, 1])
        [pid] = site.processes(worker)
        _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        # Less than the file has already: not a byte more, nor one that is written anew.
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, most))
        site.go()
        until(lambda: Path(f"/proc/{pid}").exists() and _failed(site), 20)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, most))
        until(lambda: site.store.stats().processed == 2, RESUMED + 10)
        assert site.started() == [0, 1]
        assert site.processes(worker) == {pid}
    finally:
        site.close()


def _failed(site: Site) -> bool:
    # The worker's log cannot grow either; its outcomes wait in the store as running.
    time.sleep(1)
    return site.store.stats().running == 2


def test_an_enqueue_on_a_full_disk_is_an_error_that_says_so(tmp_path: Path) -> None:
    program = dedent(
        """
        import resource, jobkit
        jobkit.configure(url="sqlite:///jobs.db")

        class Big(jobkit.Job, name="Big"):
            def perform(self, text): ...

        Big.perform_later("first")
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
        stored = 1
        try:
            while stored < 100:
                Big.perform_later("x" * 20_000)
                stored += 1
        except jobkit.EnqueueError as error:
            print(error)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        Big.perform_later("last")
        assert jobkit.inspect().stats().enqueued == stored + 1
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"(?i)full|disk|i/o", done.stdout), done.stdout


def test_a_slow_store_costs_no_lease_and_no_job(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    with running(tmp_path / "server", tcp=True) as server, Proxy(server.address) as line:
        host, port = cast("tuple[str, int]", line.address)
        site = Site(tmp_path / "site", f"redis://{host}:{port}/0", RedisAdapter)
        try:
            worker = site.start("-c", "2", JOBKIT_LEASE="6")
            until(lambda: site.store.stats().workers == 1)
            line.delay(1.0)
            site.enqueue("Count", range(3))
            until(lambda: site.finished() == [0, 1, 2], 40)
            line.heal()
            until(lambda: site.store.stats().processed == 3, 20)
            assert "declared dead" not in site.said()
            assert worker.poll() is None
        finally:
            site.close()


def test_a_server_without_room_for_more_clients_is_waited_for_and_others_work_on(
    tmp_path: Path,
) -> None:
    (tmp_path / "site").mkdir()
    with running(tmp_path / "server", tcp=True) as server, server.client() as client:
        site = Site(tmp_path / "site", server.url(), RedisAdapter)
        try:
            site.start()
            site.enqueue("Count", range(3))
            until(lambda: site.finished() == [0, 1, 2])
            client.config_set("maxclients", client.info("clients")["connected_clients"])
            site.start()
            until(lambda: "max number of clients reached" in site.said())
            site.enqueue("Count", range(3, 6))
            until(lambda: site.finished() == [0, 1, 2, 3, 4, 5])
            client.config_set("maxclients", 1_000)
            until(lambda: site.store.stats().workers == 2, RESUMED + 15)
            assert "Traceback" not in site.said()
        finally:
            site.close()


@contextmanager
def standing_still(worker: subprocess.Popen[bytes]) -> Generator[None]:
    os.killpg(worker.pid, signal.SIGSTOP)
    until(lambda: all(stands_still(pid) for pid in (worker.pid, *children(worker.pid))))
    yield
    os.killpg(worker.pid, signal.SIGCONT)


@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_was_deleted_or_replaced_is_opened_anew_by_all(
    tmp_path: Path, *, replaced: bool
) -> None:
    """The bug: programs went on writing into a file that nobody else could see."""
    site = Site(tmp_path)
    try:
        worker = site.start()
        site.enqueue("Count", range(2))
        until(lambda: site.finished() == [0, 1])
        until(lambda: site.store.stats().processed == 2)
        if replaced:
            with closing(SqlAdapter(f"sqlite:///{tmp_path / 'other.db'}")) as other:
                other.enqueue([payload("app.Count", 9)])
        with standing_still(worker):  # who looks in between makes a file of its own
            for file in tmp_path.glob("jobs.db*"):
                file.unlink()
            if replaced:
                (tmp_path / "other.db").rename(tmp_path / "jobs.db")
        patiently(lambda: site.enqueue("Count", range(2, 4)))
        wanted = [0, 1, 2, 3, *([9] if replaced else [])]
        until(lambda: site.finished() == wanted, 15)
        until(lambda: site.store.stats().processed == len(wanted) - 2)
        assert worker.poll() is None
        assert "was deleted or replaced: it is opened anew" in site.said()
    finally:
        site.close()
