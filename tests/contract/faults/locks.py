"""Faults in what unique jobs hold, and for how long."""

from tests.contract.faults.fault import Fault

FAULTS = (
    Fault(
        "stores equal jobs",
        "Uniqueness",
        "uniqueness.py",
        "    if winner is not None:\n        if not",
        "    if winner == 'nobody':\n        if not",
    ),
    Fault(
        "tells losers nothing",
        "Uniqueness",
        "uniqueness.py",
        "            return winner\n",
        "            return None\n",
    ),
    Fault(
        "skips what was to raise",
        "Uniqueness",
        "uniqueness.py",
        "    _refuse(store, payloads, now)\n",
        "",
    ),
    Fault(
        "replaces what runs",
        "Uniqueness",
        "uniqueness.py",
        "job.state not in (State.RUNNING, *OVER)",
        "job.state not in OVER",
    ),
    Fault(
        "leaves the locks of removed jobs behind",
        "Locking",
        "store.py",
        "            del self._locks[job.lock]\n",
        "            pass\n",
    ),
    Fault(
        "frees a lock that another job has by now",
        "Locking",
        "store.py",
        "if job.lock and self._locks.get(job.lock) == job.id:",
        "if job.lock in self._locks:",
    ),
    Fault(
        "has dead jobs keep others out",
        "Locking",
        "store.py",
        "if job.lock and job.state not in OVER:",
        "if job.lock:",
    ),
    Fault(
        "keeps others out after the start",
        "Locking",
        "records.py",
        'lock = "" if self.lock.startswith(f"{Until.START}:") else self.lock',
        "lock = self.lock",
    ),
    Fault(
        "brings a dead job back beside its successor",
        "Locking",
        "management.py",
        "return lock.name if self._store.holder(lock.name) is None else None",
        "return lock.name",
    ),
    Fault(
        "brings a dead job back without its lock",
        "Locking",
        "management.py",
        "return lock.name if self._store.holder(lock.name) is None else None",
        'return "" if self._store.holder(lock.name) is None else None',
    ),
    Fault(
        "never ends a lock by time",
        "Locking",
        "uniqueness.py",
        "if ends <= now]",
        "if ends < 0]",
    ),
    Fault(
        "ticks beside an equal job",
        "Locking",
        "ticking.py",
        "lost = admit(self._store, payload, envelope, self._clock.time()) is not None",
        "lost = self._store.add(payload, envelope, self._clock.time()) is not None",
    ),
)
