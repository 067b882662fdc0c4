"""What jobs came to, in a memory store."""

from __future__ import annotations

from jobkit.results import SupportsResults
from jobkit_inline.memory.handle import Handle

__all__ = ["Results"]


class Results(Handle, SupportsResults):
    """Tells results; `Store.keep` has them kept."""

    def result(self, job_id: str) -> str | None:
        with self._lock:
            ends_at, text = self._store.results.get(job_id, (0.0, ""))
            return text if ends_at > self._clock.time() else None
