"""`jobkit cron`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import jobkit
from jobkit_sql import SqlAdapter

Run = Callable[..., Any]


@pytest.fixture(autouse=True)
def entries(store: SqlAdapter) -> None:
    del store
    jobkit.recurring.add("cleanup", "0 3 * * *", "app.Cleanup", queue="low", args=[1])
    jobkit.recurring.add("report", "@daily", "app.Report", queue="low", timezone="Asia/Tokyo")


def test_entries_are_listed_for_people(run: Run) -> None:
    lines = run("cron", "list").out.splitlines()
    assert lines[0].split() == ["NAME", "CRON", "ZONE", "JOB", "NEXT", "LAST"]
    assert [line.split()[0] for line in lines[1:]] == ["cleanup", "report"]
    assert "03:00:00Z" in lines[1]
    assert "15:00:00Z" in lines[2]


def test_entries_are_listed_for_programs(run: Run) -> None:
    cleanup, _ = run("cron", "list", "--json").json
    assert (cleanup["name"], cleanup["job_class"], cleanup["args"]) == (
        "cleanup",
        "app.Cleanup",
        [1],
    )
    assert cleanup["next_at"].endswith("T03:00:00+00:00")


def test_entries_are_run_out_of_turn(run: Run, store: SqlAdapter) -> None:
    (enqueued,) = run("cron", "run", "cleanup", "--json").json["enqueued"]
    assert run("cron", "run", "report").out.startswith("report: ")
    assert len(store.find([enqueued])) == 1


def test_entries_are_paused_and_resumed(run: Run) -> None:
    assert run("cron", "pause", "cleanup", "report").out == "2 paused\n"
    assert [entry["paused"] for entry in run("cron", "list", "--json").json] == [True, True]
    assert "paused" in run("cron", "list").out
    assert run("cron", "resume", "cleanup", "--json").json == {"changed": 1}
    assert [entry["paused"] for entry in run("cron", "list", "--json").json] == [False, True]


@pytest.mark.parametrize("command", ["run", "pause", "resume"])
def test_an_unknown_entry_is_told(run: Run, command: str) -> None:
    done = run("cron", command, "nothing")
    assert done.code == 1
    assert "there is no recurring entry 'nothing'" in done.err


def test_check_tells_a_wrong_entry(run: Run) -> None:
    with open("jobkit.toml", "w", encoding="utf-8") as file:  # noqa: PTH123 - as a user would
        file.write('[recurring.x]\ncron = "@daily"\njob = "app.X"\nque = "low"\n')
    done = run("check")
    assert done.code == 1
    assert "jobkit.toml, line 1: 'que' is no key of a recurring entry, 'queue' is" in done.out
