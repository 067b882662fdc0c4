"""Jobs stored by the name of their class, which need not be known here."""

from __future__ import annotations

from typing import Any

import pytest

import jobkit
from jobkit import Job, SerializationError
from tests.unit.core.support import Store


class Welcome(Job, queue="mailers"):
    def perform(self, user_id: int) -> None: ...


def test_a_job_is_stored_by_a_name_that_need_not_be_known(store: Store) -> None:
    job = jobkit.enqueue("billing.Charge", args=[1, {"a": None}], kwargs={"b": [2]})
    payload = store.only
    assert type(job) is Job
    assert (job.id, job.args, job.kwargs) == (payload.id, [1, {"a": None}], {"b": [2]})
    assert payload.job_class == "billing.Charge"
    assert (payload.args, payload.kwargs) == ([1, {"a": None}], {"b": [2]})
    assert (payload.queue, payload.retry) == ("default", True)


def test_options_of_a_class_of_that_name_are_not_looked_up(store: Store) -> None:
    jobkit.enqueue(f"{__name__}.Welcome", args=["not", "its", "arguments"])
    assert (store.only.queue, store.only.args) == ("default", ["not", "its", "arguments"])


def test_options_of_the_call_hold(store: Store) -> None:
    jobkit.enqueue("a.B", queue="low", priority=3, retry=0, wait=60, tags=["x"], timeout=5)
    payload = store.only
    assert (payload.queue, payload.priority, payload.retry) == ("low", 3, 0)
    assert (payload.scheduled_at, payload.tags) == (1_700_000_060, ("x",))
    assert payload.timeout == 5


@pytest.mark.behaviour("D1")
@pytest.mark.parametrize(
    ("args", "options", "error"),
    [
        ("text", {}, TypeError),
        (b"bytes", {}, TypeError),
        ({"a": 1}, {}, TypeError),
        (5, {}, TypeError),
        ([], {"kwargs": [1]}, TypeError),
        ([], {"kwargs": {1: 2}}, TypeError),
        ([], {"retri": 5}, TypeError),
        ([], {"retry": -1}, ValueError),
        ([], {"queue": "a b"}, ValueError),
        ([(1, 2)], {}, SerializationError),
        ([float("nan")], {}, SerializationError),
    ],
    ids=str,
)
def test_wrong_shapes_are_refused(
    store: Store, args: Any, options: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        jobkit.enqueue("a.B", args, **options)
    assert not store.stored


@pytest.mark.behaviour("D1")
def test_an_unknown_option_is_named_with_the_nearest() -> None:
    unknown: Any = {"retri": 5}
    with pytest.raises(TypeError, match=r"enqueue\(\): unknown option 'retri'.*'retry'"):
        jobkit.enqueue("a.B", **unknown)


@pytest.mark.behaviour("D1")
@pytest.mark.parametrize("name", ["", "a\x00", "x" * 300, 5, None])
def test_a_name_that_is_none_is_refused(name: Any) -> None:
    with pytest.raises(ValueError, match="name"):
        jobkit.enqueue(name)


def test_a_class_in_the_place_of_its_name_is_refused_with_what_to_call() -> None:
    class Mine(jobkit.Job):
        def perform(self) -> None: ...

    instead: Any = Mine
    with pytest.raises(TypeError, match=r"takes the name of a job class, .* has perform_later"):
        jobkit.enqueue(instead)
