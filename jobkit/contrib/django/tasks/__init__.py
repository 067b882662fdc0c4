"""jobkit as a backend of Django's Tasks."""

from __future__ import annotations

from jobkit.contrib.django.tasks.backend import JobkitBackend

__all__ = ["JobkitBackend"]
