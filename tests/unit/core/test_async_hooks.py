"""Only `perform` may be async: a hook that nobody would await is refused where it is made."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from jobkit import Job, Middleware, callbacks, discard_on, middleware, rescue_from, retry_on
from jobkit.outcome import Retried
from jobkit.testing import ManualClock
from tests.unit.core.support import Life

MARKS: list[Callable[[Any], Any]] = [
    *(getattr(callbacks, kind) for kind in callbacks.KINDS),
    rescue_from(ValueError),
]


async def hook(*args: Any) -> None: ...


class AsyncCallable:
    async def __call__(self, *args: Any) -> None: ...


ASYNC = [hook, AsyncCallable(), functools.partial(hook, 1)]
KINDS = ["function", "object", "partial"]


@pytest.mark.parametrize("mark", MARKS, ids=[*callbacks.KINDS, "rescue_from"])
def test_an_async_callback_is_refused_with_its_class(mark: Callable[[Any], Any]) -> None:
    async def called(self: Job, *error: Any) -> None: ...

    with pytest.raises(TypeError, match=r"Made\.hook is an async function.*nobody would await"):
        type("Made", (Job,), {"hook": mark(called)})


def test_so_is_an_async_generator_around_a_job() -> None:
    async def around(self: Job) -> AsyncIterator[None]:
        yield

    with pytest.raises(TypeError, match=r"Made\.hook is an async function"):
        type("Made", (Job,), {"hook": callbacks.around_perform(around)})


def test_so_is_one_that_takes_the_place_of_a_marked_one() -> None:
    class Base(Job):
        @callbacks.before_perform
        def hook(self) -> None: ...

    async def called(self: Job) -> None: ...

    with pytest.raises(TypeError, match=r"Made\.hook is an async function"):
        type("Made", (Base,), {"hook": called})


def test_so_is_one_of_a_mixin() -> None:
    class Mixin:
        @callbacks.before_perform
        async def hook(self) -> None: ...

    with pytest.raises(TypeError, match=r"Made\.hook is an async function"):
        type("Made", (Mixin, Job), {})


@pytest.mark.parametrize("function", ASYNC, ids=KINDS)
@pytest.mark.parametrize("option", ["queue", "retry_in"])
def test_an_async_option_is_refused(option: str, function: Any) -> None:
    with pytest.raises(TypeError, match=f"Made: {option} is an async function"):
        type("Made", (Job,), {}, **{option: function})


@pytest.mark.parametrize("function", ASYNC, ids=KINDS)
@pytest.mark.parametrize(
    ("rule", "option"),
    [(retry_on, "wait"), (retry_on, "on_exhausted"), (discard_on, "handler")],
    ids=["wait", "on_exhausted", "handler"],
)
def test_so_is_an_async_handler_of_a_rule(rule: Any, option: str, function: Any) -> None:
    with pytest.raises(TypeError, match=f"{option} is an async function"):
        rule(ValueError, **{option: function})


@pytest.mark.parametrize("name", ["on_error", "on_death"])
def test_so_is_an_async_handler_of_the_program(name: str) -> None:
    with pytest.raises(TypeError, match=f"the handler of {name} is an async function"):
        getattr(middleware, name)(hook)


@pytest.mark.parametrize("name", ["enqueue", "perform", "startup", "shutdown", "on_error"])
def test_so_is_async_middleware(name: str) -> None:
    made = type("Made", (Middleware,), {name: hook})
    with pytest.raises(TypeError, match=rf"Made\.{name} is an async function"):
        middleware.add(made())
    assert middleware.entries() == ()


def test_a_callback_that_turns_out_to_be_async_is_a_failure(clock: ManualClock) -> None:
    class Hidden(Job):
        @callbacks.before_perform
        def before(self) -> Any:
            return hook()

        def perform(self) -> None: ...

    outcome = Life(clock, Hidden).run()
    assert isinstance(outcome, Retried)
    assert outcome.failure is not None
    assert outcome.failure.message == (
        "the callback 'before' returned a coroutine, which nobody would await"
    )


def test_an_async_perform_is_welcome_and_so_are_classes_as_handlers() -> None:
    class Fine(Job):
        @callbacks.before_perform
        def before(self) -> None: ...

        async def perform(self) -> None: ...

    assert retry_on(ValueError, on_exhausted=lambda job, error: None)(Fine) is Fine
