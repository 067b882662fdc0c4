"""Django's Tasks, kept and run by jobkit."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.utils import timezone
from shop import tasks
from shop.models import Order

import jobkit
from jobkit.contrib.django import JobkitBackend
from jobkit.contrib.django.tasks import flavour
from jobkit.contrib.django.tasks.declared import JobkitTask, job_class_of
from jobkit_inline import FakeAdapter, MemoryAdapter, drain, use_adapter

READY, FAILED = flavour.TaskResultStatus.READY, flavour.TaskResultStatus.FAILED
SUCCESSFUL = flavour.TaskResultStatus.SUCCESSFUL


@pytest.fixture
def fake() -> Any:
    with use_adapter(FakeAdapter()) as adapter:
        yield adapter


@pytest.fixture
def told() -> Any:
    """The signals that were sent: name, status, and the class that sent it."""
    heard: list[tuple[str, str, type]] = []
    signals = {
        "enqueued": flavour.task_enqueued,
        "started": flavour.task_started,
        "finished": flavour.task_finished,
    }

    def hear(name: str) -> Any:
        def receive(sender: type, task_result: Any, **kwargs: Any) -> None:
            heard.append((name, task_result.status.name, sender))

        return receive

    receivers = {name: hear(name) for name in signals}
    for name, signal in signals.items():
        signal.connect(receivers[name])
    yield heard
    for name, signal in signals.items():
        signal.disconnect(receivers[name])


def test_a_task_is_stored_as_a_job_named_after_its_function() -> None:
    result = tasks.mail.enqueue("ada@example.org")

    info = jobkit.inspect().find(result.id)
    assert info is not None
    assert (info.job_class, info.args, info.queue) == (
        "shop.tasks.mail",
        ["ada@example.org"],
        "mailers",
    )
    assert result.status is READY
    assert result.enqueued_at is not None


def test_a_higher_priority_runs_sooner() -> None:
    result = tasks.mail.using(priority=7).enqueue("x")
    assert jobkit.inspect().find(result.id).priority == -7  # type: ignore[union-attr]


def test_a_task_runs_and_tells_of_it(fake: FakeAdapter, told: list[Any]) -> None:
    tasks.ship.enqueue("blue", times=2)
    drain()

    assert Order.objects.filter(note="blue").count() == 2
    assert told == [
        ("enqueued", "READY", JobkitBackend),
        ("started", "RUNNING", JobkitBackend),
        ("finished", "SUCCESSFUL", JobkitBackend),
    ]


def test_a_coroutine_function_is_awaited(fake: FakeAdapter, told: list[Any]) -> None:
    tasks.wait.enqueue(0)
    drain()
    assert told[-1][:2] == ("finished", "SUCCESSFUL")


def test_the_context_counts_attempts(fake: FakeAdapter) -> None:
    tasks.stubborn.enqueue("attempt")
    drain()
    assert sorted(Order.objects.values_list("note", flat=True)) == ["attempt 1", "attempt 2"]


def test_a_task_that_fails_for_good_tells_of_it_once(fake: FakeAdapter, told: list[Any]) -> None:
    tasks.fail.enqueue("no")
    drain()

    assert [name for name, *_ in told] == ["enqueued", "started", "started", "finished"]
    assert told[-1][1] == "FAILED"


def test_a_rule_goes_above_the_task(fake: FakeAdapter, told: list[Any]) -> None:
    tasks.unlucky.enqueue()
    drain()
    assert [name for name, *_ in told].count("started") == 2


def test_arguments_are_made_json_as_django_does() -> None:
    result = tasks.ship.enqueue("blue", times=1)
    assert result.args == ["blue"]
    with pytest.raises(TypeError):
        tasks.ship.enqueue(object())


def test_arguments_that_the_function_does_not_take_are_refused_at_once() -> None:
    with pytest.raises(TypeError, match="ship"):
        tasks.ship.enqueue("blue", colour=1)
    assert jobkit.inspect().stats().enqueued == 0


def test_a_task_can_wait_for_its_time() -> None:
    later = timezone.now() + timedelta(hours=1)
    result = tasks.ship.using(run_after=later).enqueue("late")

    stored = tasks.ship.get_result(result.id)
    assert stored.status is READY
    assert abs(stored.task.run_after - later) < timedelta(seconds=1)
    assert jobkit.inspect().stats().scheduled == 1


def test_a_result_is_found_by_its_id_and_refreshed() -> None:
    result = tasks.mail.enqueue("x")
    found = tasks.mail.get_result(result.id)

    assert (found.id, found.args, found.task.queue_name) == (result.id, ["x"], "mailers")
    jobkit.inspect().bury([result.id])
    result.refresh()
    assert result.status is FAILED


def test_what_a_finished_task_returned_is_told_for_a_day(fake: FakeAdapter) -> None:
    result = tasks.add.using(priority=3).enqueue(2, right=3)
    drain()
    found = tasks.add.get_result(result.id)

    assert (found.status, found.return_value, found.attempts) == (SUCCESSFUL, 5, 1)
    assert (found.args, found.kwargs, found.task.priority) == ([2], {"right": 3}, 3)
    assert found.enqueued_at <= found.started_at <= found.finished_at
    result.refresh()
    assert result.return_value == 5
    assert job_class_of(tasks.add)._options.store_result == 86_400


def test_what_a_task_with_private_arguments_returned_is_told_to_django(fake: FakeAdapter) -> None:
    result = tasks.add.using().enqueue(2, right=3)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("jobkit.inspection.info.is_private", lambda payload: True)
        drain()
        assert jobkit.inspect().find(result.id).result.value == "[redacted]"  # type: ignore[union-attr]
        assert tasks.add.get_result(result.id).return_value == 5


def test_a_task_that_was_discarded_has_failed(fake: FakeAdapter) -> None:
    result = tasks.unwanted.enqueue()
    drain()
    assert fake.stats().dead == 0
    found = tasks.unwanted.get_result(result.id)
    assert (found.status, found.attempts) == (FAILED, 1)
    assert found.finished_at is not None


def test_a_task_that_failed_for_good_tells_its_error(fake: FakeAdapter) -> None:
    result = tasks.unlucky.enqueue()
    drain()
    found = tasks.unlucky.get_result(result.id)
    assert (found.status, found.attempts) == (FAILED, 2)
    assert found.started_at <= found.finished_at
    assert [error.exception_class for error in found.errors] == [ConnectionError]


def test_a_result_that_is_not_there_is_an_error_of_its_own() -> None:
    with pytest.raises(flavour.TaskResultDoesNotExist):
        tasks.mail.get_result("0" * 32)


def test_tasks_are_enqueued_from_asyncio() -> None:
    result = asyncio.run(tasks.mail.aenqueue("async"))
    assert jobkit.inspect().find(result.id) is not None


def test_a_task_may_wait_for_the_commit() -> None:
    with transaction.atomic():
        result = tasks.afterwards.enqueue("then")
        assert jobkit.inspect().find(result.id) is None
    assert jobkit.inspect().find(result.id) is not None


def test_a_task_of_a_transaction_that_is_rolled_back_is_not_stored() -> None:
    with transaction.atomic():
        result = tasks.afterwards.enqueue("never")
        transaction.set_rollback(True)
    assert jobkit.inspect().find(result.id) is None


def test_an_unknown_queue_is_no_valid_task() -> None:
    with pytest.raises(flavour.InvalidTask):
        tasks.mail.using(queue_name="nowhere")


def test_an_unknown_option_of_the_backend_names_the_nearest() -> None:
    with pytest.raises(ImproperlyConfigured, match="retry"):
        JobkitBackend("default", {"OPTIONS": {"retri": 3}})


def test_a_task_takes_the_options_of_a_job() -> None:
    def note() -> None: ...

    note.__qualname__ = "note"
    made = JobkitTask(
        func=note, priority=0, backend="default", queue_name="default", run_after=None, timeout=60
    )
    assert job_class_of(made)._options.timeout == 60


def test_the_backend_holds_in_memory_too() -> None:
    with use_adapter(MemoryAdapter()):
        result = tasks.mail.enqueue("x")
        assert tasks.mail.get_result(result.id).status is READY
