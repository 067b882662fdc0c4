"""Whatever a job raises becomes an outcome, and its record is text that every store keeps."""

from __future__ import annotations

import asyncio
import linecache
import threading
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobkit import DiscardJob, Job, JobTimeout, around_perform, discard_on, on_exhausted
from jobkit.failure import failure_of, message_of, packed, unpacked
from jobkit.outcome import Buried, Discarded, Failure
from jobkit.testing import ManualClock
from tests.unit.core.support import Life, outcome_of, raising, stored_form

LONE = "\ud800"


class RaisingText(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no message")


class ExitingText(Exception):
    def __str__(self) -> str:
        raise SystemExit(1)


TextOfNoText: Any = type("TextOfNoText", (Exception,), {"__str__": lambda self: 5})


class Endless(Exception):
    def __str__(self) -> str:
        return str(self)


class Nameless(Exception):
    __module__ = f"app.{LONE}"


def failure(error: BaseException | Callable[[], BaseException]) -> Failure:
    """The record of a job without retries that raised it."""
    payload = stored_form(raising(error)).replace(retry=0)
    outcome = outcome_of(payload, ManualClock())
    assert isinstance(outcome, Buried)
    return outcome.failure


class TestEveryErrorIsAnOutcome:
    @pytest.mark.parametrize(
        "error",
        [
            ValueError(),
            SystemExit(3),
            KeyboardInterrupt(),
            GeneratorExit(),
            JobTimeout("60 s"),
            asyncio.CancelledError(),
            BaseException(),
            MemoryError(),
            StopIteration(5),
            StopAsyncIteration(),
            BaseExceptionGroup("two", [KeyboardInterrupt(), ValueError()]),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_it_is_a_failure_like_any_other(self, error: BaseException) -> None:
        assert failure(error).error_class.endswith(type(error).__name__)

    @pytest.mark.parametrize("error", [StopIteration(5), GeneratorExit(), SystemExit()], ids=repr)
    def test_so_it_is_within_an_around_callback(
        self, clock: ManualClock, error: BaseException
    ) -> None:
        class Around(Job, retry=0):
            @around_perform
            def around(self) -> Iterator[None]:
                yield

            def perform(self) -> None:
                raise error

        outcome = Life(clock, Around).run()
        assert isinstance(outcome, Buried)
        assert outcome.failure.error_class == type(error).__name__

    def test_a_recursion_without_end_is_one_too(self, clock: ManualClock) -> None:
        class Recursive(Job, retry=0):
            def perform(self) -> None:
                self.perform()

        outcome = Life(clock, Recursive).run()
        assert isinstance(outcome, Buried)
        assert outcome.failure.error_class == "RecursionError"
        assert len(outcome.failure.backtrace) <= 30

    @pytest.mark.behaviour("B6")
    def test_arguments_that_cannot_be_loaded_are_one_and_stay_as_they_are(
        self, clock: ManualClock
    ) -> None:
        class Takes(Job, retry=0):
            def perform(self, number: int) -> None: ...

        life = Life(clock, Takes, 1)
        text = life.payload.text.replace('"args":[1]', '"args":[ "x" ,1e400]')
        life.payload = type(life.payload)(text)
        outcome = life.run()
        assert isinstance(outcome, Buried)
        assert outcome.failure.error_class == "jobkit.errors.DeserializationError"
        assert '"args":[ "x" ,1e400]' in life.payload.text


class TestMessages:
    @pytest.mark.behaviour("C11")
    @pytest.mark.parametrize(
        ("error", "raised"),
        [
            (RaisingText(), "RuntimeError"),
            (ExitingText(), "SystemExit"),
            (TextOfNoText(), "TypeError"),
            (Endless(), "RecursionError"),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_one_that_cannot_be_read_says_why(self, error: Exception, raised: str) -> None:
        assert message_of(error) == (f"<the message cannot be read: its __str__ raised {raised}>")
        assert failure(error).message == message_of(error)

    @pytest.mark.parametrize("error", [RaisingText(), ExitingText(), Endless()], ids=repr)
    def test_a_job_may_be_discarded_by_it_all_the_same(
        self, clock: ManualClock, error: Exception
    ) -> None:
        @discard_on(type(error))
        class Drops(raising(error)):  # type: ignore[misc] # made at run time
            pass

        outcome = Life(clock, Drops).run()
        assert isinstance(outcome, Discarded)
        assert "cannot be read" in outcome.reason

    @pytest.mark.behaviour("C11")
    def test_what_no_store_keeps_is_written_as_escapes(self) -> None:
        assert failure(ValueError(f"a\x00b{LONE}é")).message == r"a\x00b\ud800é"

    @pytest.mark.behaviour("C11")
    @pytest.mark.parametrize("text", ["x" * 5_000_000, "\x00" * 20_000, LONE * 20_000])
    def test_it_is_cut_to_ten_thousand_characters(self, text: str) -> None:
        assert len(failure(ValueError(text)).message) == 10_000

    def test_text_of_a_kind_of_its_own_is_taken_for_plain_text(self) -> None:
        def refuse(*args: object) -> NoReturn:
            raise RuntimeError

        methods = dict.fromkeys(["__getitem__", "replace", "encode", "isascii"], refuse)
        text = type("Text", (str,), methods)

        class Odd(Exception):
            def __str__(self) -> str:
                made: str = text("a\x00b")
                return made

        assert failure(Odd()).message == "a\\x00b"

    @pytest.mark.behaviour("C11")
    @given(st.text())
    def test_any_text_becomes_text_that_every_store_keeps(self, text: str) -> None:
        message = message_of(ValueError(text))
        assert "\x00" not in message
        assert message.encode().decode() == message

    def test_a_reason_is_cut_and_made_valid_too(self, clock: ManualClock) -> None:
        outcome = Life(clock, raising(DiscardJob("\x00" * 20_000))).run()
        assert isinstance(outcome, Discarded)
        assert len(outcome.reason) == 10_000
        assert "\x00" not in outcome.reason


class TestClassesAndFrames:
    def test_a_builtin_is_named_alone_and_others_with_their_module(self) -> None:
        assert failure(KeyError()).error_class == "KeyError"
        assert failure(RaisingText()).error_class == f"{__name__}.RaisingText"

    def test_a_name_that_no_store_keeps_is_escaped(self) -> None:
        assert failure(Nameless()).error_class == r"app.\ud800.Nameless"

    def test_a_name_that_cannot_be_read_costs_nothing_else(self) -> None:
        class Hostile(type):
            @property
            def __module__(cls) -> str:  # type: ignore[override]
                raise SystemExit

        class Odd(Exception, metaclass=Hostile):
            pass

        recorded = failure(Odd("the message"))
        assert recorded.error_class == "<a class whose name cannot be read>"
        assert recorded.message == "the message"

    def test_a_name_is_cut(self) -> None:
        assert len(failure(type("E" * 100_000, (Exception,), {})()).error_class) == 1_000

    def test_a_long_line_of_source_is_cut(self) -> None:
        source = f"raise ValueError({'x' * 5_000!r})"
        made = compile(source, "long.py", "exec")
        linecache.cache["long.py"] = (len(source), None, [source], "long.py")

        def make() -> BaseException:
            try:
                exec(made)
            except ValueError as error:
                return error
            raise AssertionError

        try:
            assert max(map(len, failure(make).backtrace)) == 1_000
        finally:
            del linecache.cache["long.py"]

    def test_what_cannot_be_pickled_is_recorded_like_any_other(self) -> None:
        error = ValueError(lambda: None, threading.Lock())
        assert failure(error).message.startswith("(<function")

    def test_an_error_that_is_its_own_cause_is_one_too(self) -> None:
        error = ValueError("round")
        error.__cause__ = error.__context__ = error
        assert failure(error).message == "round"

    def test_a_group_is_recorded_as_a_whole(self) -> None:
        deep: Any = ValueError("innermost")
        for _ in range(200):
            deep = ExceptionGroup("group", [deep, deep])
        assert failure(deep).message == "group (2 sub-exceptions)"

    @pytest.mark.parametrize("error", [RaisingText(), ExitingText()], ids=repr)
    def test_a_hook_may_raise_one_that_cannot_be_read(
        self, clock: ManualClock, caplog: pytest.LogCaptureFixture, error: Exception
    ) -> None:
        class Hooked(Job, retry=0):
            @on_exhausted
            def tell(self, failed: BaseException) -> None:
                raise error

            def perform(self) -> None:
                raise ValueError("the job's own")

        outcome = Life(clock, Hooked).run()
        assert isinstance(outcome, Buried)
        assert outcome.failure.message == "the job's own"
        assert caplog.messages == [f"tell raised {type(error).__name__} and was passed over"]

    @pytest.mark.behaviour("C12")
    def test_the_backtrace_is_of_the_jobs_own_frames(self) -> None:
        def inner() -> None:
            raise KeyError("deep")

        def make() -> BaseException:
            try:
                inner()
            except KeyError as error:
                return error
            raise AssertionError

        *_, last = failure(make).backtrace
        assert last.startswith(f"{__file__}:")
        assert last.endswith(' in inner: raise KeyError("deep")')

    @pytest.mark.behaviour("C12")
    def test_a_backtrace_comes_back_as_it_was_packed(self) -> None:
        lines = ("one", "zwei é", "")
        assert unpacked(packed(lines)) == lines

    @pytest.mark.parametrize("text", [None, 5, "", "no base64", "AAAA", packed(()), {}])
    def test_what_is_no_backtrace_is_an_empty_one(self, text: Any) -> None:
        assert unpacked(text) == ()

    def test_a_chain_of_causes_a_thousand_long_does_no_harm(self) -> None:
        error: BaseException = ValueError("last")
        for number in range(1_000):
            outer = ValueError(str(number))
            outer.__cause__ = outer.__context__ = error
            error = outer
        assert failure(error).message == "999"

    def test_an_error_that_was_never_raised_has_no_frames(self) -> None:
        assert failure_of(KeyError("x"), 5.0) == Failure("KeyError", "'x'", (), 5.0)
