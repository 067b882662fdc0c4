"""Steps: jobs that go on where they were.

A job's steps are run in their order, each once, whatever interrupts the job in between. Inside of
one a cursor says how far it has come.
"""

from __future__ import annotations

from jobkit.steps.progress import Steps, checked, tell_cancelled
from jobkit.steps.step import Step

__all__ = ["Step", "Steps", "checked", "tell_cancelled"]
