"""Every action of the dashboard, and where it leads."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import pytest

from jobkit.adapter import State
from jobkit.cancelling import is_marked
from jobkit.dashboard import bulk
from tests.web.conftest import WORKER, Client, Store, buried, ids, put, put_batch


@pytest.mark.parametrize(
    ("action", "before", "after"),
    [
        ("run", State.DEAD, State.ENQUEUED),
        ("run", State.RETRY, State.ENQUEUED),
        ("run", State.SCHEDULED, State.ENQUEUED),
        ("bury", State.RETRY, State.DEAD),
        ("bury", State.SCHEDULED, State.DEAD),
        ("bury", State.ENQUEUED, State.DEAD),
    ],
)
@pytest.mark.behaviour("L2")
def test_a_job_is_moved(
    client: Client, full: Store, action: str, before: State, after: State
) -> None:
    (job,) = ids(full, before)
    answer = client().post(f"/jobs/{action}", data={"id": job})
    assert answer.status_code == 303
    assert job in ids(full, after)
    assert job not in ids(full, before)


@pytest.mark.parametrize("state", [State.DEAD, State.RETRY, State.SCHEDULED, State.ENQUEUED])
@pytest.mark.behaviour("L2")
def test_a_job_is_deleted(client: Client, full: Store, state: State) -> None:
    (job,) = ids(full, state)
    assert client().post("/jobs/discard", data={"id": job}).status_code == 303
    assert full.find([job]) == []


@pytest.mark.behaviour("L2")
def test_several_jobs_are_moved_and_others_left_alone(client: Client, store: Store) -> None:
    jobs = [put(store, "app.Job", "q", scheduled_at=4e9) for _ in range(3)]
    client().post("/jobs/run", data={"id": [jobs[0], jobs[2], "unknown"]})
    assert sorted(ids(store, State.ENQUEUED)) == sorted([jobs[0], jobs[2]])
    assert ids(store, State.SCHEDULED) == [jobs[1]]


@pytest.mark.behaviour("L2")
def test_a_job_is_rescheduled(client: Client, full: Store) -> None:
    (job,) = ids(full, State.DEAD)
    client().post("/jobs/reschedule", data={"id": job, "at": "4000000123.5"})
    (found,) = full.find([job])
    assert (found.state, found.at) == (State.SCHEDULED, 4000000123.5)


@pytest.mark.parametrize("at", ["soon", "nan", "inf", "", "1e300"])
def test_a_moment_that_is_none_is_refused(client: Client, full: Store, at: str) -> None:
    (job,) = ids(full, State.DEAD)
    assert client().post("/jobs/reschedule", data={"id": job, "at": at}).status_code == 400
    assert ids(full, State.DEAD) == [job]


@pytest.mark.behaviour("L2")
def test_all_of_a_list_are_moved_or_those_that_meet_the_filter(
    client: Client, store: Store
) -> None:
    mine = [put(store, "app.Mine", "a", scheduled_at=4e9) for _ in range(5)]
    other = [put(store, "app.Other", "b", scheduled_at=4e9) for _ in range(3)]
    everything = {"all": "1", "state": "scheduled", "text": "", "queue": ""}

    client().post("/jobs/bury", data={**everything, "job": "app.Mine"})
    assert sorted(ids(store, State.DEAD)) == sorted(mine)
    client().post("/jobs/run", data={**everything, "state": "dead", "queue": "b"})
    assert sorted(ids(store, State.DEAD)) == sorted(mine)
    client().post("/jobs/run", data={**everything, "state": "dead"})
    assert sorted(ids(store, State.ENQUEUED)) == sorted(mine)
    client().post("/jobs/discard", data=everything)
    assert store.find(other) == []


def test_what_takes_long_goes_on_in_the_background_and_tells_how_far_it_is(
    client: Client, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "PATIENCE", 0.05)
    go_on = threading.Event()
    kind = type(store)
    moved = kind.move
    slices = iter(range(1_000))

    def move(self: Store, moves: object) -> int:
        if next(slices):
            assert go_on.wait(50)
        return moved(self, moves)  # type: ignore[arg-type]

    monkeypatch.setattr(kind, "move", move)
    jobs = [put(store, "app.Job", "q", scheduled_at=4e9) for _ in range(1_200)]
    browser = client()
    answer = browser.post("/jobs/run", data={"all": "1", "state": "scheduled"})
    assert answer.status_code == 303
    until(lambda: "500 of 1,200 so far" in browser.get("/scheduled").text)
    assert "<progress" in browser.get("/").text

    go_on.set()
    until(lambda: "1,200 changed" in browser.get("/").text)
    assert len(ids(store, State.ENQUEUED)) == 1_000  # of a page
    assert store.stats().enqueued == len(jobs)


def test_a_failure_in_the_background_is_told(
    client: Client, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, "app.Job", "q", scheduled_at=4e9)

    def fail(self: Store, moves: object) -> int:
        raise RuntimeError("the disk <is> full")

    monkeypatch.setattr(type(store), "move", fail)
    browser = client()
    browser.post("/jobs/run", data={"all": "1", "state": "scheduled"})
    assert "the disk &lt;is&gt; full" in browser.get("/").text


def test_a_queue_is_paused_resumed_and_cleared(client: Client, full: Store) -> None:
    def is_paused() -> bool:
        return any(queue.paused for queue in full.queues() if queue.name == "mailers")

    client().post("/queues/mailers/pause")
    assert is_paused()
    client().post("/queues/mailers/resume")
    assert not is_paused()
    client().post("/queues/mailers/clear")
    assert ids(full, State.ENQUEUED) == []


@pytest.mark.parametrize("order", ["quiet", "stop"])
@pytest.mark.parametrize("worker", [WORKER, "all"])
def test_a_worker_gets_its_order(client: Client, full: Store, order: str, worker: str) -> None:
    assert client().post(f"/workers/{worker}/{order}").status_code == 303
    assert full.beat(WORKER, lease=3_000, claims=[]).orders == frozenset({order})


def test_a_recurring_entry_is_run_paused_and_resumed(client: Client, full: Store) -> None:
    client().post("/recurring/nightly/run")
    enqueued = {stored.payload.job_class for stored in full.jobs(State.ENQUEUED).items}
    assert enqueued == {"app.Mail", "app.Report"}
    client().post("/recurring/nightly/pause")
    assert full.entries()[1][0].paused
    client().post("/recurring/nightly/resume")
    assert not full.entries()[1][0].paused


@pytest.mark.parametrize(
    "action",
    [
        *(f"recurring/nothing/{verb}" for verb in ("run", "pause", "resume")),
        *(f"batches/nothing/{verb}" for verb in ("cancel", "retry")),
        *(f"workers/nothing/{verb}" for verb in ("quiet", "stop")),
        "nothing/at/all",
    ],
)
def test_what_is_not_there_is_not_found(client: Client, full: Store, action: str) -> None:
    del full
    answer = client().post(f"/{action}")
    assert answer.status_code == 404
    assert "<html" in answer.text


@pytest.mark.parametrize(
    ("referer", "leads_to"),
    [
        ("http://testserver/dead?queue=low&after=1", "/dead?queue=low&after=1"),
        ("http://testserver/jobs/x", "/jobs/x"),
        ("http://elsewhere/dead", "/dead"),
        ("http://testserver//elsewhere/dead", "/dead"),
        ("garbage", "/dead"),
        (None, "/dead"),
    ],
)
def test_an_action_leads_back_to_where_it_came_from(
    client: Client, full: Store, referer: str | None, leads_to: str
) -> None:
    del full
    headers = {} if referer is None else {"Referer": referer}
    answer = client().post("/jobs/run", data={"id": "x", "state": "dead"}, headers=headers)
    assert (answer.status_code, answer.headers["location"]) == (303, leads_to)


@pytest.mark.parametrize(
    ("job_class", "leads_to"),
    [("app.Dead", "/dead"), ("app.Later", "/scheduled"), ("app.Mail", "/queues"), (None, "/")],
)
def test_without_a_page_it_came_from_it_leads_to_the_list_the_job_was_on(
    client: Client, full: Store, job_class: str | None, leads_to: str
) -> None:
    everywhere = (State.DEAD, State.SCHEDULED, State.ENQUEUED)
    known = {
        job.payload.job_class: job.id for state in everywhere for job in full.jobs(state).items
    }
    job = "gone" if job_class is None else known[job_class]
    answer = client().post("/jobs/discard", data={"id": job})
    assert (answer.status_code, answer.headers["location"]) == (303, leads_to)


def test_every_action_is_logged_with_who_did_it(
    client: Client, full: Store, caplog: pytest.LogCaptureFixture
) -> None:
    del full
    with caplog.at_level(logging.INFO, "jobkit.dashboard"):
        client(auth=lambda scope: "ada\nroot").post("/queues/mailers/pause")
        client(auth=("ada", "secret")).post("/jobs/run", data={"id": "x"}, auth=("ada", "secret"))
    assert caplog.messages == ["'ada\\nroot': pause 'mailers'", "'ada': run ['x']"]


def test_an_action_on_all_is_logged_when_it_begins_and_when_it_has_ended(
    client: Client, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        put(store, "app.Job", "q", scheduled_at=4e9)
    with caplog.at_level(logging.INFO, "jobkit.dashboard"):
        client().post("/jobs/run", data={"all": "1", "state": "scheduled"})
    where = "{'state': 'scheduled'}"
    said = [f"'anonymous': {what} {where}" for what in ("run_all", "run_all changed 3")]
    assert caplog.messages == said


def until(condition: Callable[[], object]) -> None:
    done = threading.Event()
    for _ in range(2_000):
        if condition():
            return
        done.wait(0.02)
    pytest.fail("it did not happen in time")


def test_blocked_jobs_are_buried_and_deleted_and_their_list_comes_back(
    client: Client, full: Store
) -> None:
    (blocked,) = ids(full, State.BLOCKED)
    answer = client().post("/jobs/bury", data={"state": "blocked", "id": blocked})
    assert (answer.status_code, answer.headers["location"]) == (303, "/limits")
    assert ids(full, State.BLOCKED) == []
    assert blocked in ids(full, State.DEAD)


def test_a_blocked_job_is_not_run_by_hand_past_its_limit(client: Client, full: Store) -> None:
    (blocked,) = ids(full, State.BLOCKED)
    page = client().get("/limits").text
    assert "/jobs/run" not in page
    client().post("/jobs/run", data={"state": "blocked", "id": blocked})
    assert ids(full, State.BLOCKED) == [blocked]


def test_the_failed_jobs_of_a_batch_are_run_again_and_what_waits_is_cancelled(
    client: Client, store: Store
) -> None:
    batch = put_batch(store, "a batch", "one", "two")
    store.beat(WORKER, lease=3_000, claims=None, register=True)
    (dead,) = store.claim(["one"], limit=1, worker=WORKER)
    store.settle([buried(dead)])
    page = f"/batches/{batch}"
    assert "Retry what failed" in client().get(page).text
    assert client().post(f"{page}/retry").headers["location"] == "/batches"
    info = store.batch(batch)
    assert info is not None
    assert (info.pending, info.failed) == (2, 0)
    client().post(f"{page}/cancel")
    info = store.batch(batch)
    assert info is not None
    assert (info.cancelled, info.total) == (True, 0)
    assert store.stats().enqueued == 0


def test_a_job_that_waits_is_cancelled_and_one_that_runs_is_told(
    client: Client, full: Store
) -> None:
    (waiting,) = ids(full, State.SCHEDULED)
    (running, *_) = ids(full, State.RUNNING)
    assert 'action="/jobs/cancel"' in client().get(f"/jobs/{running}").text
    answer = client().post("/jobs/cancel", data={"id": [waiting, running]})
    assert answer.status_code == 303
    assert full.find([waiting]) == []
    (told,) = full.find([running])
    assert is_marked(told.payload.text)


@pytest.mark.parametrize("state", ["", "nonsense", "DEAD"])
def test_all_of_a_list_that_there_is_not_is_refused(client: Client, state: str) -> None:
    answer = client().post("/jobs/discard", data={"all": "1", "state": state})
    assert answer.status_code == 400
    assert "give one of enqueued, scheduled" in answer.text
