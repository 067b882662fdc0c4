"""The Django application: what happens when Django starts."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

import jobkit
from jobkit import middleware
from jobkit.errors import ConfigurationError

__all__ = ["JobkitConfig"]


class JobkitConfig(AppConfig):
    """Hands `settings.JOBKIT` to jobkit, and keeps database connections fresh around jobs."""

    name = "jobkit.contrib.django"
    label = "jobkit"
    verbose_name = "jobkit"

    def ready(self) -> None:
        # Once Django's own modules are ready.
        import_module("jobkit.contrib.django.checks")  # registers itself
        from jobkit.contrib.django.connections import Connections  # noqa: PLC0415

        _configure(getattr(settings, "JOBKIT", {}))
        middleware.add(Connections())


def _configure(values: Any) -> None:
    if not isinstance(values, dict):
        raise ImproperlyConfigured(f"JOBKIT is {values!r}: give a dict of jobkit's settings")
    try:
        jobkit.configure(**values)
    except (TypeError, ConfigurationError) as error:
        raise ImproperlyConfigured(f"JOBKIT: {error}") from error
