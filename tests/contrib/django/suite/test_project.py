"""The rest of Django: settings, commits, connections, checks, manage.py."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, transaction
from shop import tasks
from shop.jobs import Ship, ShipApart, count
from shop.models import Order

import jobkit
from jobkit import settings as jobkit_settings
from jobkit.contrib.django import enqueue_on_commit
from jobkit.contrib.django.apps import _configure
from jobkit_inline import (
    FakeAdapter,
    assert_enqueued,
    assert_no_enqueued,
    enqueued_jobs,
    use_adapter,
)

HERE = Path(__file__).parent


def manage(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(HERE / "manage.py"), *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=150,
        cwd=HERE.parent,
    )


def test_the_settings_are_djangos() -> None:
    assert jobkit_settings.current().concurrency == 3


def test_a_wrong_setting_is_an_error_of_djangos() -> None:
    with pytest.raises(ImproperlyConfigured, match="concurency"):
        _configure({"concurency": 3})
    with pytest.raises(ImproperlyConfigured, match="dict"):
        _configure(["concurrency"])


def test_the_application_is_installed() -> None:
    assert apps.get_app_config("jobkit").name == "jobkit.contrib.django"


class TestCommits:
    @pytest.fixture(autouse=True)
    def fake(self) -> Any:
        with use_adapter(FakeAdapter()) as adapter:
            yield adapter

    def test_jobs_wait_for_the_commit(self) -> None:
        with transaction.atomic():
            with enqueue_on_commit():
                job = Ship.perform_later("blue")
            assert job.successfully_enqueued is None
            assert_no_enqueued()
        assert job.successfully_enqueued
        assert_enqueued(Ship, args=["blue"])

    def test_jobs_are_dropped_with_their_transaction(self) -> None:
        with transaction.atomic(), enqueue_on_commit():
            Ship.perform_later("blue")
            transaction.set_rollback(True)
        assert_no_enqueued()

    def test_jobs_are_dropped_with_their_savepoint(self) -> None:
        with transaction.atomic(), enqueue_on_commit():
            Ship.perform_later("kept")
            with transaction.atomic():
                Ship.perform_later("dropped")
                transaction.set_rollback(True)
        assert [job.args for job in enqueued_jobs()] == [["kept"]]

    def test_outside_of_a_transaction_jobs_are_sent_at_once(self) -> None:
        with enqueue_on_commit():
            assert Ship.perform_later("blue").successfully_enqueued

    def test_bulk_calls_wait_too(self) -> None:
        with transaction.atomic(), enqueue_on_commit():
            jobkit.perform_all_later([Ship.new("a"), Ship.new("b")])
            assert_no_enqueued()
        assert len(enqueued_jobs()) == 2

    def test_over_a_function_everything_it_enqueues_waits(self) -> None:
        @enqueue_on_commit
        def view() -> None:
            Ship.perform_later("view")
            assert_no_enqueued()

        with transaction.atomic():
            view()
            assert_no_enqueued()
        assert_enqueued(Ship, count=1)

    def test_a_wrong_argument_is_refused_where_it_is_given(self) -> None:
        with transaction.atomic(), enqueue_on_commit(), pytest.raises(jobkit.SerializationError):
            Ship.perform_later(object())  # type: ignore[arg-type]


def test_a_job_finds_its_connection_fresh() -> None:
    def old() -> None:
        connection.ensure_connection()
        connection.close_at = 0  # older than it may be
        connection.health_check_enabled = True
        assert count.perform_now() == 0
        assert connection.connection is None  # and none is left open
        connection.close()

    thread = threading.Thread(target=old)
    thread.start()
    thread.join()


def test_the_checks_find_nothing_here() -> None:
    assert not checks.run_checks(databases=["default"])


def test_the_checks_find_a_backend_that_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBKIT_URL", "nowhere://")
    jobkit.configure()
    try:
        messages = checks.run_checks(tags=["jobkit"])
    finally:
        monkeypatch.undo()
        jobkit.configure()
    assert [message.id for message in messages] == ["jobkit.E001"]
    assert "nowhere://" in messages[0].msg


def test_manage_py_runs_a_worker_with_the_projects_jobs() -> None:
    Ship.perform_later("by a worker")
    ShipApart.perform_later("in a process of its own")
    tasks.ship.enqueue("a task")

    done = manage("jobkit", "worker", "--burst")
    assert done.returncode == 0, done.stderr
    assert sorted(Order.objects.values_list("note", flat=True)) == [
        "a task",
        "by a worker",
        "in a process of its own",
    ]


def test_manage_py_takes_djangos_own_options_anywhere() -> None:
    done = manage("jobkit", "stats", "--json", "--settings", "settings")
    assert done.returncode == 0, done.stderr
    assert '"enqueued": 0' in done.stdout


def test_manage_py_leaves_with_the_commands_code() -> None:
    done = manage("jobkit", "jobs", "show", "nobody")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_manage_py_check_imports_the_jobs() -> None:
    done = manage("jobkit", "check")
    assert (done.returncode, done.stdout) == (0, "everything is fine\n"), done.stderr
