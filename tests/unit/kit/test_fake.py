"""FakeAdapter: it records, and runs nothing by itself."""

from __future__ import annotations

import threading
import time

import pytest

from jobkit import Unsupported, backends, perform_all_later, settings
from jobkit.inspection import inspect
from jobkit.payload import Payload
from jobkit_inline import FakeAdapter, drain, enqueued_jobs, perform_enqueued_jobs, use_adapter
from tests.unit.kit import jobs
from tests.unit.kit.conftest import Stopped
from tests.unit.kit.jobs import ran

pytestmark = pytest.mark.usefixtures("fake")


class TestRecording:
    @pytest.mark.behaviour("K2")
    def test_nothing_runs(self) -> None:
        jobs.Welcome.perform_later(1)
        assert ran == []
        assert [job.args for job in enqueued_jobs()] == [[1]]

    @pytest.mark.behaviour("K2")
    def test_the_store_that_is_configured_is_not_touched(self) -> None:
        settings.configure(url="sqlite:////nowhere/jobs.db", backends={"bulk": "nonsense://x"})
        jobs.Welcome.perform_later(1)
        jobs.Welcome.set(backend="bulk").perform_bulk([(2,), (3,)])
        assert drain() == 3
        assert not backends._made

    @pytest.mark.behaviour("K2")
    def test_jobs_are_recorded_as_json(self) -> None:
        users = [1]
        jobs.Welcome.perform_later(users)
        users.append(2)
        assert enqueued_jobs()[0].args == [[1]]

    def test_what_cannot_be_stored_is_refused_as_on_any_store(self) -> None:
        with pytest.raises(ValueError, match="cannot be stored"):
            jobs.Welcome.perform_later(object())

    @pytest.mark.behaviour("K2")
    def test_a_delay_is_kept_and_not_waited_for(self) -> None:
        delayed = jobs.Welcome.perform_in(0.01, 1)
        time.sleep(0.02)
        assert enqueued_jobs()[0].scheduled_at == delayed.scheduled_at
        assert inspect().stats().scheduled == 1

    def test_a_repeated_idempotency_key_is_one_job(self) -> None:
        for _ in range(2):
            jobs.Welcome.set(idempotency_key="once").perform_later(1)
        assert len(enqueued_jobs()) == 1

    def test_a_payload_may_come_without_an_id(self, fake: FakeAdapter) -> None:
        fake.enqueue([Payload('{"class":"Welcome","args":[7]}')] * 2)
        assert drain() == 2

    def test_many_threads_may_enqueue_at_once(self, fake: FakeAdapter) -> None:
        def enqueue() -> None:
            with use_adapter(fake):
                perform_all_later([jobs.Welcome.new(n) for n in range(50)])

        threads = [threading.Thread(target=enqueue) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(enqueued_jobs()) == 400

    def test_many_threads_may_run_what_waits_and_each_job_runs_once(
        self, fake: FakeAdapter
    ) -> None:
        jobs.Welcome.perform_bulk((n,) for n in range(400))
        runs: list[int] = []

        def run() -> None:
            with use_adapter(fake):
                runs.append(drain() + perform_enqueued_jobs())

        threads = [threading.Thread(target=run) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(ran) == list(range(400))
        assert sum(runs) == 400

    def test_no_worker_may_use_it(self) -> None:
        with pytest.raises(Unsupported, match="FakeAdapter does not support workers"):
            backends.get_adapter()


class TestInspecting:
    def test_it_is_read_like_any_store(self) -> None:
        jobs.Welcome.perform_later(1)
        jobs.Cleanup.perform_in(60)
        stats = inspect().stats()
        assert (stats.enqueued, stats.scheduled) == (1, 1)
        assert [queue.name for queue in inspect().queues()] == ["mailers"]
        assert [job.job_class for job in inspect().jobs("scheduled").items] == ["Cleanup"]

    def test_dead_jobs_and_totals_are_there(self) -> None:
        failing = jobs.Failing.perform_later()
        drain()
        dead = inspect().find(failing.id)
        assert dead is not None
        assert (dead.state, dead.executions, dead.error_class) == ("dead", 26, "LookupError")
        assert inspect().stats().failed == 26

    def test_it_cannot_be_operated(self) -> None:
        job = jobs.Welcome.perform_in(60)
        with pytest.raises(Unsupported, match="FakeAdapter does not support changing jobs"):
            inspect().run_now(job.id)


class TestTime:
    def test_it_is_the_machines_until_it_is_moved(self) -> None:
        machine = Stopped(1_000.0)
        fake = FakeAdapter(clock=machine)
        machine.now += 5
        assert fake.now() == 1_005

    def test_it_moves_to_what_falls_due_and_stands_there(self) -> None:
        machine = Stopped(1_000.0)
        with use_adapter(FakeAdapter(clock=machine)) as fake:
            jobs.Welcome.perform_at(2_000)
            drain()
            machine.now += 5
            assert fake.now() == 2_000

    def test_it_never_falls_behind_the_machine(self) -> None:
        machine = Stopped(1_000.0)
        with use_adapter(FakeAdapter(clock=machine)) as fake:
            jobs.Welcome.perform_at(2_000)
            drain()
            machine.now = 3_000
            assert fake.now() == 3_000

    def test_jobs_are_enqueued_by_it(self) -> None:
        with use_adapter(FakeAdapter(clock=Stopped(1_000.0))):
            jobs.Welcome.perform_at(5_000)
            drain()
            later = jobs.Welcome.perform_in(60)
            assert later.scheduled_at is not None
            assert later.scheduled_at.timestamp() == 5_060
            assert later.created_at is not None
            assert later.created_at.timestamp() == 5_000
