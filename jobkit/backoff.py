"""How long to wait before a failed job runs again.

A wait is declared as seconds, a timedelta, the name of a curve or a callable, and compiled once
into a `Backoff`: a function of the number of failures so far that answers in seconds.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Final, Literal

from jobkit.clock import as_seconds

__all__ = ["LONGEST", "Backoff", "Curve", "Wait", "compile_wait", "policy_delay", "within_bounds"]

Curve = Literal["polynomially_longer", "exponentially_longer"]
Wait = float | timedelta | Curve | Callable[[int], float | timedelta]
Backoff = Callable[[int], float]

#: Ten years, in seconds: no delay is longer, so that no sum of times leaves the calendar.
LONGEST: Final = 10 * 365.25 * 86400

# 2**62 seconds is far beyond LONGEST already; the power itself must stay a float.
_STEEPEST = 62


def compile_wait(wait: Wait, jitter: float | None) -> Backoff:
    """The function from failures so far (1 at the first) to seconds.

    "polynomially_longer" is n**4 + 2 (3, 18, 83, 258, …), "exponentially_longer" 2**n; both, and
    plain numbers, get up to `jitter` of themselves added at random. A callable's answer is exact.
    Raises TypeError or ValueError for anything else.
    """
    spread = _spread(jitter)
    if isinstance(wait, str):
        return _curve(wait, spread)
    if callable(wait):
        return lambda failures: within_bounds(as_seconds(wait(failures)))
    if isinstance(wait, bool) or not isinstance(wait, (int, float, timedelta)):
        raise TypeError(
            f"wait is {wait!r}: give seconds, a timedelta, 'polynomially_longer', "
            "'exponentially_longer' or a callable of the number of failures"
        )
    seconds = as_seconds(wait)
    if not math.isfinite(seconds):
        raise ValueError(f"wait is {wait!r}: give a finite number of seconds")
    return lambda failures: within_bounds(seconds + _jittered(seconds, spread))


def _curve(name: str, spread: float) -> Backoff:
    if name == "polynomially_longer":
        return lambda n: within_bounds(n**4 + 2 + _jittered(n**4, spread))
    if name == "exponentially_longer":
        return lambda n: within_bounds(_doubled(n) + _jittered(_doubled(n), spread))
    raise ValueError(
        f"wait is {name!r}: the named waits are 'polynomially_longer' and 'exponentially_longer'"
    )


def policy_delay(count: int) -> float:
    """The default policy's wait in seconds before retry number `count` + 1.

    Sidekiq's formula: count**4 + 15, and up to ten times count + 1 at random so that jobs which
    failed together do not come back together; 25 of them make about 20 days.
    """
    return within_bounds(count**4 + 15 + policy_jitter(count))


def policy_jitter(count: int) -> float:
    """What the default policy adds at random, in seconds."""
    return random.random() * 10 * (count + 1)


def within_bounds(seconds: float) -> float:
    """The delay, not below zero and not above `LONGEST`; not-a-number counts as zero."""
    return min(max(0.0, seconds), LONGEST) if seconds == seconds else 0.0  # noqa: PLR0124 - NaN


def _spread(jitter: float | None) -> float:
    if jitter is None:
        return 0.0
    if isinstance(jitter, bool) or not isinstance(jitter, (int, float)):
        raise TypeError(f"jitter is {jitter!r}: give a number, such as 0.15, or None")
    if not math.isfinite(jitter):
        raise ValueError(f"jitter is {jitter!r}: give a finite number")
    return jitter


def _doubled(n: int) -> float:
    return 2.0 ** min(n, _STEEPEST)


def _jittered(seconds: float, spread: float) -> float:
    return random.random() * spread * seconds
