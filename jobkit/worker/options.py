"""How a worker is to work."""

from __future__ import annotations

from dataclasses import dataclass

from jobkit.settings import Queues

__all__ = ["WorkerOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """Times are seconds. `burst`: leave when the queues are empty; `max_jobs`: after that many.

    `max_memory`: leave above so many bytes, once nothing runs; only where the system tells (Linux).
    `boot_timeout` bounds the wait for a store that is away at the start; None waits for ever.
    `backend` is the store's name in the configuration, `url` where another process finds it (None:
    nowhere); `application` names the modules that the
    worker imported, whose recurring entries it keeps up. `embedded`: it works in a program of
    somebody else's, which alone may stop it.
    """

    queues: Queues
    concurrency: int = 10
    lease: float = 30.0
    shutdown_timeout: float = 25.0
    boot_timeout: float | None = None
    burst: bool = False
    max_jobs: int | None = None
    backend: str = "default"
    application: str = "code"
    max_memory: int | None = None
    embedded: bool = False
    url: str | None = None

    @property
    def beat_every(self) -> float:
        """A sixth of the lease: five beats may be lost before a worker counts as dead."""
        return self.lease / 6
