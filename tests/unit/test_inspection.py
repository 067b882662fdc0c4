"""Reading and operating a store through the inspector."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from jobkit import backends, inspection
from jobkit.adapter import Ack, Bury, Enqueues, Features, Presence, Requeue, Retention, State
from jobkit.errors import Unsupported
from jobkit.failure import packed
from jobkit.inspection import Inspector, JobInfo
from jobkit.inspection import inspector as inspecting
from jobkit.payload import Payload
from jobkit.testing.clock import ManualClock
from jobkit_inline import MemoryAdapter
from jobkit_inline.memory.inspection import Inspection

WORKER = "host:1:abc"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1_700_000_000.0)


@pytest.fixture
def store(clock: ManualClock) -> MemoryAdapter:
    adapter = MemoryAdapter(clock=clock, retention=Retention(keep_finished=60))
    presence = Presence(
        host="host", pid=1, queues=("default",), concurrency=2, started_at=clock.time()
    )
    adapter.beat(WORKER, lease=30, claims=(), register=True, presence=presence)
    return adapter


@pytest.fixture
def inspector(store: MemoryAdapter, clock: ManualClock) -> Inspector:
    return Inspector(store, clock=clock)


def payload(job_id: str, **fields: Any) -> Payload:
    return Payload.of({"class": "app.Job", "args": [1], "jid": job_id, "queue": "default"} | fields)


class Put:
    """Brings jobs into the states that are wanted."""

    def __init__(self, store: MemoryAdapter, clock: ManualClock) -> None:
        self._store = store
        self._clock = clock

    def enqueued(self, job_id: str, **fields: Any) -> None:
        self._store.enqueue([payload(job_id, **fields)])

    def scheduled(self, job_id: str, *, ahead: float = 60, **fields: Any) -> None:
        self.enqueued(job_id, scheduled_at=self._clock.time() + ahead, **fields)

    def retry(self, job_id: str, *, ahead: float = 60, **fields: Any) -> None:
        failed = payload(job_id, scheduled_at=self._clock.time() + ahead, **fields)
        self._settle(job_id, lambda claim: Requeue(claim, failed, State.RETRY))

    def dead(self, job_id: str, text: str | None = None, **fields: Any) -> None:
        buried = payload(job_id, **fields) if text is None else Payload(text)
        self._settle(job_id, lambda claim: Bury(claim, buried))

    def running(self, job_id: str) -> None:
        self.enqueued(job_id, queue="work")
        assert self._store.claim(["work"], limit=1, worker=WORKER)

    def _settle(self, job_id: str, settlement: Any) -> None:
        self.enqueued(job_id, queue="work")
        [claim] = self._store.claim(["work"], limit=1, worker=WORKER)
        assert self._store.settle([settlement(claim)]) == []


@pytest.fixture
def put(store: MemoryAdapter, clock: ManualClock) -> Put:
    return Put(store, clock)


@pytest.fixture
def one_of_each(put: Put) -> None:
    put.enqueued("enqueued")
    put.scheduled("scheduled")
    put.retry("retry")
    put.running("running")
    put.dead("dead")


def found(inspector: Inspector, job_id: str) -> JobInfo:
    info = inspector.find(job_id)
    assert info is not None
    return info


def stored(store: MemoryAdapter, job_id: str) -> Payload:
    [job] = store.find([job_id])
    return job.payload


def ids(items: Sequence[JobInfo]) -> list[str]:
    return [info.id for info in items]


@pytest.mark.usefixtures("one_of_each")
class TestReading:
    def test_tells_sizes_queues_and_workers(self, inspector: Inspector) -> None:
        stats = inspector.stats()
        assert (stats.enqueued, stats.scheduled, stats.retry) == (1, 1, 1)
        assert (stats.dead, stats.running, stats.workers) == (1, 1, 1)
        assert [(queue.name, queue.size) for queue in inspector.queues()] == [("default", 1)]
        assert [(worker.id, worker.running) for worker in inspector.workers()] == [(WORKER, 1)]

    def test_tells_the_days_oldest_first(self, inspector: Inspector, clock: ManualClock) -> None:
        history = inspector.history(days=3)
        assert len(history) == 3
        assert history[-1].date == datetime.fromtimestamp(clock.time(), UTC).date()
        assert history[-1].failed == 1

    def test_lists_the_jobs_of_a_state(self, inspector: Inspector) -> None:
        for state in ("enqueued", "scheduled", "retry", "running", "dead"):
            page = inspector.jobs(state)
            assert ids(page.items) == [state]
            assert page.items[0].state == state
            assert page.next is None
        assert inspector.jobs("completed").items == []

    def test_names_the_worker_of_a_running_job(self, inspector: Inspector) -> None:
        assert found(inspector, "running").worker == WORKER
        assert found(inspector, "dead").worker is None

    def test_finds_a_job_in_any_state_or_none(self, inspector: Inspector) -> None:
        for state in ("enqueued", "scheduled", "retry", "running", "dead"):
            assert found(inspector, state).state == state
        assert inspector.find("gone") is None

    def test_refuses_an_unknown_state_and_an_empty_page(self, inspector: Inspector) -> None:
        with pytest.raises(ValueError, match="no state 'died': there are enqueued, scheduled, "):
            inspector.jobs("died")
        with pytest.raises(ValueError, match="limit must be 1 or more, not 0"):
            inspector.jobs("dead", limit=0)


class TestPages:
    def test_filters_by_queue_class_and_text(self, inspector: Inspector, put: Put) -> None:
        put.enqueued("a", queue="low")
        put.enqueued("b", **{"class": "app.Other"})
        put.enqueued("c", args=["needle"])
        assert ids(inspector.jobs("enqueued", queue="low").items) == ["a"]
        assert ids(inspector.jobs("enqueued", job="app.Other").items) == ["b"]
        assert ids(inspector.jobs("enqueued", text="needle").items) == ["c"]
        assert ids(inspector.jobs(text="needle").items) == ["c"]

    def test_one_state_is_paged_by_cursor(self, inspector: Inspector, put: Put) -> None:
        for number in range(5):
            put.enqueued(str(number))
        first = inspector.jobs("enqueued", limit=3)
        second = inspector.jobs("enqueued", limit=3, after=first.next)
        assert ids(first.items) == ["0", "1", "2"]
        assert ids(second.items) == ["3", "4"]
        assert second.next is None

    @pytest.mark.parametrize("limit", range(1, 9))
    def test_all_states_are_paged_one_after_the_other(
        self, inspector: Inspector, put: Put, limit: int
    ) -> None:
        for number in range(3):
            put.enqueued(f"e{number}")
        put.retry("r0")
        for number in range(2):
            put.dead(f"d{number}")
        pages = list(all_pages(inspector, limit))
        assert [job for page in pages for job in page] == ["e0", "e1", "e2", "r0", "d1", "d0"]
        assert all(len(page) == limit for page in pages[:-1])
        assert pages[-1]

    def test_all_states_leave_out_the_completed(
        self, inspector: Inspector, store: MemoryAdapter, put: Put
    ) -> None:
        put.enqueued("done")
        [claim] = store.claim(["default"], limit=1, worker=WORKER)
        store.settle([Ack(claim)])
        assert ids(inspector.jobs("completed").items) == ["done"]
        assert inspector.jobs().items == []

    @pytest.mark.parametrize("cursor", ["", "garbage", "completed:", ":x"])
    def test_a_cursor_of_another_list_is_refused(self, inspector: Inspector, cursor: str) -> None:
        with pytest.raises(ValueError, match="no cursor of a list of all states"):
            inspector.jobs(after=cursor)


def all_pages(inspector: Inspector, limit: int) -> Iterator[list[str]]:
    page = inspector.jobs(limit=limit)
    yield ids(page.items)
    while page.next is not None:
        page = inspector.jobs(limit=limit, after=page.next)
        yield ids(page.items)


class TestJobInfo:
    def test_shows_everything_the_payload_says(
        self, inspector: Inspector, put: Put, clock: ManualClock
    ) -> None:
        put.dead(
            "j1",
            args=[1, "two"],
            kwargs={"locale": "en"},
            priority=-3,
            created_at=clock.time() - 10,
            enqueued_at=clock.time() - 5,
            executions=26,
            error_class="app.Broken",
            error_message="no luck",
            error_backtrace=packed(("a.py:1 in f: x", "b.py:2 in g: y")),
            tags=["vip"],
        )
        moment = datetime.fromtimestamp(clock.time(), UTC)
        assert found(inspector, "j1") == JobInfo(
            id="j1",
            job_class="app.Job",
            args=[1, "two"],
            kwargs={"locale": "en"},
            queue="default",
            priority=-3,
            state=State.DEAD,
            created_at=moment.replace(second=moment.second - 10),
            enqueued_at=moment.replace(second=moment.second - 5),
            scheduled_at=None,
            executions=26,
            error_class="app.Broken",
            error_message="no luck",
            error_backtrace=("a.py:1 in f: x", "b.py:2 in g: y"),
            tags=("vip",),
            worker=None,
        )

    def test_shows_when_a_waiting_job_is_due(
        self, inspector: Inspector, put: Put, clock: ManualClock
    ) -> None:
        put.scheduled("s", ahead=60)
        put.retry("r", ahead=90)
        due = {job: found(inspector, job).scheduled_at for job in ("s", "r")}
        assert due == {
            "s": datetime.fromtimestamp(clock.time() + 60, UTC),
            "r": datetime.fromtimestamp(clock.time() + 90, UTC),
        }

    @pytest.mark.parametrize("garbage", ["garbage", 3, ["a"], {}, "eJw="])
    def test_shows_no_backtrace_where_there_is_none_to_read(
        self, inspector: Inspector, put: Put, garbage: object
    ) -> None:
        put.dead("j", error_backtrace=garbage, error_message=7, error_class=None)
        info = found(inspector, "j")
        assert (info.error_backtrace, info.error_message, info.error_class) == ((), None, None)

    @pytest.mark.behaviour("L3")
    @pytest.mark.parametrize(
        "text", ["no json", "[]", '{"args":[]}', '{"class":"A","created_at":1e300}']
    )
    def test_shows_text_that_is_no_job_as_it_is(
        self, inspector: Inspector, put: Put, text: str
    ) -> None:
        put.dead("j", text=text)
        [info] = inspector.jobs("dead").items
        assert (info.job_class, info.args, info.state) == ("", [text], State.DEAD)
        assert info.error_message

    @pytest.mark.parametrize("text", ['{"class":"A"}', '{"class":"A","jid":""}'])
    def test_calls_a_job_without_an_id_by_one_that_finds_it(
        self, inspector: Inspector, store: MemoryAdapter, text: str
    ) -> None:
        store.enqueue([Payload(text), Payload(text)])
        first, second = inspector.jobs("enqueued").items
        assert first.id != second.id
        assert inspector.find(first.id) == first
        assert inspector.bury(second.id) == inspector.discard(first.id) == 1
        assert ids(inspector.jobs("dead").items) == [second.id]

    def test_calls_text_that_is_no_job_by_an_id_that_finds_it(
        self, inspector: Inspector, put: Put
    ) -> None:
        put.dead("j", text="no json")
        [info] = inspector.jobs("dead").items
        assert inspector.discard(info.id) == 1
        assert inspector.jobs("dead").items == []

    def test_shows_the_id_of_a_malformed_job_that_has_one(
        self, inspector: Inspector, put: Put
    ) -> None:
        put.dead("j", text=json.dumps({"jid": "j", "class": "A", "args": 3}))
        [info] = inspector.jobs("dead").items
        assert info.id == "j"
        assert info.error_class == "PayloadError"


@pytest.mark.usefixtures("one_of_each")
class TestRunNow:
    @pytest.mark.behaviour("L2")
    def test_enqueues_what_waits_or_died(self, inspector: Inspector) -> None:
        assert inspector.run_now(["scheduled", "retry", "dead"]) == 3
        for job in ("scheduled", "retry", "dead"):
            assert found(inspector, job).state == "enqueued"

    @pytest.mark.behaviour("L2")
    def test_leaves_alone_what_is_enqueued_running_or_gone(self, inspector: Inspector) -> None:
        assert inspector.run_now(["enqueued", "running", "gone"]) == 0
        assert found(inspector, "running").state == "running"

    def test_takes_one_id_as_well(self, inspector: Inspector) -> None:
        assert inspector.run_now("dead") == 1

    def test_says_when_it_was_enqueued_and_forgets_when_it_was_due(
        self, inspector: Inspector, clock: ManualClock
    ) -> None:
        clock.advance(5)
        inspector.run_now(["scheduled", "retry", "dead"])
        for job in ("scheduled", "retry", "dead"):
            info = found(inspector, job)
            assert info.enqueued_at == datetime.fromtimestamp(clock.time(), UTC)
            assert info.scheduled_at is None


class TestExpiry:
    """Whoever asks for a run wants one."""

    def test_does_not_hold_for_what_is_run_by_hand(
        self, inspector: Inspector, store: MemoryAdapter, put: Put, clock: ManualClock
    ) -> None:
        put.dead("j", expires_at=clock.time() - 1.0)
        inspector.run_now("j")
        assert stored(store, "j").expires_at is None

    def test_does_not_hold_for_what_is_put_off_by_hand(
        self, inspector: Inspector, store: MemoryAdapter, put: Put, clock: ManualClock
    ) -> None:
        put.scheduled("j", expires_at=clock.time() + 61.0)
        inspector.reschedule("j", clock.time() + 3_600)
        assert stored(store, "j").expires_at is None

    def test_holds_for_what_is_only_buried(
        self, inspector: Inspector, store: MemoryAdapter, put: Put, clock: ManualClock
    ) -> None:
        put.enqueued("j", expires_at=clock.time() + 61.0)
        inspector.bury("j")
        assert stored(store, "j").expires_at == clock.time() + 61


SPENT: dict[str, Any] = {
    "retry_count": 25,
    "exception_executions": {"rule": 3},
    "deliveries": 2,
    "failed_at": 1_600_000_000.5,
    "retried_at": 1_600_000_001.5,
    "executions": 26,
    "error_class": "Broken",
    "error_message": "no luck",
}


class TestBudget:
    def test_of_a_dead_job_is_fresh_when_it_runs_again(
        self, inspector: Inspector, store: MemoryAdapter, put: Put
    ) -> None:
        put.dead("j", **SPENT)
        inspector.run_now("j")
        again = stored(store, "j")
        assert (again.retry_count, again.exception_executions, again.deliveries) == (None, {}, 0)
        assert again.failed_at is None
        assert "retried_at" not in again.fields
        assert again.executions == 26
        assert again.fields["error_message"] == "no luck"

    def test_of_a_retrying_job_is_kept(
        self, inspector: Inspector, store: MemoryAdapter, put: Put
    ) -> None:
        put.retry("j", **SPENT)
        inspector.run_now("j")
        assert {name: stored(store, "j").fields[name] for name in SPENT} == SPENT

    def test_of_a_dead_job_is_fresh_when_it_is_rescheduled(
        self, inspector: Inspector, store: MemoryAdapter, put: Put
    ) -> None:
        put.dead("j", **SPENT)
        inspector.reschedule("j", 1_800_000_000)
        assert stored(store, "j").retry_count is None

    def test_changes_leave_the_arguments_byte_for_byte(
        self, inspector: Inspector, store: MemoryAdapter, put: Put
    ) -> None:
        raw = '{"jid":"j", "class":"A","args":[1.0,1e2,  "\\u00e9", 12345678901234567890]}'
        put.dead("j", text=raw)
        inspector.run_now("j")
        assert '"args":[1.0,1e2,  "\\u00e9", 12345678901234567890]' in stored(store, "j").text


@pytest.mark.usefixtures("one_of_each")
class TestDiscard:
    @pytest.mark.behaviour("L2")
    def test_removes_jobs_in_every_state_but_running(self, inspector: Inspector) -> None:
        jobs = ["enqueued", "scheduled", "retry", "running", "dead", "gone"]
        assert inspector.discard(jobs) == 4
        assert ids(inspector.jobs().items) == ["running"]


@pytest.mark.usefixtures("one_of_each")
class TestBury:
    @pytest.mark.behaviour("L2")
    def test_moves_waiting_jobs_into_the_dead_set(self, inspector: Inspector) -> None:
        jobs = ["enqueued", "scheduled", "retry", "running", "dead", "gone"]
        assert inspector.bury(jobs) == 3
        assert set(ids(inspector.jobs("dead").items)) == {"enqueued", "scheduled", "retry", "dead"}


@pytest.mark.usefixtures("one_of_each")
class TestReschedule:
    @pytest.mark.behaviour("L2")
    @pytest.mark.parametrize("when", [1_800_000_000, datetime.fromtimestamp(1_800_000_000, UTC)])
    def test_moves_what_waits_or_died_to_that_moment(
        self, inspector: Inspector, when: datetime | float
    ) -> None:
        expected = {"enqueued": "scheduled", "scheduled": "scheduled", "dead": "scheduled"}
        for job, state in {**expected, "retry": "retry"}.items():
            assert inspector.reschedule(job, when) == 1
            info = found(inspector, job)
            assert (info.state, info.scheduled_at) == (
                state,
                datetime.fromtimestamp(1_800_000_000, UTC),
            )

    def test_leaves_running_jobs_alone(self, inspector: Inspector) -> None:
        assert inspector.reschedule("running", 1_800_000_000) == 0
        assert inspector.reschedule("gone", 1_800_000_000) == 0

    def test_refuses_a_naive_datetime(self, inspector: Inspector) -> None:
        with pytest.raises(ValueError, match="has no time zone"):
            inspector.reschedule("scheduled", datetime(2030, 1, 1))  # noqa: DTZ001 - the point

    def test_refuses_a_moment_that_is_no_number(self, inspector: Inspector) -> None:
        with pytest.raises(ValueError, match="moment"):
            inspector.reschedule("scheduled", float("nan"))


class TestAll:
    @pytest.mark.behaviour("L1")
    def test_a_walk_over_what_is_removed_meanwhile_visits_every_entry(
        self, inspector: Inspector, put: Put, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(inspecting, "_SLICE", 3)
        for number in range(20):
            put.dead(str(number))
        told: list[int] = []
        assert inspector.discard_all("dead", on_progress=told.append) == 20
        assert told == [3, 6, 9, 12, 15, 18, 20]
        assert inspector.stats().dead == 0

    @pytest.mark.behaviour("L2")
    def test_runs_all_that_meet_the_filters_in_slices(
        self, inspector: Inspector, put: Put, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(inspecting, "_SLICE", 3)
        for number in range(10):
            put.dead(str(number))
        put.dead("other", queue="other")
        put.dead("broken", text="no json")
        assert inspector.run_all("dead", queue="default") == 10
        assert inspector.stats().dead == 2
        assert inspector.run_all("dead") == 1

    @pytest.mark.behaviour("L2")
    def test_discards_all_that_meet_the_filters_in_slices(
        self, inspector: Inspector, put: Put, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(inspecting, "_SLICE", 3)
        for number in range(10):
            put.enqueued(str(number), args=["needle" if number % 2 else "hay"])
        assert inspector.discard_all("enqueued", text="needle") == 5
        assert inspector.discard_all("enqueued", job="app.Other") == 0
        assert inspector.discard_all("enqueued") == 5

    def test_many_ids_are_handled_in_slices(
        self, inspector: Inspector, put: Put, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(inspecting, "_SLICE", 3)
        for number in range(10):
            put.enqueued(str(number))
        assert inspector.discard(str(number) for number in range(10)) == 10

    def test_refuses_an_unknown_state(self, inspector: Inspector) -> None:
        with pytest.raises(ValueError, match="no state 'died': there are enqueued, scheduled, "):
            inspector.run_all("died")


class TestQueuesAndWorkers:
    def test_pauses_and_resumes_a_queue(self, inspector: Inspector) -> None:
        inspector.pause("low")
        assert [queue.paused for queue in inspector.queues() if queue.name == "low"] == [True]
        inspector.resume("low")
        assert "low" not in [queue.name for queue in inspector.queues()]

    def test_clears_the_enqueued_jobs_of_a_queue(self, inspector: Inspector, put: Put) -> None:
        put.enqueued("a")
        put.scheduled("b")
        put.enqueued("c", queue="other")
        assert inspector.clear("default") == 1
        assert set(ids(inspector.jobs().items)) == {"b", "c"}

    def test_gives_orders_to_a_worker(self, inspector: Inspector, store: MemoryAdapter) -> None:
        assert inspector.quiet(WORKER)
        assert inspector.stop(WORKER)
        assert store.beat(WORKER, lease=30, claims=()).orders == {"quiet", "stop"}

    def test_says_when_there_is_no_such_worker(self, inspector: Inspector) -> None:
        assert not inspector.quiet("gone")
        assert not inspector.stop("gone")


class Mute(Enqueues):
    """Takes jobs and can tell nothing."""

    features = Features(durable=False)

    def enqueue(self, payloads: Sequence[Payload]) -> None:
        raise NotImplementedError


class TestCapabilities:
    def test_inspect_asks_the_backend_that_is_named(self, store: MemoryAdapter, put: Put) -> None:
        put.enqueued("j")
        backends.install("mine", store)
        try:
            assert ids(inspection.inspect("mine").jobs("enqueued").items) == ["j"]
        finally:
            backends.uninstall("mine")

    def test_an_adapter_that_cannot_tell_is_refused_at_once(self) -> None:
        with pytest.raises(Unsupported, match="Mute does not support inspection"):
            Inspector(Mute())

    def test_an_adapter_that_only_tells_refuses_changes(self, store: MemoryAdapter) -> None:
        reader = Inspector(reading_only(store))
        assert reader.stats().enqueued == 0
        for change in (reader.run_now, reader.discard, reader.bury, reader.clear, reader.quiet):
            with pytest.raises(Unsupported, match="does not support changing jobs"):
                change("x")
        with pytest.raises(Unsupported, match="does not support pausing queues"):
            reader.pause("x")


def reading_only(store: MemoryAdapter) -> Enqueues:
    """The store, with nothing but the inspect capability."""

    class ReadingOnly(Inspection, Enqueues):
        features = store.features

        def enqueue(self, payloads: Sequence[Payload]) -> None:
            raise NotImplementedError

    return ReadingOnly(store._store, store._clock, store._retention)
