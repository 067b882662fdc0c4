"""What a class redacts no text shows: errors, reprs, logs, JobInfo."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Iterator
from typing import Any

import pytest

import jobkit
from jobkit import DeserializationError, Job, SerializationError, events, job
from jobkit.adapter import Bury, State
from jobkit.capabilities import Move
from jobkit.cli import logs
from jobkit.inspection import Inspector, JobInfo
from jobkit.jobs import registry, run_of
from jobkit.jobs.plan import plan_of
from jobkit.outcome import Buried
from jobkit.payload import Payload
from jobkit.testing import ManualClock
from tests.unit.core.support import Life, Store, outcome_of

SECRET = "hunter2-hunter2"


class Login(Job, redact=["password"], retry=0):
    def perform(self, user: str, password: str, *more: str, **extra: str) -> None: ...


class Silent(Job, log_arguments=False, retry=0):
    def perform(self, *args: int, **kwargs: int) -> None: ...


@job(redact=["password"])
def log_in(user: str, password: str) -> None: ...


def info(store: Store) -> JobInfo:
    [only] = [
        each
        for state in (State.ENQUEUED, State.DEAD)
        for each in Inspector(store).jobs(state).items
    ]
    return only


def by_another_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on no class is known: what is to be hidden must stand in the payload."""
    monkeypatch.setattr(registry, "_classes", {})


class TestPages:
    @pytest.fixture(params=["with the classes", "without them"], autouse=True)
    def _known(self, request: pytest.FixtureRequest, store: Store) -> None:
        if request.param == "without them":
            stored = store.enqueue

            def store_and_forget(payloads: Any) -> None:
                stored(payloads)
                registry._classes.clear()

            store.enqueue = store_and_forget  # type: ignore[method-assign]

    def test_show_a_redacted_argument_by_position(self, store: Store) -> None:
        Login.perform_later("ada", SECRET, "more")
        assert info(store).args == ["ada", "[redacted]", "more"]

    def test_and_by_name(self, store: Store) -> None:
        Login.perform_later("ada", password=SECRET, extra="shown")
        assert info(store).kwargs == {"password": "[redacted]", "extra": "shown"}

    def test_of_a_function_too(self, store: Store) -> None:
        log_in.perform_later("ada", SECRET)
        assert info(store).args == ["ada", "[redacted]"]

    def test_of_a_job_that_ran_and_died_too(self, store: Store, clock: ManualClock) -> None:
        Login.perform_later("ada", SECRET)
        store.beat("w", lease=30, claims=[], register=True)
        [claim] = store.claim(["default"], limit=1, worker="w")
        store.settle([Bury(claim, claim.payload.replace(error_class="E"))])
        assert info(store).args == ["ada", "[redacted]"]

    def test_show_nothing_of_a_class_that_logs_no_arguments(self, store: Store) -> None:
        Silent.perform_later(1, 2, a=3)
        seen = info(store)
        assert (seen.args, seen.kwargs) == (["[redacted]"] * 2, {"a": "[redacted]"})

    def test_show_neither_what_is_gathered_by_a_redacted_name(self, store: Store) -> None:
        class Gathers(Job, redact=["rest", "others"]):
            def perform(self, first: int, *rest: int, key: int = 0, **others: int) -> None: ...

        Gathers.perform_later(1, 2, 3, key=4, more=5)
        seen = info(store)
        assert seen.args == [1, "[redacted]", "[redacted]"]
        assert seen.kwargs == {"key": 4, "more": "[redacted]"}

    def test_show_nothing_of_malformed_text_that_holds_private_arguments(
        self, store: Store
    ) -> None:
        Login.perform_later("ada", SECRET)
        [stored] = store.jobs(State.ENQUEUED).items
        broken = stored.payload.replace(exception_executions=5, executions="x")
        assert store.move([Move(stored, broken, State.DEAD)]) == 1
        seen = info(store)
        assert seen.args == ["[redacted]"]
        assert SECRET not in str(seen)

    def test_show_nothing_of_text_that_was_cut_off_either(self, store: Store) -> None:
        Login.perform_later("ada", SECRET)
        [stored] = store.jobs(State.ENQUEUED).items
        cut = Payload(stored.payload.text[:-5])
        assert store.move([Move(stored, cut, State.DEAD)]) == 1
        assert info(store).args == ["[redacted]"]


class TestTheClassesHere:
    def test_hide_what_was_stored_before_they_did(self, store: Store) -> None:
        store.enqueue([Payload('{"class":"Later","args":["ada","s3cret"],"jid":"1"}')])
        assert info(store).args == ["ada", "s3cret"]

        class Later(Job, name="Later", redact=["password"]):
            def perform(self, user: str, password: str) -> None: ...

        assert info(store).args == ["ada", "[redacted]"]

    def test_hide_what_was_stored_by_name(self, store: Store) -> None:
        jobkit.enqueue(f"{__name__}.Login", ["ada", SECRET])
        assert "redact" not in store.only.fields
        assert info(store).args == ["ada", "[redacted]"]

    def test_inherit_what_their_base_hides(self, store: Store) -> None:
        class Other(Login):
            pass

        Other.perform_later("ada", SECRET)
        assert info(store).args == ["ada", "[redacted]"]


