"""The parent of worker processes: starts, watches and replaces them, and loses no job of theirs.

It never imports the application. Nothing a job does can therefore bring it down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobkit.lazy import lazily

if TYPE_CHECKING:
    from jobkit.supervisor.supervisor import Plan, Supervisor
else:
    __getattr__, __dir__ = lazily(__name__, {"supervisor": ("Plan", "Supervisor")})

__all__ = ["Plan", "Supervisor"]
