"""Django is set up here, before any test module: this suite has a process of its own."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
os.environ.setdefault("SUITE_FOLDER", tempfile.mkdtemp(prefix="jobkit-django-"))
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
sys.path.insert(0, str(HERE))

import django  # noqa: E402 - as above

django.setup()

from django.core.management import call_command  # noqa: E402 - once Django is set up
from shop.models import Order  # noqa: E402 - as above

import jobkit  # noqa: E402 - as above


@pytest.fixture(scope="session", autouse=True)
def tables() -> None:
    call_command("migrate", run_syncdb=True, verbosity=0)


@pytest.fixture(autouse=True)
def empty(tables: None) -> Iterator[None]:
    yield
    Order.objects.all().delete()
    inspector = jobkit.inspect()
    for state in ("enqueued", "scheduled", "retry", "dead"):
        inspector.discard_all(state)
