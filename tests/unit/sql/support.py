"""What several tests of the SQL adapter use."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

from sqlalchemy import Connection, Engine, event

from jobkit.adapter import Ack, Bury, Claim, Requeue, State
from jobkit.alike import Alike
from jobkit.capabilities import Move, StoredJob
from jobkit.payload import Payload, new_id
from jobkit_sql import SqlAdapter
from jobkit_sql.dialects.postgresql.session import Session, Statement
from jobkit_sql.tables import metadata

T = TypeVar("T")

NOBODY = 65534
ROOT = Path(__file__).parents[3]


def payload(**fields: Any) -> Payload:
    """A job as the core writes it, with these fields changed; None leaves one out."""
    usual = {"class": "Job", "args": [1, "two"], "jid": new_id(), "queue": "default", "v": 1}
    return Payload.of(usual | fields)


def enqueue(adapter: SqlAdapter, **fields: Any) -> Payload:
    """Store one job with these fields."""
    job = payload(**fields)
    adapter.enqueue([job])
    return job


def alike(number: int, *args: Any) -> Alike:
    """Jobs as `perform_bulk` stores them, with their place and `args` for arguments."""
    jobs = [payload(args=[nth, *args]) for nth in range(number)]
    return Alike([each.id for each in jobs], [each.text for each in jobs])


def register(adapter: SqlAdapter, worker: str) -> str:
    adapter.beat(worker, lease=30, claims=[], register=True)
    return worker


def claim(adapter: SqlAdapter, worker: str, *queues: str, limit: int = 1000) -> list[Claim]:
    """Claim from these queues; without any, from `default`."""
    return adapter.claim(queues or ("default",), limit=limit, worker=worker)


def claim_one(adapter: SqlAdapter, worker: str, *queues: str) -> Claim:
    """Claim the next job, which must be there."""
    [only] = claim(adapter, worker, *queues, limit=1)
    return only


def lived(adapter: SqlAdapter) -> list[str]:
    """The statements of a plain job that is stored, comes back, dies, is run again and done."""
    inserts: list[str] = []
    insert_one = adapter._store.insert_one

    def inserting(statement: str, row: Callable[[float], Sequence[Any]]) -> bool:
        stored = insert_one(statement, row)
        if stored:
            inserts.append(statement)  # on SQLite the driver's alone: nobody sees it
        return stored

    with statements(adapter) as seen, patch.object(adapter._store, "insert_one", inserting):
        job = enqueue(adapter)
        held = claim_one(adapter, "worker")
        adapter.settle([Requeue(held, held.payload, State.ENQUEUED)])
        held = claim_one(adapter, "worker")
        adapter.settle([Bury(held, held.payload)])
        (dead,) = adapter.find([job.id])
        adapter.move([Move(dead, dead.payload, State.ENQUEUED)])
        adapter.settle([Ack(claim_one(adapter, "worker"))])
    told = [sql for _, sql, _ in seen if not sql.startswith("BEGIN")]
    return [sql for sql in inserts if sql not in told] + told


def words(said: Iterable[str]) -> list[str]:
    """The first word of each statement, behind its comment."""
    return [re.sub(r"^(\s*--.*\n)*", "", sql).split()[0] for sql in said]


def tables(said: Iterable[str]) -> set[str]:
    """The tables that the statements name."""
    named = {name for sql in said for name in re.findall(r"\bjobkit_[a-z]+", sql)}
    return named & {*metadata.tables}


def ids(jobs: Iterable[Claim | StoredJob]) -> list[str]:
    return [job.payload.id for job in jobs]


def peek(adapter: SqlAdapter, *queues: str) -> list[str]:
    """The ids of what could be claimed now, in order: claimed, and given back."""
    probe = register(adapter, new_id())
    found = ids(claim(adapter, probe, *queues))
    adapter.retire(probe)
    return found


def at_once(calls: Iterable[Callable[[], T]]) -> list[T]:
    """Make the calls in threads that start at the same moment; what they return, in order."""
    waiting = [*calls]
    start = threading.Barrier(len(waiting))

    def run(call: Callable[[], T]) -> T:
        start.wait(40)
        return call()

    with ThreadPoolExecutor(len(waiting)) as pool:
        return [*pool.map(run, waiting)]


def run(script: str, *arguments: object, timeout: float = 55) -> str:
    """What the script prints, in a Python of its own. Fails when it fails."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def as_nobody() -> Generator[None]:
    """Be a user whom permissions bind, as root is not."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(before)


@contextmanager
def readable_by_all(directory: Path) -> Generator[None]:
    """The directory reachable for every user; pytest makes it for its own only."""
    closed = [each for each in (directory, *directory.parents) if not each.stat().st_mode & 0o005]
    modes = {each: each.stat().st_mode for each in closed}
    for each, mode in modes.items():
        each.chmod(mode | 0o055)
    try:
        yield
    finally:
        for each, mode in modes.items():
            each.chmod(mode)


@contextmanager
def statements(adapter: SqlAdapter) -> Generator[list[tuple[Any, str, Any]]]:
    """Collects what is executed meanwhile on any engine, and past it on PostgreSQL."""
    seen: list[tuple[Any, str, Any]] = []

    def note(
        connection: Connection, cursor: object, sql: str, parameters: object, *_: object
    ) -> None:
        seen.append((connection, sql, parameters))

    execute = Session.execute

    def noted(session: Session, statement: Statement, values: Sequence[object]) -> Any:
        seen.append((session.connection, statement.text.decode(), values))
        return execute(session, statement, values)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        with patch.object(Session, "execute", noted):
            yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)
