"""The command line on a real SQLite file in an empty directory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from jobkit import backends, settings
from jobkit.__main__ import main
from jobkit.adapter import Ack, Bury, Claim, Presence, Requeue, Settlement, State
from jobkit.jobs import registry
from jobkit.jobs.kept import written
from jobkit.outcome import Outcome
from jobkit.payload import Payload
from jobkit.results import Result
from jobkit_sql import SqlAdapter

WORKER = "host:1:abc"


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Done]


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working directory, an environment and a process without settings or jobs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "_classes", {})
    for name in [name for name in os.environ if name.startswith("JOBKIT_")]:
        monkeypatch.delenv(name)
    settings.reset()
    backends.close_all()  # what another module's tests have left open
    yield tmp_path
    backends.close_all()
    settings.reset()


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in this process."""

    def run(*arguments: str) -> Done:
        settings.reset()
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main(arguments)
        out, err = capsys.readouterr()
        assert isinstance(left.value.code, int)
        return Done(left.value.code, out, err)

    return run


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts commands as processes, and ends what a test left running."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **variables: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "jobkit", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **variables},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def spawn(start: Callable[..., subprocess.Popen[str]]) -> Run:
    """Runs a command as a process of its own."""

    def spawn(*arguments: str, **variables: str) -> Done:
        process = start(*arguments, **variables)
        out, err = process.communicate(timeout=150)
        return Done(process.returncode, out, err)

    return spawn


@pytest.fixture
def store(directory: Path) -> Iterator[SqlAdapter]:
    """The store that the commands find by default, with a worker registered."""
    adapter = SqlAdapter.from_url("sqlite:///jobkit.db")
    presence = Presence(
        host="host", pid=1, queues=("default", "low"), concurrency=2, started_at=1_700_000_000
    )
    adapter.beat(WORKER, lease=30, claims=(), register=True, presence=presence)
    yield adapter
    adapter.close()


class Put:
    """Brings jobs into the states that are wanted."""

    def __init__(self, store: SqlAdapter) -> None:
        self._store = store

    def enqueued(self, job_id: str, **fields: Any) -> None:
        self._store.enqueue([payload(job_id, **fields)])

    def scheduled(self, job_id: str, **fields: Any) -> None:
        self.enqueued(job_id, scheduled_at=4_000_000_000.5, **fields)

    def retry(self, job_id: str, **fields: Any) -> None:
        failed = payload(job_id, scheduled_at=4_000_000_000.5, **fields)
        self._settle(job_id, lambda claim: Requeue(claim, failed, State.RETRY))

    def dead(self, job_id: str, **fields: Any) -> None:
        self._settle(job_id, lambda claim: Bury(claim, payload(job_id, **fields)))

    def unreadable(self, text: str) -> None:
        self._settle("unreadable", lambda claim: Bury(claim, Payload(text)))

    def done(self, job_id: str) -> None:
        self._settle(job_id, Ack)

    def ended(self, job_id: str, outcome: Outcome) -> None:
        """Of a class that stores results."""

        def settled(claim: Claim) -> Settlement:
            text = written(claim.payload, outcome, at=1.7e9, took=0.5)
            return Ack(claim, result=Result(text, 60))

        self._settle(job_id, settled)

    def running(self, job_id: str) -> None:
        self.enqueued(job_id, queue="work")
        assert self._store.claim(["work"], limit=1, worker=WORKER)

    def _settle(self, job_id: str, settlement: Callable[[Claim], Settlement]) -> None:
        self.enqueued(job_id, queue="work")
        [claim] = self._store.claim(["work"], limit=1, worker=WORKER)
        assert self._store.settle([settlement(claim)]) == []


def payload(job_id: str, **fields: Any) -> Payload:
    return Payload.of({"class": "app.Job", "args": [1], "jid": job_id, "queue": "default"} | fields)


@pytest.fixture
def put(store: SqlAdapter) -> Put:
    return Put(store)


@pytest.fixture
def one_of_each(put: Put) -> None:
    put.enqueued("e1")
    put.scheduled("s1")
    put.retry("r1", error_class="Broken", error_message="no luck")
    put.running("x1")
    put.dead("d1", error_class="Broken", error_message="no luck")
