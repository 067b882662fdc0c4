"""Jobs that a memory store takes as another store had them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from jobkit.adapter import State
from jobkit.capabilities import StoredJob
from jobkit.errors import PayloadError
from jobkit.locks import Lock
from jobkit.payload import Payload, new_id
from jobkit.restoring import SupportsRestore, lock_of
from jobkit_inline.memory.handle import Handle
from jobkit_inline.memory.records import Envelope, Job

__all__ = ["Restoring"]

_UNREADABLE: Final = Envelope("default", 0, "", None, 0)


class Restoring(Handle, SupportsRestore):
    """Puts jobs where they lay."""

    def restore(self, jobs: Sequence[StoredJob]) -> list[str | None]:
        with self._lock:
            return [self._restore(job) for job in jobs]

    def _restore(self, job: StoredJob) -> str | None:
        job_id, envelope = _read(job.payload)
        job_id = job.id or job_id or new_id()
        if self._store.find(job_id) is not None:
            return None
        lock = lock_of(job)
        winner = None if lock is None else self._store.holder(lock.name)
        if winner is not None:
            return winner
        state = State.ENQUEUED if job.state is State.BLOCKED else job.state
        at, name = job.at or self._clock.time(), lock.name if lock else _unheld(job)
        text = job.payload.text
        self._store.put(Job(job_id, 0, text, envelope, state, run_at=at, at=at, lock=name))
        return None


def _read(payload: Payload) -> tuple[str, Envelope]:
    try:
        return payload.id, Envelope.of(payload)
    except PayloadError:
        return "", _UNREADABLE


def _unheld(job: StoredJob) -> str:
    """The name of a lock that a dead job must have again before it runs."""
    lock = Lock.of(job.payload)
    dead = lock is not None and lock.is_held and job.state is State.DEAD
    return lock.name if lock is not None and dead else ""
