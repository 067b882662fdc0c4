"""Recurring entries: declared, configured, added; kept, changed and enqueued."""

from __future__ import annotations

import logging
from datetime import date
from typing import Any

import pytest

import jobkit
from jobkit import ConfigurationError, Job, Middleware, SerializationError, encryption, events
from jobkit.adapter import State
from jobkit.capabilities import JobFilter
from jobkit.entries import own_entries
from jobkit.entries.ticker import Ticker
from jobkit.payload import Payload
from jobkit.testing import ManualClock
from jobkit_inline import InlineAdapter, MemoryAdapter, use_adapter


class Report(Job, queue="reports", priority=3, retry=2, tags=["nightly"]):
    def perform(self, day: date, *, full: bool = False) -> None:
        del day, full


@jobkit.job(queue="sweeps")
def sweep(room: str = "kitchen") -> None:
    del room


def ticker(store: MemoryAdapter, owner: str = "app") -> Ticker:
    found = Ticker(store, owner=owner)
    found.publish()
    return found


def enqueued(store: MemoryAdapter) -> list[Payload]:
    page = store.jobs(State.ENQUEUED, where=JobFilter(), limit=1_000)
    return [stored.payload for stored in page.items]


def names() -> list[str]:
    return [entry.name for entry in jobkit.recurring.list()]


# Declared over classes


def test_a_class_with_an_entry_is_enqueued_at_each_tick(
    store: MemoryAdapter, clock: ManualClock
) -> None:
    jobkit.recurring("* * * * *", args=[date(2026, 11, 24)], kwargs={"full": True})(Report)
    every_minute = ticker(store)

    assert 0 < every_minute.look() <= 60
    assert enqueued(store) == []
    clock.advance(60)
    every_minute.look()
    every_minute.look()

    (job,) = enqueued(store)
    assert job.job_class == f"{__name__}.Report"
    assert (job.queue, job.priority, job.retry, job.tags) == ("reports", 3, 2, ("nightly",))
    assert (job.args, job.kwargs) == (["2026-11-24"], {"full": True})


def test_a_function_can_have_an_entry(store: MemoryAdapter, clock: ManualClock) -> None:
    assert jobkit.recurring("* * * * *", name="sweeping", queue="cellar")(sweep) is sweep
    works = ticker(store)
    clock.advance(60)
    works.look()
    assert [(job.job_class, job.queue) for job in enqueued(store)] == [
        (f"{__name__}.sweep", "cellar")
    ]
    assert names() == ["sweeping"]


def test_one_class_may_have_several_entries_of_different_names(store: MemoryAdapter) -> None:
    jobkit.recurring("@daily", name="a", args=["hall"])(sweep)
    jobkit.recurring("@hourly", name="b")(sweep)
    assert sorted(own_entries("default")) == ["a", "b"]
    with pytest.raises(ValueError, match="there is a recurring entry 'a' already"):
        jobkit.recurring("@daily", name="a")(Report)


@pytest.mark.parametrize(
    ("cron", "options", "problem"),
    [
        ("daily", {}, "is no cron expression"),
        ("@daily", {"timezone": "Mars"}, "no time zone"),
        ("@daily", {"catch_up": "some"}, "catch_up is 'some'"),
        ("@daily", {"grace": -1}, "grace is -1"),
        ("@daily", {"queue": "a b"}, "queue"),
        ("@daily", {"name": ""}, "is no cron|name"),
    ],
)
def test_an_entry_that_cannot_be_is_refused_where_it_stands(
    cron: str, options: dict[str, Any], problem: str
) -> None:
    if options.get("name") == "":
        options = {"name": "\n"}
    with pytest.raises(ValueError, match=problem):
        jobkit.recurring(cron, **options)(sweep)


def test_only_jobs_can_have_entries() -> None:
    with pytest.raises(TypeError, match="is no job: give a subclass of Job"):
        jobkit.recurring("@daily")(print)


