"""Strikes one worker process after the other in a gap, and accounts for twenty jobs each time.

`python -m tests.chaos.gaps URL FOLDER` reads cases, a line `GAP ACT` each, perhaps with a fault of
`mutations` behind it, and answers with a line of JSON: whether it struck, and what is wrong.
Workers are forks of this process, which has loaded everything and opened nothing: that is what
makes a case a matter of a second.
"""

from __future__ import annotations

import json
import logging
import math
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from jobkit import backends, enqueue_in, perform_all_later, settings
from jobkit.errors import JobkitError
from jobkit.settings import Queues
from jobkit.worker import Worker, WorkerOptions
from tests.chaos import mutations, witness
from tests.chaos.application import ATTEMPTS, JOURNAL, QUEUE, Failing, Quick
from tests.chaos.evidence import Closing, Evidence
from tests.chaos.failpoints import GAPS, Act, arm
from tests.chaos.harness import Inspected, dead_of, waiting_in
from tests.chaos.journal import Journal, Reader
from tests.chaos.oracle import violations

__all__ = ["LEASE", "main"]

LEASE: Final = 0.6
_JOBS: Final = 20
_THREADS: Final = 2
_BODY: Final = 0.01
_WITHIN: Final = 30.0

_INSIDE: Final = ("kill", None)
"""How the journal names a strike, and its end: as the harm it is like."""

_NAMES: Final = {
    (Act.EXIT, True): _INSIDE,
    (Act.EXIT, False): _INSIDE,
    (Act.RAISE, True): _INSIDE,
    (Act.RAISE, False): ("drop-reply", "healed"),
    (Act.BLOCK, True): ("zombie", "resume"),
    (Act.BLOCK, False): ("zombie", "resume"),
}


class Case:
    """One gap, one act, twenty jobs."""

    def __init__(self, folder: Path, gap: str, act: Act, fault: str = "") -> None:
        self._gap = gap
        self._fault = fault
        self._act = act
        self._folder = folder
        self._path = folder / "journal"
        os.environ[JOURNAL] = str(self._path)
        self._harmed = 0
        """Acts that stand in the journal before the victim is there."""
        Journal(self._path).close()

    def account(self) -> dict[str, Any]:
        """Live through it; what is wrong, and whether it struck at all."""
        before = _asked(_counted)
        self._prepare()
        victim = _forked(self._producer if self._is_producer else self._victim)
        struck = _until(lambda: self._strikes() > self._harmed)
        helper = _forked(self._helper)
        drained = _asked(_drained)
        code = _stopped(victim)
        _asked(lambda: _recovered(helper))
        codes = [_stopped(helper)]
        final = _asked(_final)
        closing = Closing(
            dead={job: (tries, error) for job, (tries, error) in final["dead"].items()},
            waiting=final["waiting"],
            workers=final["workers"],
            processed=final["processed"] - before,
            drained_in=math.inf if drained is None else drained,
            codes=codes,
        )
        evidence = Evidence.of(Reader(self._path).read(), closing, lease=LEASE)
        found = violations(evidence)
        return {
            "struck": struck,
            "code": code,
            "jobs": len(evidence.intended),
            "violations": [each.told(evidence) for each in found],
        }

    @property
    def _is_producer(self) -> bool:
        return self._gap == "after_commit_before_enqueue"

    def _strikes(self) -> int:
        return sum(entry.word == "act" for entry in Reader(self._path).read())

    def _prepare(self) -> None:
        if not self._is_producer:
            _stopped(_forked(self._enqueue), ask=False)
        if self._gap == "in_reap_after_cas":
            _stopped(_forked(self._doomed), ask=False)
            self._harmed = 1

    def _jobs(self) -> list[tuple[str, Any]]:
        """Sixteen that succeed, two that fail at first, two that die of their failures."""
        quick: list[tuple[str, Any]] = [("quick", Quick.new(_BODY)) for _ in range(_JOBS - 4)]
        cured = [("cured", Failing.new(_BODY, ATTEMPTS)) for _ in range(2)]
        doomed = [("doomed", Failing.new(_BODY, ATTEMPTS + 1)) for _ in range(2)]
        return [*cured, *quick, *doomed]

    # What follows runs in forks.

    def _enqueue(self) -> int:
        journal, jobs = Journal(self._path), self._jobs()
        journal.write_all([("intend", job.id, kind) for kind, job in jobs])
        perform_all_later([job for _, job in jobs])
        journal.write_all([("stored", job.id) for _, job in jobs])
        return 0

    def _producer(self) -> int:
        """Enqueues with a transaction in another database, struck between commit and enqueue."""
        journal, jobs = Journal(self._path), self._jobs()
        journal.write_all([("intend", job.id, kind) for kind, job in jobs])
        with Session(create_engine(f"sqlite:///{self._folder / 'own.db'}")) as session:
            with enqueue_in(session):
                for _, job in jobs:
                    perform_all_later([job])
            self._arm(journal)
            session.commit()
        journal.write_all([("stored", job.id) for _, job in jobs])
        return 0

    def _doomed(self) -> int:
        """A worker that dies with some jobs in hand, so that somebody has something to recover."""
        journal = Journal(self._path)
        witness.watch(journal)
        adapter, worker = backends.get_adapter(), f"host:{os.getpid()}:doomed"
        adapter.beat(worker, lease=LEASE, claims=[], register=True)
        adapter.claim([QUEUE], limit=6, worker=worker)
        journal.write("act", "kill")
        return 0

    def _victim(self) -> int:
        journal = Journal(self._path)
        witness.watch(journal)
        mutations.seed(self._fault)
        self._arm(journal)
        return _worked(stop_at_once=self._gap == "in_shutdown_giveback")

    def _helper(self) -> int:
        witness.watch(Journal(self._path))
        return _worked()

    def _arm(self, journal: Journal) -> None:
        gap = GAPS[self._gap]
        began, ended = _NAMES[self._act, gap.inside]
        pid = 0 if ended == "healed" else None

        def strikes() -> None:
            journal.write("act", began, pid=pid)
            if ended == "healed":
                journal.write("act", ended, pid=pid)
            elif ended is not None:
                later = time.monotonic() + 2 * LEASE
                journal.write("act", ended, at=later)

        arm(gap, self._act, seconds=2 * LEASE, strikes=strikes)


