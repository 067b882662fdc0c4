"""Django: the settings `JOBKIT`, `manage.py jobkit`, commits, and a backend of Django's Tasks.

    INSTALLED_APPS = [..., "jobkit.contrib.django"]
    JOBKIT = {"url": "postgresql://localhost/app"}
    TASKS = {"default": {"BACKEND": "jobkit.contrib.django.JobkitBackend"}}

Jobs are looked for in the modules `jobs` and `tasks` of every installed application.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobkit.contrib.django.commit import enqueue_on_commit
    from jobkit.contrib.django.tasks import JobkitBackend

__all__ = ["JobkitBackend", "enqueue_on_commit"]


def __getattr__(name: str) -> Any:
    # Django imports this package before its applications are ready, when nothing else may be.
    if name == "JobkitBackend":
        from jobkit.contrib.django.tasks import JobkitBackend  # noqa: PLC0415

        return JobkitBackend
    if name == "enqueue_on_commit":
        from jobkit.contrib.django.commit import enqueue_on_commit  # noqa: PLC0415

        return enqueue_on_commit
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
