"""How records and runs are written."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from jobkit import Job, events
from jobkit.cli import logs
from jobkit.outcome import (
    Buried,
    Discarded,
    Dropped,
    Failure,
    Outcome,
    Released,
    Retried,
    Snoozed,
    Succeeded,
)
from jobkit.payload import Payload
from jobkit_inline import InlineAdapter, use_adapter

FAILURE = Failure("app.Broken", "no luck", (), at=0)
JOB = SimpleNamespace(id="j1", queue="low", _plan=SimpleNamespace(name="app.Job"))
SECOND = SimpleNamespace(**vars(JOB), executions=2)


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """The loggers and the subscribers as they were."""
    names = (None, "jobkit", "sqlalchemy")
    before = [(logging.getLogger(name), logging.getLogger(name).level) for name in names]
    yield
    for logger, level in before:
        logger.setLevel(level)
    events.unsubscribe(logs.log_run)
    events.unsubscribe(logs.log_failure)


def record(message: str, *args: object) -> logging.LogRecord:
    made = logging.LogRecord("jobkit.worker", logging.INFO, "", 1, message, args, None)
    made.created = 1_700_000_000.25
    return made


def failed() -> logging.LogRecord:
    made = record("it failed")
    try:
        raise ValueError("bad\x1b[2J\n2023-11-14T22:13:20Z INFO forged")
    except ValueError:
        made.exc_info = sys.exc_info()
    return made


class TestText:
    def test_is_time_level_logger_and_message(self) -> None:
        line = logs.TextFormatter().format(record("%s is %d", "x", 3))
        assert line == "2023-11-14T22:13:20.250Z INFO     jobkit.worker: x is 3"

    def test_escapes_what_moves_the_cursor_or_breaks_the_line(self) -> None:
        line = logs.TextFormatter().format(record("%s", "a\x1b[2J\nb\u202ec\x85"))
        assert line.endswith("jobkit.worker: a\\x1b[2J\\nb\\u202ec\\x85")

    def test_indents_tracebacks_so_that_no_error_poses_as_a_record(self) -> None:
        first, *rest = logs.TextFormatter().format(failed()).splitlines()
        assert first.endswith("it failed")
        assert rest[0] == "    Traceback (most recent call last):"
        assert all(line.startswith("    ") for line in rest)
        assert all(line.isprintable() for line in rest)


class TestContext:
    def test_a_line_tells_the_attempt_and_what_travels_with_the_job(self) -> None:
        logs.set_up("info", "json")
        stored = Payload.of({"class": "app.Job", "args": [], "context": {"tenant": "acme"}})
        job = SimpleNamespace(**vars(SECOND), _payload=stored)
        fields, message = _written(job)
        assert (fields["attempt"], fields["context"]) == (2, {"tenant": "acme"})
        assert message.startswith("app.Job j1 from low (attempt 2) ended after")

    def test_a_first_attempt_is_a_field_and_no_words(self) -> None:
        fields, message = _written(SimpleNamespace(**vars(JOB), executions=1))
        assert fields["attempt"] == 1
        assert "attempt" not in message

    def test_what_a_job_logs_names_the_job(self) -> None:
        told: list[dict[str, object]] = []

        class Talks(Job):
            def perform(self) -> None:
                told.append(json.loads(logs.JsonFormatter().format(record("hello"))))

        with use_adapter(InlineAdapter()):
            job = Talks.perform_later()
        assert told[0]["message"] == "hello"
        assert (told[0]["job_id"], told[0]["job_class"]) == (job.id, Talks._name)
        assert (told[0]["queue"], told[0]["attempt"]) == ("default", 1)
        assert "job_id" not in json.loads(logs.JsonFormatter().format(record("outside")))


def _written(job: object) -> tuple[dict[str, object], str]:
    """The fields and the message of a run's last line."""
    kept: list[logging.LogRecord] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            kept.append(record)

    handler = Kept()
    logger = logging.getLogger("jobkit.jobs")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        event = events.Event(name="perform", job=job, data={"outcome": Succeeded()}, duration=0.5)
        logs.log_run(event)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
    return kept[-1].__dict__["jobkit"], kept[-1].getMessage()


