"""A small Django project, on files of the folder in SUITE_FOLDER."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

FOLDER = Path(os.environ["SUITE_FOLDER"])
SECRET_KEY = "for tests only"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": FOLDER / "shop.sqlite3",
        "OPTIONS": {"timeout": 20},
    }
}
BACKPORT = importlib.util.find_spec("django.tasks") is None
INSTALLED_APPS = ["jobkit.contrib.django", "shop", *(["django_tasks"] if BACKPORT else [])]
MIGRATION_MODULES = {"shop": None}
JOBKIT = {"url": f"sqlite:///{FOLDER / 'jobs.sqlite3'}", "concurrency": 3}
TASKS = {
    "default": {
        "BACKEND": "jobkit.contrib.django.JobkitBackend",
        "QUEUES": ["default", "mailers"],
        "OPTIONS": {"retry": 1},
    },
    "after_commit": {
        "BACKEND": "jobkit.contrib.django.JobkitBackend",
        "OPTIONS": {"enqueue_on_commit": "default"},
    },
}
