"""The names of everything in the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from jobkit.adapter import State
from jobkit.clock import as_datetime

__all__ = ["Keys", "encoded"]

_ENCODING: Final = "utf-8"
_OURS: Final = (State.BLOCKED, State.COMPLETED)


def encoded(text: str) -> bytes:
    """The text as stored. Bytes that were no UTF-8 when they were read become what they were.

    Raises UnicodeEncodeError for half a character.
    """
    return text.encode(_ENCODING, "surrogateescape")


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys of a namespace, in one slot of a cluster; without one, Sidekiq's own stand bare."""

    own: str
    """Before the keys that Sidekiq has, too."""
    ours: str
    """Before those that only jobkit has."""
    db: int

    @classmethod
    def of(cls, namespace: str, db: int) -> Keys:
        prefix = f"{{{namespace}}}:" if namespace else ""
        return cls(own=prefix, ours=prefix or "jobkit:", db=db)

    # Sidekiq's.

    @property
    def queues(self) -> str:
        return f"{self.own}queues"

    @property
    def paused(self) -> str:
        return f"{self.own}paused"

    @property
    def processes(self) -> str:
        return f"{self.own}processes"

    def listed(self, queue: str) -> bytes:
        return encoded(f"{self.own}queue:{queue}")

    def waiting(self, state: State) -> str:
        """The sorted set of a state that has one."""
        name = {State.SCHEDULED: "schedule", State.COMPLETED: "completed"}.get(state, state.value)
        return f"{self.ours if state in _OURS else self.own}{name}"

    def total(self, name: str) -> str:
        return f"{self.own}stat:{name}"

    def minute(self, minute: int) -> str:
        """What runs took in a minute since the epoch, by class; Sidekiq 8's name for it."""
        at = as_datetime(minute * 60)
        return f"{self.own}j|{at:%y%m%d}|{at.hour}:{at.minute:02}"

    def of_process(self, worker: str) -> list[str]:
        """Presence, what runs as 7 and 8 have it, the same as 6 has it, orders."""
        key = f"{self.own}{worker}"
        return [key, f"{key}:work", f"{key}:workers", f"{key}-signals"]

    # jobkit's.

    @property
    def workers(self) -> str:
        return f"{self.ours}workers"

    @property
    def leases(self) -> str:
        return f"{self.ours}leases"

    @property
    def sequence(self) -> str:
        return f"{self.ours}sequence"

    def ranked(self, queue: str) -> bytes:
        return encoded(f"{self.ours}priority:{queue}")

    def claimed(self, worker: str) -> str:
        return f"{self.ours}{worker}:claimed"

    @property
    def offers(self) -> str:
        """Which workers take a job as it is enqueued."""
        return f"{self.ours}offers"

    @property
    def locks(self) -> str:
        """The locks of unique jobs that end with their job."""
        return f"{self.ours}unique"

    def lock(self, name: str) -> bytes:
        """One that time alone ends."""
        return encoded(f"{self.ours}unique:{name}")

    def once(self, job_id: str) -> bytes:
        """Remembers that a job with an idempotency key was stored."""
        return encoded(f"{self.ours}once:{job_id}")

    def result(self, job_id: str) -> bytes:
        """What a job came to, until it expires."""
        return encoded(f"{self.ours}result:{job_id}")

    @property
    def limits(self) -> str:
        """The limits in use. What belongs to one is named by the scripts (`parts/limits.lua`)."""
        return f"{self.ours}limits"

    @property
    def looks(self) -> list[str]:
        """Which limits upkeep looks at, and when; which rates have room for who waits, and when."""
        return [f"{self.limits}:look", f"{self.limits}:due"]

    @property
    def batches(self) -> str:
        """The ids of all batches."""
        return f"{self.ours}batches"

    @property
    def open_batches(self) -> str:
        """Those whose block was not left, by when they were touched."""
        return f"{self.ours}batches:open"

    @property
    def over_batches(self) -> str:
        """Those that finished, by when they are forgotten."""
        return f"{self.ours}batches:over"

    @property
    def watched_batches(self) -> str:
        """Which process looks for members that are nowhere any more."""
        return f"{self.ours}batches:watched"

    def of_batch(self, batch: str) -> list[bytes]:
        """What is known of one, its pending members, those that failed."""
        return [encoded(f"{self.ours}{kind}:{batch}") for kind in ("batch", "pending", "failed")]

    @property
    def recurring(self) -> list[str]:
        """Hashes and a set by the entries' names: text, owner, latest tick, ten runs, paused."""
        names = ("entries", "owners", "last", "runs", "paused")
        return [f"{self.ours}cron:{name}" for name in names]

    @property
    def channel(self) -> str:
        """Messages know no databases: each has a channel of its own."""
        return f"{self.ours}wake:{self.db}"
