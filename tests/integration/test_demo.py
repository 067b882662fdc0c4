"""`jobkit demo`, as a user would start it."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from itertools import count
from pathlib import Path
from typing import Any

import click
import pytest

from jobkit.cli.demo.jobs import is_flaky
from jobkit.cli.demo.worker import DemoWorker, started_worker

MISSING = 1  # the demo asks for a file that does not exist
SUMMARY = 1
PROBES = 50


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """Where the demo makes its folder."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files with known words: two good ones, one flaky, one that is no text, one that is none."""
    folder = tmp_path / "files"
    (folder / "deeper").mkdir(parents=True)
    named(folder, "good", ".txt").write_text("One two two\nthree THREE three\n")
    named(folder, "flaky", ".md", flaky=True).write_text("four, four: four; four!")
    named(folder / "deeper", "code", ".py").write_text("two_three = 'É'", "utf-8")
    named(folder, "broken", ".rst").write_bytes(b"\xff\xfe\xfa one one one one one")
    (folder / "picture.png").write_text("one one one one one")
    return folder


def named(folder: Path, stem: str, kind: str, *, flaky: bool = False) -> Path:
    """A file that the demo finds flaky, or does not: it goes by the whole path, new every time."""
    files = (folder / f"{stem}{number}{kind}" for number in count())
    return next(file for file in files if is_flaky(file) is flaky)


def demo(*arguments: object, temporary: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "jobkit", "demo", *map(str, arguments)]
    return subprocess.run(
        command, env=environment(temporary), capture_output=True, text=True, check=False
    )


def environment(temporary: Path) -> dict[str, str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("JOBKIT_")}
    return {**plain, "TMPDIR": str(temporary)}


def report(ran: subprocess.CompletedProcess[str]) -> Any:
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def worker_of(temporary: Path) -> int:
    """The process id of the demo's worker, as its store knows it."""
    (store,) = temporary.glob("*/jobs.sqlite3")
    command = [sys.executable, "-m", "jobkit", "workers", "list", "--json"]
    listed = json.loads(subprocess.check_output([*command, "--url", f"sqlite:///{store}"]))
    return int(listed[0]["pid"])


def test_counts_every_file_exactly_once(folder: Path, temporary: Path) -> None:
    found = report(demo("--folder", folder, "--json", "--no-keep", temporary=temporary))

    assert not list(temporary.iterdir())
    assert found["words"] == 13
    assert found["most_frequent"] == {"four": 4, "three": 4, "two": 3, "one": 1, "é": 1}
    assert found["files"] == 3
    assert found["enqueued"] == 4 + MISSING + SUMMARY + PROBES
    assert found["done"] == 3 + SUMMARY + PROBES
    assert found["retried"] == 1 + MISSING
    assert found["dead"] == 1 + MISSING
    assert 0 < found["latency_p50"] <= found["latency_p99"] < 5
    assert found["jobs_per_second"] > 0


def test_what_it_prints_can_be_looked_into(folder: Path, temporary: Path) -> None:
    ran = demo("--folder", folder, temporary=temporary)
    commands = [line for line in ran.stdout.splitlines() if "--url" in line]

    assert ran.returncode == 0, ran.stderr
    assert "jobs enqueued    56\n" in ran.stdout
    assert len(commands) == 2
    for command in commands:
        answer = subprocess.run(shlex.split(command), capture_output=True, text=True, check=True)
        assert "dead" in answer.stdout


def test_another_store_holds_the_dead_and_nothing_else(folder: Path, temporary: Path) -> None:
    url = f"sqlite:///{temporary}/other.db"

    found = report(demo("--folder", folder, "--json", "--url", url, temporary=temporary))
    assert found["url"] == url

    command = [sys.executable, "-m", "jobkit", "stats", "--json", "--url", url]
    stats = json.loads(subprocess.check_output(command, text=True))
    assert stats["dead"] == found["dead"]
    assert stats["enqueued"] == stats["running"] == stats["retry"] == stats["workers"] == 0


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (("--folder", "/does/not/exist"), 2, "'/does/not/exist' does not exist"),
        (
            ("--folder", "{empty}"),
            1,
            "Error: there are no .py, .txt, .md, .rst files below {empty}",
        ),
        (("--limit", "0"), 2, "0 is not in the range"),
        (("--limit", "1", "--url", "memory://"), 2, "MemoryAdapter keeps jobs where"),
        (("--limit", "1", "--url", "nosuch://"), 1, "no adapter serves nosuch://"),
        (("--limit", "1", "--url", "sqlite:////does/not/exist.db"), 1, "there is no directory"),
    ],
)
def test_what_cannot_be_done_is_said(
    temporary: Path, arguments: tuple[str, ...], code: int, reason: str
) -> None:
    ran = demo(*(each.format(empty=temporary) for each in arguments), temporary=temporary)

    assert ran.returncode == code
    assert reason.format(empty=temporary) in ran.stderr.splitlines()[-1]
    assert not list(temporary.iterdir())


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_it_leaves_nothing_behind(
    temporary: Path, number: signal.Signals, code: int
) -> None:
    command = [sys.executable, "-m", "jobkit", "demo"]
    running = subprocess.Popen(
        command, env=environment(temporary), stdout=subprocess.PIPE, text=True
    )
    with running as process:
        assert process.stdout is not None
        process.stdout.readline()  # what it is about to do
        assert " jobs" in process.stdout.readline()  # some are done
        process.send_signal(signal.SIGSTOP)  # it must not come to its end meanwhile
        worker = worker_of(temporary)
        process.send_signal(number)
        process.send_signal(signal.SIGCONT)
        process.communicate()

    assert process.returncode == code
    assert not list(temporary.iterdir())
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)


def test_killed_it_leaves_no_process_behind(temporary: Path) -> None:
    command = [sys.executable, "-m", "jobkit", "demo"]
    running = subprocess.Popen(
        command, env=environment(temporary), stdout=subprocess.PIPE, text=True
    )
    with running as process:
        assert process.stdout is not None
        process.stdout.readline()  # what it is about to do
        assert " jobs" in process.stdout.readline()  # some are done
        process.send_signal(signal.SIGSTOP)  # it must not come to its end meanwhile
        worker = worker_of(temporary)
        process.kill()
    deadline = time.monotonic() + 20
    while runs(worker):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def runs(pid: int) -> bool:
    """True for a process that is not dead, reaped or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_worker_that_leaves_is_quoted(tmp_path: Path) -> None:
    with (
        pytest.raises(click.ClickException, match=r"the worker left.*no adapter serves nosuch://"),
        started_worker("nosuch://", "demo", tmp_path) as worker,
    ):
        outlive(worker)


def outlive(worker: DemoWorker) -> None:
    while True:
        worker.check()