def _worked(*, stop_at_once: bool = False) -> int:
    """Be a worker until TERM, or until a part of it breaks: 1."""
    options = WorkerOptions(
        queues=Queues((QUEUE,)), concurrency=_THREADS, lease=LEASE, shutdown_timeout=5
    )
    worker = Worker(backends.get_adapter(), options)
    signal.signal(signal.SIGTERM, lambda *_: worker.desk.inbox.put("stop"))
    if not worker.start():
        return 1
    if stop_at_once:
        while not worker.desk.held:
            time.sleep(0.001)
        worker.stop(0)
        return 0
    message = worker.next_message()
    worker.stop(5)
    return int(message != "stop")


def _forked(do: Callable[[], int]) -> int:
    """The pid of a process that does it and ends."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        signal.alarm(60)  # whatever happens to this process, none of these stays
        code = do()
    except JobkitError as error:
        logging.getLogger("chaos").warning("%s", error)
    except BaseException:  # noqa: BLE001 - nothing of the parent's may run in the fork
        traceback.print_exc()
    os._exit(code)


def _asked(question: Callable[[], Any]) -> Any:
    """The answer to a question that needs the store, from a fork."""
    reader, writer = os.pipe()

    def answer() -> int:
        os.write(writer, json.dumps(question()).encode())
        return 0

    pid = _forked(answer)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    return json.loads(text)


def _stopped(pid: int, *, ask: bool = True) -> int | None:
    """Have it end; how it did, None if it had to be killed."""
    if ask:
        os.kill(pid, signal.SIGTERM)  # to one that has ended already it is nothing
    status: list[int] = []

    def ended() -> bool:
        found, code = os.waitpid(pid, os.WNOHANG)
        status.append(code)
        return found != 0

    if _until(ended):
        return os.waitstatus_to_exitcode(status[-1])
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return None


def _until(condition: Callable[[], bool]) -> bool:
    """Wait for it; False when it did not come."""
    deadline = time.monotonic() + _WITHIN
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _store() -> Inspected:
    return cast("Inspected", backends.get_adapter())


def _counted() -> int:
    return _store().stats().processed


def _drained() -> float | None:
    """Wait until nothing waits; the seconds it took."""
    store, began = _store(), time.monotonic()
    return time.monotonic() - began if _until(lambda: not waiting_in(store)) else None


def _recovered(helper: int) -> bool:
    """Wait until the helper is registered, which listens then, and nobody else is."""
    store = _store()
    return _until(lambda: [each.pid for each in store.workers()] == [helper])


def _final() -> dict[str, Any]:
    store = _store()
    stats = store.stats()
    return {
        "dead": dead_of(store),
        "waiting": waiting_in(store),
        "workers": stats.workers,
        "processed": stats.processed,
    }


def main(url: str, folder: Path) -> None:
    """Answer until there are no more cases."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(message)s")
    os.environ["JOBKIT_URL"] = url
    settings.reset()
    for number, line in enumerate(sys.stdin):
        gap, act, *fault = line.split()
        own = folder / f"{number}-{gap}-{act}"
        own.mkdir()
        print(json.dumps(Case(own, gap, Act(act), *fault).account()), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