def test_arguments_that_do_not_fit_are_found_before_a_worker_works(store: MemoryAdapter) -> None:
    jobkit.recurring("@daily", args=["no date"])(Report)
    with pytest.raises(SerializationError, match="argument 'day'"):
        own_entries("default")


# Configured


def test_a_configured_entry_ticks_in_its_zone(store: MemoryAdapter, clock: ManualClock) -> None:
    table = {"cron": "0 12 * * *", "job": f"{__name__}.Report", "args": ["2026-11-24"]}
    jobkit.configure(recurring={"noon": table}, timezone="Europe/Berlin")
    ticker(store)
    (entry,) = jobkit.recurring.list()
    assert entry.timezone == "Europe/Berlin"
    assert entry.next_at is not None
    assert entry.next_at.hour == 11
    assert entry.queue == "reports"


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"job": "x"}, "needs 'cron'"),
        ({"cron": "@daily"}, "needs 'job'"),
        ({"cron": "@daily", "job": "x", "que": "y"}, "'que' is no key .* 'queue' is"),
        ({"cron": "often", "job": "x"}, "no cron expression"),
        ({"cron": "@daily", "job": f"{__name__}.Report", "args": ["x"]}, "argument 'day'"),
        ({"cron": "@daily", "job": f"{__name__}.Report", "args": []}, "missing"),
        ({"cron": "@daily", "job": "x", "args": 3}, "args"),
        ({"cron": "@daily", "job": "x", "timezone": 3}, "zone"),
        ({"cron": "@daily", "job": "x", "grace": "long"}, "grace"),
    ],
)
def test_a_mistake_in_the_configuration_is_told_with_its_place(
    store: MemoryAdapter, table: dict[str, Any], problem: str
) -> None:
    jobkit.configure(recurring={"bad": table})
    with pytest.raises(ConfigurationError, match=rf"^configure\(recurring=.*{problem}"):
        own_entries("default")


def test_an_entry_belongs_into_the_backend_of_its_class(store: MemoryAdapter) -> None:
    class Elsewhere(Job, backend="bulk"):
        def perform(self) -> None: ...

    jobkit.recurring("@daily", name="elsewhere")(Elsewhere)
    jobkit.recurring("@daily", name="here")(sweep)
    jobkit.configure(recurring={"told": {"cron": "@daily", "job": "x", "backend": "bulk"}})
    assert sorted(own_entries("default")) == ["here"]
    assert sorted(own_entries("bulk")) == ["elsewhere", "told"]


