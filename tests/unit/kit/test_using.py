"""use_adapter: this thread or task, and the tasks it starts."""

from __future__ import annotations

import asyncio
import threading

import pytest

from jobkit import backends, settings
from jobkit_inline import (
    FakeAdapter,
    InlineAdapter,
    MemoryAdapter,
    assert_enqueued,
    enqueued_jobs,
    use_adapter,
)
from tests.unit.kit.jobs import Welcome, ran


def test_it_gives_the_adapter_and_restores_what_was_there() -> None:
    with use_adapter(FakeAdapter()) as outer:
        with use_adapter(InlineAdapter()) as inner:
            assert backends.get() is inner
        assert backends.get() is outer


@pytest.mark.behaviour("K4")
def test_it_restores_after_an_error() -> None:
    with use_adapter(FakeAdapter()) as outer:
        with pytest.raises(ZeroDivisionError), use_adapter(FakeAdapter()):
            raise ZeroDivisionError
        assert backends.get() is outer


def test_it_answers_for_every_backend() -> None:
    settings.configure(backends={"bulk": "memory://bulk"})
    with use_adapter(FakeAdapter()) as fake:
        assert backends.get("bulk") is fake


def test_it_takes_adapters_only() -> None:
    with (
        pytest.raises(TypeError, match="takes an adapter, such as FakeAdapter"),
        use_adapter(FakeAdapter),  # type: ignore[type-var]
    ):
        pass


@pytest.mark.behaviour("K4")
def test_other_threads_go_on_with_theirs() -> None:
    settings.configure(url="inline://")
    with use_adapter(FakeAdapter()):
        thread = threading.Thread(target=lambda: Welcome.perform_later("thread"))
        thread.start()
        thread.join()
        assert enqueued_jobs() == []
    assert ran == ["thread"]


@pytest.mark.behaviour("K4")
def test_tasks_started_inside_use_it_and_others_do_not() -> None:
    async def main() -> None:
        inside = asyncio.Event()

        async def outside() -> None:
            await inside.wait()
            Welcome.perform_later("outside")

        other = asyncio.create_task(outside())
        with use_adapter(FakeAdapter()):
            inside.set()
            async with asyncio.TaskGroup() as group:
                group.create_task(Welcome.aperform_later("inside"))
            await other
            assert_enqueued(Welcome, args=["inside"], count=1)
            assert_enqueued(Welcome, count=1)

    settings.configure(url="inline://")
    asyncio.run(main())
    assert ran == ["outside"]


def test_any_adapter_will_do() -> None:
    with use_adapter(MemoryAdapter()) as memory:
        Welcome.perform_later(1)
        assert memory.stats().enqueued == 1
