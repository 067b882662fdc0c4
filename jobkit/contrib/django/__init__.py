"""Django: the settings `JOBKIT`, `manage.py jobkit`, commits, and a backend of Django's Tasks.

    INSTALLED_APPS = [..., "jobkit.contrib.django"]
    JOBKIT = {"url": "postgresql://localhost/app"}
    TASKS = {"default": {"BACKEND": "jobkit.contrib.django.JobkitBackend"}}

Jobs are looked for in the modules `jobs` and `tasks` of every installed application.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobkit.lazy import lazily

if TYPE_CHECKING:
    from jobkit.contrib.django.commit import enqueue_on_commit
    from jobkit.contrib.django.tasks import JobkitBackend
else:
    # Django imports this package before its applications are ready, when nothing else may be.
    __getattr__, __dir__ = lazily(
        __name__, {"commit": ("enqueue_on_commit",), "tasks": ("JobkitBackend",)}
    )

__all__ = ["JobkitBackend", "enqueue_on_commit"]
