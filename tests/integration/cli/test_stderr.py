"""Lines that are written in batches: none is lost, torn apart or late."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import pytest

from jobkit import events
from jobkit.cli import logs
from jobkit.cli.stderr import Stderr
from jobkit.outcome import Buried, Failure, Outcome, Retried, Succeeded
from tests.integration.cli.test_logs import JOB, SECOND

FAILURE = Failure("app.Broken", "no\nluck", (), at=0)
CHILD = """
import logging, os, sys, time
from jobkit.cli import logs
logs.set_up("info", "text", batched=True)
log = logging.getLogger("app")
"""


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nobody else's handlers; the loggers and the subscribers as they were."""
    names = (None, "jobkit", "sqlalchemy", "jobkit.jobs")
    before = [(logging.getLogger(name), logging.getLogger(name).level) for name in names]
    with monkeypatch.context() as patch:
        patch.setattr(logging.getLogger(), "handlers", [])
        yield
        for handler in logging.getLogger().handlers:
            handler.close()
    for logger, level in before:
        logger.setLevel(level)
    events.unsubscribe(logs.log_run)
    events.unsubscribe(logs.log_failure)


def set_up(form: str, *, batched: bool = False) -> tuple[Stderr, StringIO]:
    """Our handler as the only one, and what it writes to."""
    logging.getLogger().handlers = []  # pytest's own
    logs.set_up("info", form, batched=batched)
    [handler] = logging.getLogger().handlers
    assert isinstance(handler, Stderr)
    handler.setStream(stream := StringIO())
    return handler, stream


def written(how: str, path: Path) -> list[str]:
    """What a program that logs wrote to a file by its end."""
    with path.open("w") as file:
        subprocess.run([sys.executable, "-c", CHILD + how], stderr=file, check=False, timeout=150)
    return path.read_text().splitlines()


@pytest.mark.parametrize(
    "end", ["pass", "sys.exit(3)", "raise SystemError", "logging.shutdown(); os._exit(0)"]
)
def test_no_line_is_lost_when_a_process_ends(end: str, tmp_path: Path) -> None:
    lines = written(f"for n in range(25_000): log.info('%d', n)\n{end}", tmp_path / "log")
    numbers = [line.rpartition(" ")[2] for line in lines if " app: " in line]
    assert numbers == [str(number) for number in range(25_000)]


def test_what_was_logged_a_while_before_a_kill_is_there(tmp_path: Path) -> None:
    how = (
        "log.info('early')\n"
        "for _ in range(500):\n"
        "    if os.fstat(2).st_size: break\n"
        "    time.sleep(0.1)\n"
        "os.kill(os.getpid(), 9)"
    )
    lines = written(how, tmp_path / "log")
    assert [line.rpartition(" ")[2] for line in lines] == ["early"]


def test_a_warning_is_there_at_once_with_what_waited(tmp_path: Path) -> None:
    how = "log.info('first'); log.warning('second'); os.kill(os.getpid(), 9)"
    lines = written(how, tmp_path / "log")
    assert [line.rpartition(" ")[2] for line in lines] == ["first", "second"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_fork_writes_its_own_lines_and_nobody_elses(tmp_path: Path) -> None:
    how = (
        "import warnings; warnings.simplefilter('ignore')\n"  # newer Pythons warn of such forks
        "log.info('before')\n"
        "if not os.fork():\n    log.info('child'); os._exit(0)\n"
        "os.wait(); log.info('after')"
    )
    lines = written(how, tmp_path / "log")
    assert sorted(line.rpartition(" ")[2] for line in lines) == ["after", "before", "child"]


def test_lines_of_processes_that_share_a_pipe_are_not_mixed_up() -> None:
    reading, writing = os.pipe()
    how = "for n in range(3_000): log.info('é' * 50 + ' %d.', n)"
    both = [subprocess.Popen([sys.executable, "-c", CHILD + how], stderr=writing) for _ in range(2)]
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as pipe:
        lines = pipe.read().splitlines()
    assert [each.wait(60) for each in both] == [0, 0]
    assert len(lines) == 6_000
    assert all(line.startswith("20") and line.endswith(".") for line in lines)


def test_lines_after_the_end_are_written_at_once() -> None:
    handler, stream = set_up("text", batched=True)
    handler.close()
    logging.getLogger("app").info("late")
    assert stream.getvalue().endswith("app: late\n")


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("job", [JOB, SECOND])
@pytest.mark.parametrize(
    "outcome", [Succeeded(), Retried(3, None), Retried(3, FAILURE), Buried(FAILURE)]
)
def test_a_run_reads_the_same_with_and_without_a_record(
    form: str, job: object, outcome: Outcome
) -> None:
    def told(meanwhile: Callable[[], object]) -> str:
        _, stream = set_up(form)
        meanwhile()
        events.emit("perform_start", job=job)
        events.emit("perform", job=job, duration=0.25, outcome=outcome)
        return _without_time(stream.getvalue(), form)

    direct = told(lambda: None)
    logger, extra = logging.getLogger("jobkit.jobs"), logging.NullHandler()
    try:
        by_record = told(lambda: logger.addHandler(extra))
    finally:
        logger.removeHandler(extra)
    assert direct == by_record
    assert direct.count("\n") == 2


def test_a_handler_of_the_application_hears_of_runs_as_records() -> None:
    set_up("text")
    heard: list[logging.LogRecord] = []

    class Hears(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record)

    extra = Hears()
    logging.getLogger("jobkit").addHandler(extra)
    try:
        events.emit("perform_start", job=JOB)
    finally:
        logging.getLogger("jobkit").removeHandler(extra)
    assert [record.getMessage() for record in heard] == ["app.Job j1 from low started"]


def _without_time(lines: str, form: str) -> str:
    if form == "text":
        return "".join(line[24:] for line in lines.splitlines(keepends=True))
    told = [json.loads(line) for line in lines.splitlines()]
    return "".join(json.dumps({**fields, "time": ""}) + "\n" for fields in told)
