"""Arguments of an older version are upgraded, those of a newer one wait for the newer class."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from jobkit import DeserializationError, Job, discard_on, job, rescue_from
from jobkit.jobs import registry
from jobkit.jobs.plan import plan_of
from jobkit.outcome import Buried, Retried, Succeeded
from jobkit.testing import ManualClock
from tests.unit.core.support import Life, Store, outcome_of, stored_form


def greeting(version: int, **options: Any) -> type[Job]:
    """The class as its first version had it, or as it is since: with a locale."""

    if version == 1:

        class First(Job, name="Greeting", **options):
            def perform(self, user_id: int) -> object:
                return user_id

        return First

    class Second(Job, name="Greeting", version=2, **options):
        def perform(self, user_id: int, *, locale: str) -> object:
            return user_id, locale

        @classmethod
        def upgrade(
            cls, args: list[Any], kwargs: dict[str, Any], version: int
        ) -> tuple[Sequence[Any], Mapping[str, Any]]:
            return args, {"locale": f"from {version}", **kwargs}

    return Second


class TestThePayload:
    def test_carries_the_version_of_its_class(self) -> None:
        payload = stored_form(greeting(2), 1, locale="en")
        assert (payload.version, payload.fields["version"]) == (2, 2)

    def test_does_not_mention_the_first(self) -> None:
        payload = stored_form(greeting(1), 1)
        assert (payload.version, "version" in payload.fields) == (1, False)

    @pytest.mark.parametrize("written", ['"3"', "0", "-1", "true", "2.0", "null"])
    def test_of_somebody_else_with_another_sense_of_the_word_is_the_first(
        self, written: str, clock: ManualClock
    ) -> None:
        life = Life(clock, greeting(1), 7)
        text = life.payload.text.replace('{"class"', f'{{"version":{written},"class"', 1)
        life.payload = type(life.payload)(text)
        assert life.run() == Succeeded(7)

    @pytest.mark.parametrize("wrong", [0, -1])
    def test_has_a_version_from_1(self, wrong: int) -> None:
        with pytest.raises(ValueError, match=r"version is .*from 1"):
            greeting_of_version(wrong)


def greeting_of_version(version: int) -> type[Job]:
    class Made(Job, version=version):
        pass

    return Made


class TestAnOlderPayload:
    def test_is_upgraded_before_its_arguments_are_loaded(self, clock: ManualClock) -> None:
        life = Life(clock, greeting(1), 7)
        greeting(2)
        assert life.run() == Succeeded((7, "from 1"))

    def test_is_upgraded_for_who_reads_the_arguments_too(self, store: Store) -> None:
        old = greeting(1)
        old.perform_later(7)
        new = greeting(2)()
        new._plan, new._payload, new._arguments = plan_of(type(new)), store.only, None
        assert (new.args, new.kwargs) == ([7], {"locale": "from 1"})

    def test_keeps_its_text_over_a_retry(self, clock: ManualClock) -> None:
        class Old(Job, name="Fails"):
            def perform(self, items: list[Any]) -> None: ...

        life = Life(clock, Old, [1])

        class New(Job, name="Fails", version=3):
            def perform(self, items: list[Any], more: int) -> None:
                raise ValueError(f"{items} {more}")

            @classmethod
            def upgrade(cls, args: list[Any], kwargs: dict[str, Any], version: int) -> Any:
                args[0].append("changed by the hook")
                return [*args, version], kwargs

        outcome = life.run(times=2)
        assert isinstance(outcome, Retried)
        assert outcome.failure is not None
        assert outcome.failure.message == "[1, 'changed by the hook'] 1"
        assert '"args":[[1]]' in life.payload.text
        assert (outcome_of(life.payload, clock), life.payload.args)[1] == [[1]]
        assert life.payload.version == 1

    def test_without_a_hook_is_a_failure_that_says_what_to_define(self, clock: ManualClock) -> None:
        class Old(Job, name="Bare"):
            def perform(self) -> None: ...

        life = Life(clock, Old)

        class New(Job, name="Bare", version=2, retry=0):
            def perform(self) -> None: ...

        life.payload = life.payload.replace(retry=0)
        outcome = life.run()
        assert isinstance(outcome, Buried)
        assert outcome.failure.error_class == "jobkit.errors.DeserializationError"
        assert outcome.failure.message == (
            "Bare has version 2 of its arguments, the job was stored with version 1: define "
            "`upgrade(cls, args, kwargs, version)` to translate"
        )

    @pytest.mark.parametrize("answer", [None, [1], ([1], [2]), ("ab", {}), ([1], {}, 2)], ids=str)
    def test_whose_hook_answers_nonsense_is_a_failure(
        self, clock: ManualClock, answer: object
    ) -> None:
        class Old(Job, name="Odd"):
            def perform(self) -> None: ...

        life = Life(clock, Old)

        class New(Job, name="Odd", version=2):
            def perform(self, value: int = 0) -> None: ...

            @classmethod
            def upgrade(cls, args: list[Any], kwargs: dict[str, Any], version: int) -> Any:
                return answer

        outcome = life.run()
        assert isinstance(outcome, Retried)
        assert outcome.failure is not None
        assert "upgrade() must return (args, kwargs), a list and a dict" in outcome.failure.message

    def test_whose_hook_raises_meets_the_rules_of_the_class(self, clock: ManualClock) -> None:
        class Old(Job, name="Ruled"):
            def perform(self) -> None: ...

        life = Life(clock, Old)

        class New(Job, name="Ruled", version=2):
            def perform(self) -> None: ...

            @classmethod
            def upgrade(cls, args: list[Any], kwargs: dict[str, Any], version: int) -> Any:
                raise KeyError(version)

            @rescue_from(KeyError)
            def rescued(self, error: KeyError) -> str:
                return "rescued"

        assert life.run() == Succeeded("rescued")

    def test_may_be_upgraded_by_a_method_without_the_decorator(self, clock: ManualClock) -> None:
        class Old(Job, name="Plain"):
            def perform(self) -> None: ...

        life = Life(clock, Old)

        class New(Job, name="Plain", version=2):
            def perform(self, value: int) -> object:
                return value

            def upgrade(cls, args: Any, kwargs: Any, version: int) -> Any:  # type: ignore[override]  # noqa: N805
                assert isinstance(cls, type)
                return [5], {}

        assert life.run() == Succeeded(5)

    def test_of_a_function_is_upgraded_by_a_function(self, clock: ManualClock) -> None:
        @job(name="function")
        def first(user_id: int) -> object:
            return user_id

        life = Life(clock, first.job_class, 7)

        @job(name="function", version=2)
        def second(user_id: int, locale: str) -> object:
            return user_id, locale

        @second.upgrade
        def _(args: Any, kwargs: Any, version: int) -> Any:
            return [*args, f"from {version}"], kwargs

        assert life.run() == Succeeded((7, "from 1"))


class TestANewerPayload:
    def test_fails_by_the_default_policy_and_says_what_to_deploy(self, clock: ManualClock) -> None:
        life = Life(clock, greeting(2), 7, locale="en")
        greeting(1)
        outcome = life.run()
        assert isinstance(outcome, Retried)
        assert outcome.failure is not None
        assert outcome.failure.error_class == "jobkit.errors.UnknownVersion"
        assert outcome.failure.message == (
            "the job was stored with version 2 of the arguments of Greeting, the class here has "
            "version 1: deploy the newer one; the job is kept and tried again"
        )

    @pytest.mark.parametrize("options", [{"retry": False}, {"dead": False}])
    def test_is_kept_whatever_the_older_class_would_do_with_errors(
        self, clock: ManualClock, options: dict[str, Any]
    ) -> None:
        life = Life(clock, greeting(2), 7, locale="en")
        discard_on(Exception)(greeting(1, **options))
        assert isinstance(life.run(), Retried)
        assert isinstance(life.run_out(), Buried)

    def test_runs_once_the_newer_class_is_there(self, clock: ManualClock) -> None:
        life = Life(clock, greeting(2), 7, locale="en")
        greeting(1)
        life.run()
        greeting(2)
        assert life.run() == Succeeded((7, "en"))


class TestAliases:
    def test_a_payload_under_the_old_name_runs_and_keeps_it(self, clock: ManualClock) -> None:
        class Former(Job, name="app.Former"):
            def perform(self) -> None: ...

        life = Life(clock, Former)
        registry._classes.clear()

        class Current(Job, name="app.Current", aliases=["app.Former"]):
            def perform(self) -> None:
                raise ValueError(self._plan.name)

        outcome = life.run(times=2)
        assert isinstance(outcome, Retried)
        assert outcome.failure is not None
        assert outcome.failure.message == "app.Current"
        assert life.payload.job_class == "app.Former"

    def test_are_not_those_of_a_subclass(self) -> None:
        class Parent(Job, name="Parent", aliases=["Elder"]):
            def perform(self) -> None: ...

        class Child(Parent, name="Child"):
            pass

        assert registry.lookup("Elder") is Parent
        assert plan_of(Parent).options.aliases == ("Elder",)
        assert plan_of(Child).options.aliases == ()

    def test_that_another_class_has_are_taken_over_and_told(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        class One(Job, name="One", aliases=["Shared"]):
            def perform(self) -> None: ...

        with caplog.at_level(logging.WARNING, logger="jobkit"):

            class Two(Job, name="Two", aliases=["Shared", "One", "Two"]):
                def perform(self) -> None: ...

        assert registry.lookup("Shared") is registry.lookup("One") is Two
        assert [message.split(" go to ")[0] for message in caplog.messages] == [
            "jobs named 'Shared'",
            "jobs named 'One'",
        ]

    def test_a_class_that_is_defined_again_is_no_clash(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.WARNING, logger="jobkit"):
            greeting(1, aliases=["Hello"])
            greeting(1, aliases=["Hello"])
        assert caplog.messages == []


def test_the_errors_have_the_right_bases() -> None:
    from jobkit import JobkitError, UnknownJob, UnknownVersion

    assert issubclass(UnknownVersion, UnknownJob)
    assert issubclass(DeserializationError, JobkitError)
