"""`jobkit jobs`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jobkit.cancelling import is_marked
from jobkit.outcome import Discarded, Succeeded
from jobkit_sql import SqlAdapter

Run = Callable[..., Any]
Put = Any
"""The fixture `put` of conftest.py."""

FIELDS = [
    "id",
    "job_class",
    "args",
    "kwargs",
    "queue",
    "priority",
    "state",
    "created_at",
    "enqueued_at",
    "scheduled_at",
    "executions",
    "error_class",
    "error_message",
    "error_backtrace",
    "tags",
    "worker",
]


def ids(done: Any) -> list[str]:
    return [job["id"] for job in done.json]


def state(store: SqlAdapter, job_id: str) -> str:
    [job] = store.find([job_id])
    return job.state


@pytest.mark.usefixtures("one_of_each")
class TestList:
    def test_prints_a_line_for_each_job(self, run: Run) -> None:
        done = run("jobs", "list")
        assert done.code == 0
        header, *lines = done.out.splitlines()
        assert header.split() == ["ID", "STATE", "QUEUE", "CLASS", "AT", "(UTC)", "ERROR"]
        assert [line.split()[:2] for line in lines] == [
            ["e1", "enqueued"],
            ["s1", "scheduled"],
            ["r1", "retry"],
            ["x1", "running"],
            ["d1", "dead"],
        ]
        assert lines[-1].endswith("Broken: no luck")
        assert "2096-10-02 07:06:40" in lines[1]

    def test_prints_json_objects_with_the_fields_of_job_info(self, run: Run) -> None:
        jobs = run("jobs", "list", "--json").json
        assert all(list(job) == FIELDS for job in jobs)
        assert jobs[1]["scheduled_at"] == "2096-10-02T07:06:40.500000+00:00"
        assert jobs[1]["state"] == "scheduled"
        assert jobs[0]["args"] == [1]

    def test_shows_only_what_is_asked_for(self, run: Run, put: Any) -> None:
        put.enqueued("o1", queue="low", args=["needle"], **{"class": "app.Other"})
        assert ids(run("jobs", "list", "--json", "--state", "dead")) == ["d1"]
        assert ids(run("jobs", "list", "--json", "--queue", "low")) == ["o1"]
        assert ids(run("jobs", "list", "--json", "--job", "app.Other")) == ["o1"]
        assert ids(run("jobs", "list", "--json", "--text", "needle")) == ["o1"]

    def test_goes_on_behind_a_page_by_its_cursor(self, run: Run) -> None:
        seen: list[str] = []
        done = run("jobs", "list", "--json", "--limit", "2")
        while done.err:
            seen += ids(done)
            done = run("jobs", "list", "--json", "--limit", "2", "--after", done.err.strip())
        assert [*seen, *ids(done)] == ["e1", "s1", "r1", "x1", "d1"]

    def test_tells_people_how_to_go_on(self, run: Run) -> None:
        done = run("jobs", "list", "--limit", "2")
        assert done.err.startswith("more with: --after ")
        assert len(done.out.splitlines()) == 3

    def test_leaves_out_the_completed_unless_asked(self, run: Run) -> None:
        assert "completed" not in run("jobs", "list").out
        assert run("jobs", "list", "--state", "completed", "--json").json == []


class TestHostileText:
    def test_never_reaches_the_terminal_raw(self, run: Run, put: Any) -> None:
        put.dead(
            "bad\x1b[2J",
            error_class="E",
            error_message="line one\nForged  enqueued\x07\u202e",
            args=["\x1b]0;owned\x07"],
            tags=["a\nb"],
        )
        put.unreadable("no json \x1b[31m")
        for words in (["jobs", "list"], ["jobs", "show", "bad\x1b[2J"], ["jobs", "run", "\x1b[2J"]):
            done = run(*words)
            shown = done.out + done.err
            assert all(c.isprintable() or c == "\n" for c in shown)
            assert not any(line.startswith("Forged") for line in shown.splitlines())

    def test_that_is_no_job_is_listed_all_the_same(self, run: Run, put: Any) -> None:
        put.unreadable("no json")
        assert "(no job)" in run("jobs", "list").out
        [job] = run("jobs", "list", "--json").json
        assert (job["job_class"], job["args"]) == ("", ["no json"])


@pytest.mark.usefixtures("one_of_each")
class TestShow:
    def test_prints_what_there_is_to_know(self, run: Run) -> None:
        done = run("jobs", "show", "d1")
        assert done.code == 0
        told, life = done.out.split("\n\n")
        lines = dict(line.split(":", 1) for line in told.splitlines())
        assert {name: value.strip() for name, value in lines.items()} == {
            "id": "d1",
            "class": "app.Job",
            "state": "dead",
            "args": "[1]",
            "queue": "default",
            "priority": "0",
            "executions": "0",
            "error": "Broken: no luck",
        }
        assert [line[19:] for line in life.splitlines()] == [
            "  x failed: Broken: no luck",
            "  . dead: runs again only when told to",
        ]

    def test_prints_the_life_of_a_job_and_what_comes_next(self, run: Run, put: Put) -> None:
        history = [{"at": 1.7e9 + nth, "error_class": "E", "error_message": "no"} for nth in (0, 9)]
        put.retry("old", created_at=1.6e9, history=history, executions=4)
        life = run("jobs", "show", "old").out.split("\n\n")[1]
        assert life.splitlines() == [
            "2020-09-13 12:26:40  o created: for the queue default",
            "                     o 2 earlier runs",
            "2023-11-14 22:13:20  x run 3 failed: E: no",
            "2023-11-14 22:13:29  x run 4 failed: E: no",
            "2096-10-02 07:06:40  > run 5 is due: the next try",
        ]

    def test_prints_a_job_that_has_ended_with_its_result(self, run: Run, put: Put) -> None:
        put.ended("w1", Succeeded({"sum": 3}))
        put.ended("c1", Discarded("not wanted"))
        told, life = run("jobs", "show", "w1").out.split("\n\n")
        assert 'result:     {"sum": 3}' in told.splitlines()
        assert life.splitlines()[-1].endswith(" . succeeded")
        assert "result:     discarded: not wanted" in run("jobs", "show", "c1").out
        [job] = run("jobs", "show", "w1", "--json").json
        assert (job["state"], job["result"]["value"]) == ("completed", {"sum": 3})

    def test_prints_several_as_a_json_array(self, run: Run) -> None:
        done = run("jobs", "show", "d1", "e1", "--json")
        assert ids(done) == ["d1", "e1"]
        assert list(done.json[0]) == FIELDS

    def test_hides_what_is_private_though_no_class_is_known(self, run: Run, put: Any) -> None:
        put.enqueued("p1", args=["ada", "hunter2"], kwargs={"pin": 4711}, redact=[1, "pin"])
        put.enqueued("p2", args=["hunter2"], redact=True)
        put.enqueued("p3", args=[], encrypted="gAAAAAhunter2")
        put.enqueued(
            "p4",
            text='{"class":"A","jid":"p4","args":["hunter2"],"redact":[0],"tags":1,"priority":"x"}',
        )
        shown = run("jobs", "show", "p1", "p2", "p3")
        assert '["ada", "[redacted]"]' in shown.out
        assert '{"pin": "[redacted]"}' in shown.out
        assert '["[encrypted]"]' in shown.out
        every = [shown, run("jobs", "list"), run("jobs", "list", "--json")]
        assert not [done for done in every if "hunter2" in done.out or "4711" in done.out]

    def test_fails_for_an_unknown_job_and_shows_the_others(self, run: Run) -> None:
        done = run("jobs", "show", "gone", "e1", "--json")
        assert done.code == 1
        assert ids(done) == ["e1"]
        assert done.err == "Error: there is no job gone\n"

    def test_prints_nothing_but_the_error_when_there_is_no_job(self, run: Run) -> None:
        done = run("jobs", "show", "gone")
        assert (done.code, done.out) == (1, "")


@pytest.mark.usefixtures("one_of_each")
class TestChanges:
    def test_run_enqueues_what_waits_or_died(self, run: Run, store: SqlAdapter) -> None:
        done = run("jobs", "run", "s1", "r1", "d1")
        assert (done.code, done.out) == (0, "3 enqueued\n")
        assert [state(store, job) for job in ("s1", "r1", "d1")] == ["enqueued"] * 3

    def test_retry_enqueues_only_what_failed(self, run: Run, store: SqlAdapter) -> None:
        done = run("jobs", "retry", "s1", "r1", "d1")
        assert (done.code, done.out) == (1, "2 enqueued\n")
        assert done.err.startswith("Error: s1 was not enqueued")
        assert state(store, "s1") == "scheduled"

    def test_discard_removes(self, run: Run, store: SqlAdapter) -> None:
        assert run("jobs", "discard", "e1", "d1", "--json").json == {"changed": 2}
        assert store.find(["e1", "d1"]) == []

    def test_bury_moves_into_the_dead_set(self, run: Run, store: SqlAdapter) -> None:
        assert run("jobs", "bury", "e1").out == "1 buried\n"
        assert state(store, "e1") == "dead"

    @pytest.mark.parametrize("verb", ["run", "retry", "discard", "bury"])
    def test_running_and_unknown_jobs_are_left_alone_and_named(
        self, run: Run, store: SqlAdapter, verb: str
    ) -> None:
        done = run("jobs", verb, "x1", "gone", "--json")
        assert done.code == 1
        assert done.json == {"changed": 0}
        first, second = done.err.splitlines()
        assert first.startswith("Error: x1 was not ")
        assert second.startswith("Error: gone was not ")
        assert state(store, "x1") == "running"


class TestEnqueue:
    def test_stores_a_job_by_name_and_prints_its_id(self, run: Run, store: SqlAdapter) -> None:
        done = run("jobs", "enqueue", "app.Mail", "--args", '[1, "a"]', "--kwargs", '{"b": 2}')
        [job] = store.find([done.out.strip()])
        assert job.payload.job_class == "app.Mail"
        assert (job.payload.args, job.payload.kwargs) == ([1, "a"], {"b": 2})
        assert (job.state, job.payload.queue) == ("enqueued", "default")

    def test_may_wait_and_go_to_another_queue(self, run: Run, store: SqlAdapter) -> None:
        job_id = run("jobs", "enqueue", "a.B", "--in", "60", "--queue", "low", "--json").json["id"]
        [job] = store.find([job_id])
        assert (job.state, job.payload.queue) == ("scheduled", "low")

    def test_refuses_a_queue_that_cannot_be(self, run: Run) -> None:
        done = run("jobs", "enqueue", "a.B", "--queue", "a b")
        assert done.code == 2
        assert "is no queue name" in done.err

    def test_refuses_what_cannot_be_stored_in_one_line(self, run: Run) -> None:
        done = run("jobs", "enqueue", "a.B", "--args", '["\\u0000"]')
        assert done.code == 1
        assert done.err.count("\n") == 1


@pytest.mark.usefixtures("one_of_each")
class TestAll:
    def test_all_that_meet_a_filter_are_changed(
        self, run: Run, put: Put, store: SqlAdapter
    ) -> None:
        for nth in range(3):
            put.dead(f"m{nth}", **{"class": "app.Mail"})
        done = run("jobs", "retry", "--state", "dead", "--job", "app.Mail", "--yes")
        assert (done.code, done.out, done.err) == (0, "3 enqueued\n", "")
        assert store.stats().dead == 1
        assert run("jobs", "bury", "--state", "enqueued", "--yes", "--json").json == {"changed": 4}
        assert run("jobs", "discard", "--state", "dead", "--text", "app.Mail", "--yes").code == 0
        assert store.stats().dead == 2

    def test_nothing_is_changed_where_nobody_can_be_asked(
        self, run: Run, store: SqlAdapter
    ) -> None:
        done = run("jobs", "discard", "--state", "dead")
        assert done.code == 2
        assert "--yes" in done.err
        assert store.stats().dead == 1

    @pytest.mark.parametrize(
        "words",
        [
            ("run",),
            ("run", "d1", "--state", "dead"),
            ("run", "d1", "--queue", "x"),
            ("bury", "--state", "dead"),
            ("retry", "--state", "scheduled"),
            ("discard", "--state", "running"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, run: Run, words: tuple[str, ...]) -> None:
        assert run("jobs", *words, *(["--yes"] if "--state" in words else [])).code == 2


class TestCancel:
    def test_what_waits_is_gone_and_what_runs_is_told(
        self, run: Run, put: Put, store: SqlAdapter
    ) -> None:
        put.enqueued("e1")
        put.scheduled("s1")
        put.running("x1")
        put.dead("d1")
        assert run("jobs", "cancel", "e1", "x1", "d1", "--json").json == {"changed": 2}
        assert store.find(["e1"]) == []
        assert (state(store, "s1"), state(store, "d1")) == ("scheduled", "dead")
        [running] = store.find(["x1"])
        assert is_marked(running.payload.text)
