"""When a child is replaced, when it is given up, when it stands still: nothing but arithmetic.

Times are seconds on one monotonic clock.
"""

from __future__ import annotations

import signal
from typing import Final

__all__ = [
    "GIVE_UP_AFTER",
    "Backoff",
    "StallWatch",
    "Stops",
    "Unready",
    "exit_code",
    "how_it_died",
    "stalled",
]

_STEADY: Final = 1.0
_FIRST_WAIT: Final = 0.5
_LONGEST_WAIT: Final = 5.0

GIVE_UP_AFTER: Final = 5
"""Children in a row that died before they were ready."""

_SECOND_TERM_AFTER: Final = 1.0
"""Another TERM is meant then: service managers send one to the group and one to the parent."""

_BOOT: Final = 60.0
"""The application's import is no turn of the main loop, and may take its time."""

_ASLEEP: Final = 5.0
"""Who did not look for so long was stopped itself, perhaps with all its children."""


class Backoff:
    """How long a slot stays empty: not at all behind a child that had been ready for a second."""

    def __init__(self) -> None:
        self._wait = _FIRST_WAIT

    def became_ready(self) -> None:
        """The slot's child said hello."""
        self._wait = _FIRST_WAIT

    def died(self, ready_for: float | None) -> float:
        """The seconds until the next child; `ready_for` None: it was never ready."""
        if ready_for is not None and ready_for >= _STEADY:
            return 0.0
        wait, self._wait = self._wait, min(2 * self._wait, _LONGEST_WAIT)
        return wait


class Unready:
    """Counts children in a row that died before they were ready, in whichever slots."""

    def __init__(self) -> None:
        self._deaths = 0

    def became_ready(self) -> None:
        """A child said hello."""
        self._deaths = 0

    def died(self, code: int) -> bool:
        """True when that was one too many. SIGKILL tells nothing: memory, or an operator."""
        self._deaths += code != -signal.SIGKILL
        return self._deaths >= GIVE_UP_AFTER


class Stops:
    """Reads a sequence of stop signals."""

    def __init__(self) -> None:
        self._first: float | None = None

    @property
    def asked(self) -> bool:
        """True after the first."""
        return self._first is not None

    def hurry(self, number: int, now: float) -> bool:
        """Note a signal; True if it means that nobody should wait any more."""
        if self._first is None:
            self._first = now
            return False
        return number == signal.SIGINT or now - self._first > _SECOND_TERM_AFTER


class StallWatch:
    """Tells for how long a child's main loop has stood still."""

    def __init__(self, now: float) -> None:
        self._turns = -1
        self._since = self._looked = now

    def still_for(self, turns: int, now: float) -> float:
        """Note how often the loop has turned; the seconds since it turned last."""
        if turns != self._turns or now - self._looked > _ASLEEP:
            self._turns, self._since = turns, now
        self._looked = now
        return now - self._since


def stalled(still_for: float, timeout: float, *, ready: bool) -> bool:
    """True for a main loop that has stood still for too long; a `timeout` of 0 is never."""
    return timeout > 0 and still_for >= (timeout if ready else max(timeout, _BOOT))


def how_it_died(pid: int, code: int) -> str:
    """A child's end in words, kept with the jobs it is charged to."""
    if code >= 0:
        return f"the worker process {pid} exited with code {code} while the job ran"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"the worker process {pid} was killed by {name} while the job ran"


def exit_code(code: int) -> int:
    """What a burst whose child died that way exits with: never 0."""
    return 128 - code if code < 0 else code or 1