@pytest.mark.behaviour("H11")
def test_an_entry_that_is_taken_out_of_the_code_is_gone_with_the_next_start(
    store: MemoryAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobkit.recurring.add("added", "@daily", sweep)
    jobkit.recurring("@daily", name="a")(sweep)
    jobkit.recurring("@daily", name="b")(sweep)
    ticker(store)
    ticker(store, owner="another app").publish()
    assert names() == ["a", "added", "b"]

    monkeypatch.setattr("jobkit.entries.declared._declared", {})
    jobkit.recurring("@daily", name="b")(sweep)
    ticker(store, owner="another app")
    assert names() == ["added", "b"]


@pytest.mark.behaviour("H11")
def test_an_entry_whose_times_change_has_no_ticks_in_the_past(
    store: MemoryAdapter, clock: ManualClock
) -> None:
    jobkit.recurring.add("x", "@yearly", sweep, catch_up="all")
    works = ticker(store)
    clock.advance(3_600)
    jobkit.recurring.add("x", "* * * * *", sweep, catch_up="all")
    works.look()
    assert enqueued(store) == []


@pytest.mark.behaviour("H11")
def test_an_entry_whose_job_changes_keeps_what_it_missed(
    store: MemoryAdapter, clock: ManualClock
) -> None:
    jobkit.recurring.add("x", "* * * * *", sweep, catch_up="all")
    clock.advance(180)
    jobkit.recurring.add("x", "* * * * *", sweep, catch_up="all", args=["hall"])
    ticker(store).look()
    assert [job.args for job in enqueued(store)] == [["hall"]] * 3


# At run time


@pytest.mark.behaviour("H11")
def test_an_added_entry_is_kept_listed_and_removed(store: MemoryAdapter) -> None:
    jobkit.recurring.add("x", "@daily", Report, args=[date(2026, 1, 2)], queue="slow")
    (entry,) = jobkit.recurring.list()
    assert (entry.name, entry.cron, entry.queue, entry.source) == ("x", "@daily", "slow", "added")
    assert (entry.args, entry.kwargs, entry.runs) == (["2026-01-02"], {}, ())
    assert jobkit.recurring.remove("x")
    assert not jobkit.recurring.remove("x")
    assert jobkit.recurring.list() == []


def test_the_name_of_an_entry_from_the_code_cannot_be_taken(store: MemoryAdapter) -> None:
    jobkit.recurring("@daily", name="x")(sweep)
    ticker(store)
    with pytest.raises(ConfigurationError, match="'x' comes from the application's code"):
        jobkit.recurring.add("x", "@hourly", sweep)


def test_a_paused_entry_does_not_tick(store: MemoryAdapter, clock: ManualClock) -> None:
    jobkit.recurring.add("x", "* * * * *", sweep, catch_up="all")
    works = ticker(store)
    assert jobkit.recurring.pause("x")
    assert jobkit.recurring.list()[0].next_at is None
    clock.advance(120)
    works.look()
    assert jobkit.recurring.resume("x")
    works.look()
    assert enqueued(store) == []
    clock.advance(60)
    works.look()
    assert len(enqueued(store)) == 1
    assert not jobkit.recurring.pause("unknown")


def test_an_entry_runs_out_of_turn_without_using_up_a_tick(
    store: MemoryAdapter, clock: ManualClock
) -> None:
    jobkit.recurring.add("x", "* * * * *", sweep, args=["hall"])
    works = ticker(store)
    job_id = jobkit.recurring.run_now("x")
    assert [(job.id, job.args) for job in enqueued(store)] == [(job_id, ["hall"])]
    clock.advance(60)
    works.look()
    assert len(enqueued(store)) == 2
    with pytest.raises(ConfigurationError, match="there is no recurring entry 'y'"):
        jobkit.recurring.run_now("y")


def test_a_job_known_by_name_only_ticks_on_the_queue_it_was_given(
    store: MemoryAdapter, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    jobkit.recurring.add("ruby", "* * * * *", "HardJob", args=[1], queue="ruby")
    jobkit.recurring.add("lost", "* * * * *", "SoftJob")
    works = ticker(store)
    clock.advance(60)
    with caplog.at_level(logging.ERROR):
        works.look()
        works.look()
    assert [(job.job_class, job.queue, job.args) for job in enqueued(store)] == [
        ("HardJob", "ruby", [1])
    ]
    (told,) = caplog.messages
    assert "no job is registered as 'SoftJob'" in told


def test_the_envelope_serves_who_does_not_know_the_class(
    store: MemoryAdapter, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobkit.recurring.add("x", "* * * * *", Report, args=[date(2026, 1, 2)])
    monkeypatch.setattr("jobkit.jobs.registry._classes", {})
    works = ticker(store)
    clock.advance(60)
    works.look()
    (job,) = enqueued(store)
    assert (job.queue, job.priority, job.retry, job.tags) == ("reports", 3, 2, ("nightly",))
    assert job.args == ["2026-01-02"]


# Ticking


@pytest.mark.behaviour("H10")
def test_of_many_workers_one_enqueues_each_tick_under_the_same_id(
    store: MemoryAdapter, clock: ManualClock
) -> None:
    jobkit.recurring.add("x", "* * * * *", sweep)
    workers = [ticker(store) for _ in range(8)]
    for _ in range(5):
        clock.advance(60)
        for works in workers:
            works.look()
    (entry,) = jobkit.recurring.list()
    assert len(enqueued(store)) == 5
    assert [run.job_id for run in entry.runs] == [job.id for job in enqueued(store)][::-1]


def test_a_tick_tells_who_listens(store: MemoryAdapter, clock: ManualClock) -> None:
    heard: list[events.Event] = []
    events.subscribe(heard.append)
    try:
        jobkit.recurring.add("x", "* * * * *", sweep)
        works = ticker(store)
        clock.advance(60)
        works.look()
    finally:
        events.unsubscribe(heard.append)
    (tick,) = [event for event in heard if event.name == "tick"]
    (job,) = enqueued(store)
    assert (tick.data["entry"], tick.data["id"]) == ("x", job.id)
    assert clock.time() - 60 < tick.data["at"] <= clock.time()


def test_middleware_sees_ticks_and_may_stop_them(store: MemoryAdapter, clock: ManualClock) -> None:
    class Stop(Middleware):
        def enqueue(self, payload: Payload, call_next: Any) -> Any:
            return None if payload.queue == "sweeps" else call_next(payload)

    jobkit.middleware.add(Stop())
    jobkit.recurring.add("x", "* * * * *", sweep)
    jobkit.recurring.add("y", "* * * * *", sweep, queue="other")
    works = ticker(store)
    clock.advance(60)
    works.look()
    assert [job.queue for job in enqueued(store)] == ["other"]
    assert jobkit.recurring.run_now("x") is None


def test_an_entry_that_nobody_can_read_harms_no_other(
    store: MemoryAdapter, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    for nth, text in enumerate(("no json", "[]", "{}", '{"name": "x", "cron": "?", "job": "y"}')):
        store.put_entry(f"bad{nth}", text, "")
    jobkit.recurring.add("x", "* * * * *", sweep)
    works = ticker(store)
    clock.advance(60)
    works.look()
    works.look()
    assert len(enqueued(store)) == 1
    assert [entry.error is None for entry in jobkit.recurring.list()] == [False] * 4 + [True]
    assert len(caplog.messages) == 4


def test_an_adapter_without_ticks_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with use_adapter(InlineAdapter()), pytest.raises(jobkit.Unsupported, match="recurring entries"):
        jobkit.recurring.add("x", "@daily", sweep)


# Private arguments


def test_what_a_class_redacts_is_not_listed(
    store: MemoryAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Greet(Job, redact=["name"]):
        def perform(self, name: str, title: str) -> None: ...

    jobkit.recurring.add("x", "@daily", Greet, args=["Ada", "Dr"])
    assert jobkit.recurring.list()[0].args == ["[redacted]", "Dr"]
    monkeypatch.setattr("jobkit.jobs.registry._classes", {})
    assert jobkit.recurring.list()[0].args == ["[redacted]", "Dr"]


def test_the_job_of_an_encrypted_tick_can_be_read(store: MemoryAdapter, clock: ManualClock) -> None:
    class Secret(Job, encrypt=True):
        def perform(self) -> None: ...

    jobkit.configure(encryption_keys=["nxSiG7zVvkgmn9b3nyq3cDgPp5Rv1cAcX2cHdQ3s8oU="])
    jobkit.recurring.add("x", "* * * * *", Secret)
    works = ticker(store)
    clock.advance(60)
    works.look()
    (job,) = enqueued(store)
    assert encryption.decrypted(job) == ([], {})


def test_an_entry_keeps_no_secret(store: MemoryAdapter) -> None:
    class Charge(Job, encrypt=True):
        def perform(self, card: str) -> None: ...

    with pytest.raises(ValueError, match=r"encrypts its arguments.*give none here"):
        jobkit.recurring.add("x", "@daily", Charge, args=["4711"])
    jobkit.recurring("@daily", args=["4711"])(Charge)
    with pytest.raises(ConfigurationError, match="encrypts its arguments"):
        own_entries("default")
