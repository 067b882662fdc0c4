"""Workers of stores that refuse: full, out of memory or connections, to be read only, replaced."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from textwrap import dedent
from typing import IO

import psycopg
import pytest

from jobkit.errors import AdapterError
from jobkit_redis import RedisAdapter
from jobkit_sql import SqlAdapter
from tests.integration.worker.site import Site, until
from tests.servers.postgres import Postgres
from tests.servers.valkey import Server, running

RESUMED = 5.0
"""Seconds in which work must go on when there is room again."""

PATIENT = {"JOBKIT_LEASE": "20"}
"""Nothing is to be lost meanwhile."""

FULL = """
    CREATE FUNCTION full_disk.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100';
    END $$;
    CREATE TRIGGER refuse BEFORE INSERT OR UPDATE OR DELETE ON full_disk.jobkit_jobs
        FOR EACH STATEMENT EXECUTE FUNCTION full_disk.refuse()
"""
ROOM = "DROP FUNCTION full_disk.refuse CASCADE"

BARE = """
    import ctypes, os, sys

    PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1
    if os.geteuid() == 0:  # the superuser writes what may only be read, unless it gives that up
        assert ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0) == 0
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
ENQUEUES = """
    import time
    import app, jobkit

    began = time.monotonic()
    try:
        app.Count.perform_later(7)
    except jobkit.EnqueueError as error:
        print(error)
    assert time.monotonic() - began < 5 + 2
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (made := tmp_path / "site").mkdir()
    return made


def worked_on(site: Site, jobs: int) -> None:
    """Wait until so many jobs were done, each once, and without a word too many."""
    until(lambda: site.finished() == list(range(jobs)), RESUMED + 15)
    until(lambda: site.store.stats().processed == jobs)
    assert site.started() == list(range(jobs)), "a job ran twice"
    assert "Traceback" not in site.said()


@pytest.fixture
def crowded(postgres: Postgres, folder: Path) -> Iterator[tuple[Site, psycopg.Connection]]:
    """A site whose role may have only so many connections, and somebody who may change that."""
    with postgres.connect() as other:
        other.execute("CREATE ROLE crowd LOGIN")
        url = postgres.create("crowded").replace("jobkit@", "crowd@")
        other.execute("ALTER DATABASE crowded OWNER TO crowd")
        with closing(SqlAdapter(url)) as adapter:
            adapter.migrate()
        site = Site(folder, url)
        yield site, other
        site.close()
        postgres.drop("crowded")
        other.execute("DROP ROLE crowd")


def test_without_a_connection_left_workers_wait_and_those_who_have_theirs_work_on(
    crowded: tuple[Site, psycopg.Connection],
) -> None:
    site, other = crowded
    site.start("-c", "2", **PATIENT)
    site.enqueue("Count", range(2))
    until(lambda: site.finished() == [0, 1])
    other.execute("ALTER ROLE crowd CONNECTION LIMIT 1")
    site.start(**PATIENT)
    until(lambda: "has no connection left" in site.said())
    site.enqueue("Count", range(2, 5))
    until(lambda: site.finished() == [0, 1, 2, 3, 4])
    other.execute("ALTER ROLE crowd CONNECTION LIMIT -1")
    until(lambda: site.store.stats().workers == 2, RESUMED + 15)
    worked_on(site, 5)


def test_on_a_full_disk_postgresql_refuses_loudly_and_work_goes_on_when_there_is_room(
    postgres: Postgres, folder: Path
) -> None:
    site = Site(folder, postgres.emptied("full_disk"))
    try:
        with postgres.connect() as other:
            worker = site.start("-c", "2", **PATIENT)
            site.enqueue("Hold", range(2))
            until(lambda: site.started() == [0, 1])
            processes = site.processes(worker)
            other.execute(FULL)
            with pytest.raises(AdapterError, match="its disk is full"):
                site.enqueue("Count", range(2, 3))
            site.go()
            until(lambda: site.said().count("settler: the store failed") >= 2)
            assert site.store.stats().running == 2
            other.execute(ROOM)
        site.enqueue("Count", range(2, 4))
        worked_on(site, 4)
        assert site.processes(worker) == processes
    finally:
        site.close()


def test_out_of_memory_redis_refuses_what_is_new_and_workers_end_what_they_run(
    folder: Path, tmp_path: Path
) -> None:
    with running(tmp_path / "server", tcp=True) as server, server.client() as client:
        site = Site(folder, server.url(), RedisAdapter)
        try:
            worker = site.start("-c", "2", **PATIENT)
            site.enqueue("Hold", range(2))
            until(lambda: site.started() == [0, 1])
            site.enqueue("Count", range(2, 4))
            processes = site.processes(worker)
            client.config_set("maxmemory", 1)
            with pytest.raises(AdapterError, match="used memory > 'maxmemory'"):
                site.enqueue("Count", range(4, 5))
            site.go()
            until(lambda: site.store.stats().processed >= 2)
            assert "declared dead" not in site.said()
            client.config_set("maxmemory", 0)
            site.enqueue("Count", range(4, 5))
            worked_on(site, 5)
            assert site.processes(worker) == processes
        finally:
            site.close()


def test_a_file_that_may_only_be_read_is_waited_for_and_an_enqueue_says_so(folder: Path) -> None:
    site = Site(folder)
    try:
        site.enqueue("Count", range(2))
        site.store.close()
        read_only(folder, yes=True)
        with (folder / "stderr").open("a") as stderr:
            worker = bare(site, "-m", "jobkit", "worker", "-A", "app", stderr=stderr)
        site.workers.append(worker)
        until(lambda: site.said().count("start: the store failed") >= 2, 40)
        enqueuing = bare(site, "-c", dedent(ENQUEUES), stdout=subprocess.PIPE)
        said, _ = enqueuing.communicate()
        assert enqueuing.returncode == 0
        assert b"cannot be written: let this user write the file and its directory" in said
        read_only(folder, yes=False)
        worked_on(site, 2)
        assert worker.poll() is None
    finally:
        read_only(folder, yes=False)
        site.close()


def bare(
    site: Site, *words: str, stdout: int | None = None, stderr: IO[str] | None = None
) -> subprocess.Popen[bytes]:
    """Start Python as somebody who may write nothing but what modes allow."""
    return subprocess.Popen(
        [sys.executable, "-c", dedent(BARE), *words],
        cwd=site.folder,
        env={**os.environ, "JOBKIT_URL": site.url, **PATIENT},
        start_new_session=True,
        stdout=stdout,
        stderr=stderr,
    )


def read_only(folder: Path, *, yes: bool) -> None:
    """Whether the files of the store, and its folder, may only be read."""
    for file in folder.glob("jobs.db*"):
        file.chmod(0o444 if yes else 0o644)
    (folder / "log").touch()
    folder.chmod(0o555 if yes else 0o755)


SENTINEL = """
sentinel monitor jobs {host} {port} 1
sentinel down-after-milliseconds jobs 60000
sentinel failover-timeout jobs 2000
"""


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[tuple[Server, Server, Server]]:
    """A primary, its replica, and a Sentinel who is asked which of them it is, and is patient."""
    with (
        running(tmp_path / "primary", tcp=True) as primary,
        running(tmp_path / "replica", tcp=True) as replica,
    ):
        host, port = primary.address
        with primary.client() as client:
            client.config_set("repl-diskless-sync-delay", 0)
        with replica.client() as client:
            client.replicaof(host, port)
        until(lambda: linked(replica))
        settings = tmp_path / "sentinel.conf"
        settings.write_text(SENTINEL.format(host=host, port=port))
        first = (str(settings), "--sentinel")
        with running(tmp_path / "sentinel", tcp=True, first=first, plain=True) as sentinel:
            with sentinel.client() as client:
                until(lambda: client.execute_command("SENTINEL", "REPLICAS", "jobs"), 20)
            yield primary, replica, sentinel


def linked(replica: Server) -> bool:
    with replica.client() as client:
        return bool(client.info("replication")["master_link_status"] == "up")


def level(primary: Server, replica: Server) -> bool:
    with primary.client() as first, replica.client() as second:
        told = second.info("replication").get("slave_repl_offset")
        return bool(first.info("replication")["master_repl_offset"] == told)


def test_workers_go_on_at_the_replica_that_took_over(
    watched: tuple[Server, Server, Server], folder: Path
) -> None:
    primary, replica, sentinel = watched
    asked = ":".join(map(str, sentinel.address))
    site = Site(folder, f"redis+sentinel://{asked}/jobs/0", RedisAdapter)
    try:
        worker = site.start("-c", "2", **PATIENT)
        site.enqueue("Hold", range(2))
        until(lambda: site.started() == [0, 1])
        site.enqueue("Count", range(2, 4))
        processes = site.processes(worker)
        until(lambda: level(primary, replica))
        primary.kill()
        with sentinel.client() as client:
            # No earlier: a primary that stands still for a moment is not to be given up.
            client.execute_command("SENTINEL", "SET", "jobs", "down-after-milliseconds", "1000")
        site.go()
        until(lambda: site.finished() == [0, 1])

        def enqueued() -> bool:
            try:
                site.enqueue("Count", range(4, 5))
            except AdapterError:
                return False
            return True

        until(enqueued, 30)
        worked_on(site, 5)
        assert site.processes(worker) == processes
    finally:
        site.close()
