"""Tasks that are spelled as Celery's, run as jobs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import jobkit
from jobkit.contrib.celery import shared_task
from jobkit_inline import assert_enqueued, assert_performed, drain, enqueued_jobs

pytestmark = pytest.mark.usefixtures("fake_jobs")

seen: list[Any] = []


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    seen.clear()


@shared_task
def add(first: int, second: int = 2) -> int:
    seen.append(first + second)
    return first + second


@shared_task(bind=True, queue="mailers", autoretry_for=(ConnectionError,), max_retries=2)
def mail(self: Any, to: str, when: datetime | None = None) -> None:
    seen.append((self.request.retries, to, when))
    raise ConnectionError


@shared_task(bind=True, max_retries=1, default_retry_delay=60)
def stubborn(self: Any) -> None:
    seen.append(self.request.retries)
    try:
        raise ValueError("no")
    except ValueError as error:
        self.retry(exc=error)


@shared_task
def fails() -> None:
    raise ValueError


def test_a_task_is_called_as_the_function_it_is() -> None:
    assert add(1) == 3


def test_delay_stores_a_job() -> None:
    job = add.delay(1, second=5)
    assert_enqueued(add.job, args=[1], kwargs={"second": 5}, count=1)
    drain()
    assert (seen, len(job.id)) == ([6], 32)


def test_apply_async_takes_celerys_options() -> None:
    soon = datetime.now(UTC) + timedelta(minutes=1)
    add.apply_async((1,), {"second": 3}, countdown=60, queue="low", priority=4)
    add.apply_async((2,), eta=soon, expires=3600)
    first, second = enqueued_jobs()
    assert (first.queue, first.priority) == ("low", 4)
    assert_enqueued(add.job, args=[1], at=soon)
    assert second.scheduled_at == soon


def test_a_task_id_is_one_job() -> None:
    assert add.apply_async((1,), task_id="x").id == add.apply_async((1,), task_id="x").id


def test_a_bound_task_is_given_itself_and_typed_arguments() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    mail.delay("ada", when=moment)
    drain()
    assert seen == [(0, "ada", moment), (1, "ada", moment), (2, "ada", moment)]
    assert jobkit.inspect().stats().dead == 1


def test_a_task_retries_itself_until_its_retries_are_used_up() -> None:
    stubborn.delay()
    drain()
    assert seen == [0, 1]
    dead = jobkit.inspect().jobs("dead").items
    assert [job.error_class for job in dead] == ["ValueError"]


def test_an_error_that_nobody_answers_for_ends_the_task() -> None:
    fails.delay()
    drain()
    assert_performed(fails.job, count=1)
    assert jobkit.inspect().stats().dead == 1


def test_an_option_without_a_meaning_is_refused() -> None:
    with pytest.raises(TypeError, match="rate_limit"):
        shared_task(rate_limit="10/m")
    with pytest.raises(TypeError, match="no option"):
        stubborn.retry(throw=False)


def test_wrong_arguments_are_refused_where_they_are_given() -> None:
    with pytest.raises(TypeError):
        mail.delay()


def test_outside_of_a_run_there_is_no_request() -> None:
    with pytest.raises(RuntimeError, match="no task runs"):
        _ = mail.request