class TestThePayload:
    def test_says_what_must_not_be_shown(self, store: Store) -> None:
        Login.perform_later("ada", SECRET, "more", token="x")
        assert store.only.fields["redact"] == [1]
        assert store.only.args == ["ada", SECRET, "more"]

    def test_says_nothing_where_all_may_be_shown(self, store: Store) -> None:
        class Open(Job):
            def perform(self, a: int) -> None: ...

        Open.perform_later(1)
        assert "redact" not in store.only.fields

    @pytest.mark.parametrize("redact", ["yes", 5, {"a": 1}, True], ids=str)
    def test_hides_all_when_it_says_so_in_words_of_its_own(
        self, store: Store, redact: object
    ) -> None:
        text = json.dumps({"class": "A", "args": [1], "kwargs": {"a": 2}, "redact": redact})
        store.enqueue([Payload(text)])
        assert (info(store).args, info(store).kwargs) == (["[redacted]"], {"a": "[redacted]"})

    def test_shows_no_argument_in_its_repr(self, store: Store) -> None:
        Login.perform_later("ada", SECRET)
        assert repr(store.only).startswith(f"<Payload '{__name__}.Login' '")
        store.beat("w", lease=30, claims=[], register=True)
        [claim] = store.claim(["default"], limit=1, worker="w")
        assert "ada" not in repr(claim)
        assert repr(Payload("no job: " + SECRET)) == "<Payload of 23 characters that is no job>"

    def test_does_not_make_an_instance_show_them(self, store: Store) -> None:
        assert SECRET not in repr(Login.perform_later("ada", SECRET))


class TestErrors:
    def test_of_the_enqueue_hide_them(self) -> None:
        with pytest.raises(SerializationError, match=r"'password' cannot be stored: \[redacted\]"):
            Login.perform_later("ada", [SECRET])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    def test_of_a_bulk_hide_a_row_that_is_none(self, store: Store) -> None:
        with pytest.raises(TypeError, match=r"tuples or mappings, not \[redacted\]") as error:
            Login.perform_bulk([SECRET])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
        assert SECRET not in str(error.value)

    def test_of_the_load_hide_what_pydantic_would_show(self) -> None:
        arguments = plan_of(Login).arguments
        with pytest.raises(DeserializationError) as hidden:
            arguments.load(["ada", [SECRET]], {})
        assert SECRET not in "".join(traceback.format_exception(hidden.value))
        with pytest.raises(DeserializationError) as shown:
            arguments.load([["ada"], "pw"], {})
        assert shown.value.__cause__ is not None

    def test_of_a_class_that_logs_no_arguments_hide_all(self) -> None:
        with pytest.raises(SerializationError, match=r"\[redacted\] \(str\)") as error:
            Silent.perform_later(SECRET)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        assert SECRET not in str(error.value)

    @pytest.mark.parametrize("name", ["Login", "Silent"])
    def test_of_the_run_hide_them_and_so_does_what_is_stored(
        self, clock: ManualClock, name: str
    ) -> None:
        job_class: Any = globals()[name]
        life = Life(clock, job_class, *(("ada", "pw") if name == "Login" else (1, 2)))
        life.payload = life.payload.replace(args=[0, [SECRET]])
        outcome = life.run()
        assert isinstance(outcome, Buried)
        assert "[redacted]" in outcome.failure.message or name == "Login"
        assert SECRET not in outcome.failure.message
        assert SECRET not in "".join(outcome.failure.backtrace)


class TestLogs:
    @pytest.fixture(autouse=True)
    def _restored(self) -> Iterator[None]:
        root, ours = logging.getLogger(), logging.getLogger("jobkit")
        before = root.level, ours.level
        yield
        root.setLevel(before[0])
        ours.setLevel(before[1])

    def started(self, store: Store, caplog: pytest.LogCaptureFixture) -> str | None:
        """What the JSON of the first line has as arguments; people's text has none."""
        logs.set_up("info", "json")
        events.emit("perform_start", job=run_of(store.only).job)
        assert caplog.messages[0].endswith(" from default started")
        arguments: str | None = json.loads(logs.JsonFormatter().format(caplog.records[0])).get(
            "arguments"
        )
        return arguments

    def test_show_what_a_run_was_started_with(
        self, store: Store, clock: ManualClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        Login.perform_later("ada", SECRET, "x" * 1_000, more="m\n")
        assert self.started(store, caplog) == (
            f"'ada', '[redacted]', {'x' * 1_000!r:.200}..., more='m\\n'"
        )

    def test_do_not_grow_with_the_number_of_arguments(
        self, store: Store, clock: ManualClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Many(Job):
            def perform(self, *args: int) -> None: ...

        Many.perform_later(*range(10_000))
        assert len(self.started(store, caplog) or "") == 1_003

    def test_show_nothing_of_a_class_that_logs_no_arguments(
        self, store: Store, clock: ManualClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        Silent.perform_later(1, 2)
        assert self.started(store, caplog) is None

    def test_show_a_malformed_job_without_them(
        self, store: Store, clock: ManualClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        store.enqueue([Payload(f'{{"class":"{__name__}.Login","args":"{SECRET}","jid":"1"}}')])
        assert self.started(store, caplog) is None
        outcome_of(store.only, clock)
        assert SECRET not in caplog.text
