"""The parent of worker processes: starts, watches and replaces them, and loses no job of theirs.

It never imports the application. Nothing a job does can therefore bring it down.
"""

from __future__ import annotations

from jobkit.supervisor.supervisor import Plan, Supervisor

__all__ = ["Plan", "Supervisor"]
