"""Isolated runs: what is said between the processes, and where there can be none."""

from __future__ import annotations

import io
import sys

import pytest

from jobkit import Job
from jobkit.adapter import State
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
from jobkit.worker.carried import Began, BodyEnded, Broke, Completed, Ended, Task, decoded, encoded
from jobkit_inline import MemoryAdapter
from tests.unit.worker.conftest import StartWorker
from tests.unit.worker.helpers import until

FAILURE = Failure("ValueError", "no\nway", ("a.py:1 in f: f()",), 12.5)


@pytest.mark.parametrize(
    "outcome",
    [
        Succeeded({"a": [1, None]}),
        Succeeded(halted=True),
        Retried(1.5, FAILURE, {"app.Error": 2}, "slow", 3),
        Retried(0.0, None),
        Snoozed(3.0),
        Discarded("why"),
        Dropped(FAILURE),
        Buried(FAILURE, {"app.Error": 2}),
        Released(),
    ],
)
def test_every_outcome_comes_back_as_it_was(outcome: Outcome) -> None:
    assert decoded(encoded(Ended(outcome))) == Ended(outcome)


def test_a_result_that_is_no_json_stays_where_it_is() -> None:
    word = decoded(encoded(Ended(Succeeded(object()))))
    assert isinstance(word, Ended)
    assert word.outcome == Succeeded(None, lost="Object of type object is not JSON serializable")


@pytest.mark.parametrize("word", [Began(), BodyEnded(), Completed(), Broke("no")])
def test_every_word_comes_back_as_it_was(word: Began | BodyEnded | Completed | Broke) -> None:
    assert decoded(encoded(word)) == word


def test_a_task_is_one_line_whatever_the_payload_has() -> None:
    task = Task('{"a":\n"é"}', "r", 1, "sqlite:///x", ["/a"], ["app"], {"url": None}, log=True)
    line = task.line()
    assert line.count(b"\n") == 1
    assert Task.of_line(line) == task


class Apart(Job, isolation="process"):
    def perform(self) -> None: ...


def test_a_store_that_only_this_process_can_reach_has_no_isolated_runs(
    store: MemoryAdapter, start_worker: StartWorker
) -> None:
    Apart.perform_later()
    start_worker()
    until(lambda: store.stats().retry == 1)
    [failed] = store.jobs(State.RETRY).items
    assert failed.payload.fields["error_class"] == "jobkit.errors.Unsupported"
    assert "isolation='process'" in failed.payload.fields["error_message"]


def test_options_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="needs isolation='process'"):

        class Threaded(Job, max_memory=100): ...

    with pytest.raises(ValueError, match="give 'thread' or 'process'"):

        class Forked(Job, isolation="fork"): ...  # type: ignore[arg-type] # that is the point

    with pytest.raises(ValueError, match="whole megabytes from 1"):

        class Tiny(Job, isolation="process", max_memory=0): ...


def test_what_inherits_is_isolated_too_and_may_go_back() -> None:
    class Child(Apart, max_memory=100): ...

    class Back(Child, isolation="thread", max_memory=None): ...

    assert (Child._options.isolation, Child._options.max_memory) == ("process", 100)
    assert Back._options.isolation == "thread"


def test_what_was_printed_is_out_before_the_worker_hears_of_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From then on the worker waits for a few seconds, and kills the process."""
    from jobkit.cli import isolated

    order: list[str] = []

    class Noting(io.StringIO):
        def flush(self) -> None:
            order.append("printed")

    class Told:
        def __init__(self, fd: int) -> None:
            del fd

        def task(self) -> None:
            return None

        def tell(self, word: object) -> None:
            order.append("told")

    monkeypatch.setattr(isolated, "Line", Told)
    monkeypatch.setattr(isolated, "_performed", lambda task, line: None)
    monkeypatch.setattr(isolated, "leave", sys.exit)
    for name in ("die_with_parent", "collect_rarely", "leave_signals_to_the_supervisor"):
        monkeypatch.setattr(isolated, name, lambda: None)
    monkeypatch.setattr(sys, "argv", ["isolated", "0"])
    monkeypatch.setattr(sys, "stdout", Noting())
    with pytest.raises(SystemExit):
        isolated.main()
    assert order == ["printed", "told"]
