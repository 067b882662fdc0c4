"""The verbs that store jobs beside a running event loop."""

from __future__ import annotations

import asyncio

import pytest

import jobkit
from jobkit import Job, SerializationError, backends
from jobkit.testing import ManualClock
from tests.unit.core.support import Store


class Welcome(Job, queue="mailers"):
    def perform(self, user_id: int, *, locale: str = "en") -> None: ...


def test_a_job_is_stored_beside_the_loop(store: Store) -> None:
    async def main() -> None:
        job = await Welcome.aperform_later(1, locale="de")
        assert job.successfully_enqueued
        await Welcome.set(queue="low").aperform_later(2)
        await jobkit.aenqueue("app.Other", [3], priority=1)
        [fourth] = await jobkit.aperform_all_later([Welcome.new(4)])
        assert fourth.successfully_enqueued
        assert await Welcome.aperform_bulk([(5,), (6,)]) == 2

    asyncio.run(main())
    assert sorted(payload.args[0] for payload in store.stored) == [1, 2, 3, 4, 5, 6]


def test_the_adapter_of_the_task_is_the_one_that_stores(clock: ManualClock) -> None:
    mine = Store(clock=clock)

    async def main() -> None:
        with backends.use(mine):
            await Welcome.aperform_later(1)

    asyncio.run(main())
    assert len(mine.stored) == 1


def test_errors_are_those_of_the_plain_verb(store: Store) -> None:
    with pytest.raises(SerializationError):
        asyncio.run(Welcome.aperform_later("x"))  # type: ignore[arg-type] # that is the test
