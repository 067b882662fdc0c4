"""What jobs came to, kept for who waits for it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

__all__ = ["Result", "SupportsResults"]


@dataclass(frozen=True, slots=True)
class Result:
    """What a job came to, as text that is opaque to the store, and for how many seconds.

    A part of it is the text of the payload: what keeps one, keeps the other.
    """

    text: str
    seconds: float


class SupportsResults(ABC):
    """Can keep what jobs came to.

    `settle` keeps the `result` of an Ack or a Bury in the step that applies it, under the id of
    the job, in place of an earlier one: of a claim that is stale nothing is kept. Settlements
    without one cost nothing of this.
    """

    @abstractmethod
    def result(self, job_id: str) -> str | None:
        """The text, until its seconds are over; None when there is none."""
