"""`jobkit worker`."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobkit_sql import SqlAdapter

Run = Callable[..., Any]

JOBS = """
from pathlib import Path
from jobkit import BuryJob, Job, configure

configure(concurrency=3)

class Note(Job, queue="notes"):
    def perform(self, text: str) -> None:
        with Path("notes.txt").open("a") as file:
            file.write(text + "\\n")

class Fail(Job):
    def perform(self) -> None:
        raise BuryJob("bad\\nINFO forged")
"""


@pytest.fixture(autouse=True)
def _application(directory: Path) -> None:
    (directory / "app").mkdir()
    (directory / "app" / "jobs.py").write_text(JOBS, "utf-8")


def notes() -> list[str]:
    file = Path("notes.txt")
    return file.read_text().split() if file.exists() else []


class TestBurst:
    def test_works_until_nothing_is_left_and_exits_0(
        self, spawn: Run, run: Run, store: SqlAdapter
    ) -> None:
        for number in range(5):
            run("jobs", "enqueue", "app.jobs.Note", "--args", f'["{number}"]', "--queue", "notes")
        run("jobs", "enqueue", "app.jobs.Fail")
        done = spawn("worker", "-A", "app.jobs", "--burst")
        assert done.code == 0
        assert sorted(notes()) == ["0", "1", "2", "3", "4"]
        assert store.stats().enqueued == 0
        assert done.out == ""

    def test_serves_default_and_the_queues_of_the_classes(self, spawn: Run) -> None:
        done = spawn("worker", "-A", "app.jobs", "--burst")
        assert "serves default, notes with 3 threads" in done.err

    def test_serves_the_queues_it_is_given(self, spawn: Run, run: Run) -> None:
        run("jobs", "enqueue", "app.jobs.Note", "--args", '["other"]')
        done = spawn("worker", "-A", "app.jobs", "-q", "notes", "-c", "1", "--burst")
        assert "serves notes with 1 threads" in done.err
        assert notes() == []

    def test_takes_imports_and_options_from_the_environment(self, spawn: Run, run: Run) -> None:
        run("jobs", "enqueue", "app.jobs.Note", "--args", '["hello"]')
        done = spawn(
            "worker", JOBKIT_IMPORTS="app.jobs", JOBKIT_WORKER_BURST="1", JOBKIT_LOG_LEVEL="error"
        )
        assert (done.code, done.err) == (0, "")
        assert notes() == ["hello"]

    def test_leaves_after_so_many_jobs(self, spawn: Run, run: Run) -> None:
        for _ in range(3):
            run("jobs", "enqueue", "app.jobs.Note", "--args", '["x"]')
        done = spawn("worker", "-A", "app.jobs", "-c", "1", "--max-jobs", "2", "--burst")
        assert done.code == 0
        assert notes() == ["x", "x"]

    def test_serves_the_backend_it_is_given(self, spawn: Run, run: Run) -> None:
        Path("jobkit.toml").write_text('[backends.bulk]\nurl = "sqlite:///bulk.db"')
        run("jobs", "enqueue", "app.jobs.Note", "--args", '["bulk"]', "--backend", "bulk")
        assert spawn("worker", "-A", "app.jobs", "--burst").code == 0
        assert notes() == []
        assert spawn("worker", "-A", "app.jobs", "--burst", "--backend", "bulk").code == 0
        assert notes() == ["bulk"]


class TestReservedThreads:
    def test_more_than_there_are_is_refused(self, run: Run) -> None:
        done = run("worker", *["-q", "default@8", "-q", "pdf@4"])
        said = (
            "-q: 12 threads are reserved, and there are 10: raise the concurrency, or reserve fewer"
        )
        assert (done.code, done.err) == (1, f"Error: {said}\n")

    def test_none_left_for_the_other_queues_is_refused(self, run: Run) -> None:
        Path("jobkit.toml").write_text('concurrency = 2\nqueues = ["pdf@2", "default"]')
        done = run("worker")
        assert done.code == 1
        assert done.err.startswith(
            "Error: jobkit.toml, line 2: 2 threads are reserved and one for the other queues, and "
        )


class TestSignals:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_worker_that_is_told_to_stop_exits_0(
        self, start: Callable[..., Any], number: signal.Signals, run: Run
    ) -> None:
        process = start("worker", "-A", "app.jobs")
        until(process, "serves default, notes")
        process.send_signal(number)
        assert process.wait(45) == 0
        assert run("workers", "list", "--json").json == []

    def test_an_order_from_outside_stops_it_too(self, start: Callable[..., Any], run: Run) -> None:
        process = start("worker", "-A", "app.jobs", JOBKIT_LEASE="0.6")
        until(process, "serves default, notes")
        [worker] = run("workers", "list", "--json").json
        assert run("workers", "stop", worker["id"]).code == 0
        assert process.wait(45) == 0


class TestImports:
    def test_a_missing_module_is_one_line_and_code_1(self, spawn: Run) -> None:
        for module in ("gone", "app.gone", "app.jobs.gone"):
            done = spawn("worker", "-A", module, "--burst")
            assert done.code == 1
            assert done.err.startswith(f"Error: there is no module '{module}', seen from ")
            assert done.err.count("\n") == 1

    @pytest.mark.parametrize(
        ("source", "place", "reason"),
        [
            ("import os\nimport gone", 2, "ModuleNotFoundError: No module named 'gone'"),
            ("from os import gone", 1, "ImportError: cannot import name 'gone'"),
            ("\n1 / 0", 2, "ZeroDivisionError: division by zero"),
            ("x = (", 1, "SyntaxError: '(' was never closed"),
            ("from jobkit import Job\nclass A(Job, retyr=1): ...", 2, "TypeError: A: unknown opt"),
            ("import sys\nsys.exit(3)", 2, "SystemExit: 3"),
        ],
    )
    def test_a_module_that_fails_is_one_line_with_its_place(
        self, spawn: Run, source: str, place: int, reason: str
    ) -> None:
        Path("broken.py").write_text(source)
        done = spawn("worker", "-A", "broken", "--burst")
        assert done.code == 1
        assert (
            f"the import of 'broken' failed at {Path.cwd()}/broken.py:{place}: {reason}" in done.err
        )
        assert done.err.count("\n") == 1


class TestLogs:
    def test_text_has_a_line_for_start_and_end(self, spawn: Run, run: Run) -> None:
        job_id = run("jobs", "enqueue", "app.jobs.Note", "--args", '["x"]').out.strip()
        done = spawn("worker", "-A", "app.jobs", "--burst")
        lines = [line for line in done.err.splitlines() if job_id in line]
        started, ended = lines
        assert started.endswith(
            f"INFO     jobkit.jobs: app.jobs.Note {job_id} from default started"
        )
        told = rf"jobkit\.jobs: app\.jobs\.Note {job_id} from default ended after \d+\.\d{{3}} s: "
        assert re.search(told + "succeeded$", ended)

    def test_json_has_an_object_for_each(self, spawn: Run, run: Run) -> None:
        job_id = run("jobs", "enqueue", "app.jobs.Fail").out.strip()
        done = spawn("worker", "-A", "app.jobs", "--burst", "--log-format", "json")
        records = [json.loads(line) for line in done.err.splitlines()]
        started, ended = [record for record in records if record.get("job_id") == job_id]
        assert started["event"] == "perform_start"
        assert started["level"] == "info"
        assert (ended["event"], ended["outcome"], ended["level"]) == ("perform", "buried", "error")
        assert (ended["job_class"], ended["queue"]) == ("app.jobs.Fail", "default")
        assert ended["error_class"] == "jobkit.errors.BuryJob"
        assert isinstance(ended["duration"], float)

    def test_a_message_cannot_forge_a_line(self, spawn: Run, run: Run) -> None:
        run("jobs", "enqueue", "app.jobs.Fail")
        done = spawn("worker", "-A", "app.jobs", "--burst")
        assert "BuryJob: bad\\nINFO forged" in done.err
        assert not any(line.startswith("INFO forged") for line in done.err.splitlines())

    def test_above_info_only_failures_are_written(self, spawn: Run, run: Run) -> None:
        run("jobs", "enqueue", "app.jobs.Note", "--args", '["x"]')
        run("jobs", "enqueue", "app.jobs.Fail")
        done = spawn("worker", "-A", "app.jobs", "--burst", "--log-level", "error")
        [line] = done.err.splitlines()
        assert "app.jobs.Fail" in line

    def test_an_application_that_logs_by_itself_is_left_alone(self, spawn: Run) -> None:
        own = "logging.basicConfig(stream=sys.stdout, force=True, format='own %(message)s')"
        Path("app/jobs.py").write_text(f"{JOBS}\nimport logging, sys\n{own}\n")
        done = spawn("worker", "-A", "app.jobs", "--burst")
        assert done.err == ""
        assert all(line.startswith("own ") for line in done.out.splitlines())
        assert "serves default, notes" in done.out


def until(process: Any, text: str) -> None:
    """Read the process's log until a line contains the text."""
    for line in process.stderr:
        if text in line:
            return
    raise AssertionError(f"the worker ended without saying {text!r}")
