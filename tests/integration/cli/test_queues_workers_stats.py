"""`jobkit queues`, `jobkit workers`, `jobkit stats`."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from jobkit_sql import SqlAdapter

Run = Callable[..., Any]
WORKER = "host:1:abc"


@pytest.mark.usefixtures("one_of_each")
class TestQueues:
    def test_are_listed_for_people(self, run: Run) -> None:
        run("queues", "pause", "paused")
        lines = run("queues", "list").out.splitlines()
        assert lines[0].split() == ["QUEUE", "SIZE", "LATENCY"]
        assert [line.split()[0] for line in lines[1:]] == ["default", "low", "paused"]
        assert lines[1].split()[1] == "1"
        assert lines[3].endswith("paused")

    def test_are_listed_for_programs(self, run: Run) -> None:
        queues = run("queues", "list", "--json").json
        assert [list(queue) for queue in queues] == [["name", "size", "latency", "paused"]] * 2
        assert (queues[0]["name"], queues[0]["size"], queues[0]["paused"]) == ("default", 1, False)
        assert 0 <= queues[0]["latency"] < 60

    def test_are_paused_and_resumed(self, run: Run, store: SqlAdapter) -> None:
        assert run("queues", "pause", "default", "low").out == "2 paused\n"
        assert {queue.name for queue in store.queues() if queue.paused} == {"default", "low"}
        assert run("queues", "resume", "low", "--json").json == {"changed": 1}
        assert {queue.name for queue in store.queues() if queue.paused} == {"default"}

    def test_are_cleared_with_yes(self, run: Run) -> None:
        assert run("queues", "clear", "default", "--yes").out == "1 discarded\n"
        assert run("stats", "--json").json["enqueued"] == 0

    def test_are_not_cleared_where_nobody_can_be_asked(self, spawn: Run, run: Run) -> None:
        done = spawn("queues", "clear", "default")
        assert done.code == 2
        assert "--yes" in done.err
        assert run("stats", "--json").json["enqueued"] == 1

    @pytest.mark.parametrize(("answer", "code", "left"), [("y\n", 0, 0), ("n\n", 1, 1)])
    def test_are_cleared_when_somebody_says_yes(
        self, run: Run, answer: str, code: int, left: int
    ) -> None:
        terminal, side = pty.openpty()
        os.write(terminal, answer.encode())
        done = subprocess.run(
            [sys.executable, "-m", "jobkit", "queues", "clear", "default"],
            stdin=side,
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
        os.close(side)
        os.close(terminal)
        assert done.returncode == code
        assert "Remove all jobs of default?" in done.stderr
        assert run("stats", "--json").json["enqueued"] == left


@pytest.mark.usefixtures("one_of_each")
class TestWorkers:
    def test_are_listed_for_people(self, run: Run) -> None:
        header, line = run("workers", "list").out.splitlines()
        assert header.startswith("ID")
        assert line.split()[:3] == [WORKER, "1/2", "default,low"]

    def test_are_listed_for_programs(self, run: Run) -> None:
        [worker] = run("workers", "list", "--json").json
        assert list(worker) == [
            "id",
            "host",
            "pid",
            "queues",
            "concurrency",
            "running",
            "quiet",
            "started_at",
            "beat_at",
            "rss",
        ]
        assert worker["started_at"] == "2023-11-14T22:13:20+00:00"
        assert worker["queues"] == ["default", "low"]

    @pytest.mark.parametrize("order", ["quiet", "stop"])
    def test_are_given_orders(self, run: Run, store: SqlAdapter, order: str) -> None:
        assert run("workers", order, WORKER, "--json").json == {"changed": 1}
        assert store.beat(WORKER, lease=30, claims=()).orders == {order}

    def test_that_are_unknown_are_named(self, run: Run) -> None:
        done = run("workers", "stop", "gone", WORKER)
        assert done.code == 1
        assert done.out.startswith("1 told")
        assert done.err == "Error: there is no worker gone\n"


@pytest.mark.usefixtures("one_of_each")
class TestStats:
    def test_are_one_object_for_programs(self, run: Run) -> None:
        assert run("stats", "--json").json == {
            "processed": 1,
            "failed": 1,
            "enqueued": 1,
            "scheduled": 1,
            "retry": 1,
            "dead": 1,
            "running": 1,
            "blocked": 0,
            "workers": 1,
        }

    def test_are_a_table_for_people(self, run: Run) -> None:
        assert ["dead", "1"] in [line.split() for line in run("stats").out.splitlines()]

    def test_are_watched_until_interrupted(self, start: Callable[..., Any], put: Any) -> None:
        process = start("stats", "--watch", "--interval", "0.1", "--json")
        assert json.loads(process.stdout.readline())["enqueued"] == 1
        put.enqueued("more")
        while json.loads(process.stdout.readline())["enqueued"] == 1:
            pass
        process.send_signal(signal.SIGINT)
        assert process.wait(45) == 130
        assert process.stderr.read().strip() == ""