class TestJson:
    def test_is_one_object_on_one_line(self) -> None:
        line = logs.JsonFormatter().format(record("%s", "a\nb\x1b"))
        assert "\n" not in line
        assert json.loads(line) == {
            "time": "2023-11-14T22:13:20.250Z",
            "level": "info",
            "logger": "jobkit.worker",
            "message": "a\nb\x1b",
        }

    def test_has_the_traceback_as_a_field(self) -> None:
        line = logs.JsonFormatter().format(failed())
        assert "ValueError: bad" in json.loads(line)["traceback"]
        assert "\n" not in line


class TestRuns:
    @pytest.mark.parametrize(
        ("outcome", "level", "said"),
        [
            (Succeeded(), "INFO", "succeeded"),
            (Succeeded(halted=True), "INFO", "halted"),
            (Retried(18.2, FAILURE), "WARNING", "failed, runs again in 18 s: app.Broken: no luck"),
            (Retried(18.2, None), "INFO", "asked to run again in 18 s"),
            (Snoozed(60), "INFO", "snoozed for 60 s"),
            (Discarded("not needed"), "INFO", "discarded: not needed"),
            (Dropped(FAILURE), "ERROR", "failed for good, not kept: app.Broken: no luck"),
            (Buried(FAILURE), "ERROR", "failed for good, buried: app.Broken: no luck"),
            (Released(), "INFO", "given back"),
        ],
    )
    def test_end_with_a_line_that_tells_the_outcome(
        self, outcome: Outcome, level: str, said: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        logs.set_up("info", "text")
        events.emit("perform", job=JOB, duration=0.5, outcome=outcome)
        [written] = caplog.records
        assert written.levelname == level
        assert written.getMessage() == f"app.Job j1 from low ended after 0.500 s: {said}"

    def test_start_with_a_line(self, caplog: pytest.LogCaptureFixture) -> None:
        logs.set_up("info", "text")
        events.emit("perform_start", job=JOB)
        assert caplog.messages == ["app.Job j1 from low started"]

    def test_do_not_fill_the_log_with_a_long_message(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        logs.set_up("info", "text")
        failure = Failure("E", "x" * 10_000, (), at=0)
        events.emit("perform", job=JOB, duration=0.5, outcome=Buried(failure))
        assert len(caplog.messages[0]) < 1_200

    def test_that_went_well_are_not_written_above_info(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        logs.set_up("warning", "text")
        events.emit("perform_start", job=JOB)
        events.emit("perform", job=JOB, duration=0.5, outcome=Succeeded())
        events.emit("perform", job=JOB, duration=0.5, outcome=Retried(1, None))
        events.emit("perform", job=JOB, duration=0.5, outcome=Retried(1, FAILURE))
        assert [each.levelname for each in caplog.records] == ["WARNING"]

    def test_are_not_even_listened_to_when_nothing_would_be_written(self) -> None:
        logs.set_up("critical", "text")
        assert not events.subscribed()
        logs.set_up("info", "text")
        assert events.subscribed()


class TestSetUp:
    def test_leaves_the_handlers_of_the_application_alone(self) -> None:
        root = logging.getLogger()
        before = list(root.handlers)  # pytest's own
        assert before
        logs.set_up("info", "text")
        assert root.handlers == before

    def test_writes_to_stderr_once_however_often_it_is_called(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(logging.getLogger(), "handlers", [])
        logs.set_up("info", "text")
        logs.set_up("info", "json")
        logging.getLogger("jobkit.worker").info("hello")
        logging.getLogger("jobkit.worker").debug("not this")
        out, err = capsys.readouterr()
        assert json.loads(err)["message"] == "hello"
        assert out == ""

    def test_keeps_statements_and_their_arguments_out(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(logging.getLogger(), "handlers", [])
        logs.set_up("debug", "text")
        assert not logging.getLogger("sqlalchemy.engine").isEnabledFor(logging.INFO)
