"""Classes and functions as jobs: their options, names, and what is refused when they are made."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from datetime import timedelta
from types import ModuleType, SimpleNamespace
from typing import Any, Final

import pytest

import jobkit
from jobkit import ConfigurationError, Job, UnknownJob, discard_on, job, retry_on
from jobkit.jobs import constant_queues, registry
from jobkit.jobs.plan import plan_of
from jobkit.testing import ManualClock
from tests.unit.core.support import Life, Store, stored_form

NONE: Final[Any] = 3
JOB: Final[Any] = Job


def make(**options: Any) -> type[Job]:
    class Made(Job, **options):
        def perform(self) -> None: ...

    return Made


class TestOptions:
    @pytest.mark.behaviour("A9", "A10")
    def test_a_class_without_options_has_the_defaults(self) -> None:
        payload = stored_form(make())
        assert (payload.queue, payload.priority, payload.retry) == ("default", 0, True)
        assert (payload.timeout, payload.expires_at, payload.tags) == (None, None, ())

    @pytest.mark.behaviour("A9", "A10")
    def test_options_are_written_into_the_payload(self) -> None:
        payload = stored_form(
            make(queue="low", priority=-3, retry=5, timeout=60, expires_in=600, tags=["a", "b"])
        )
        assert (payload.queue, payload.priority, payload.retry) == ("low", -3, 5)
        assert (payload.timeout, payload.tags) == (60, ("a", "b"))
        assert payload.expires_at == ManualClock().time() + 600

    @pytest.mark.parametrize("name", ["timeout", "expires_in", "retry_for"])
    def test_a_duration_may_be_a_timedelta(self, name: str) -> None:
        options = plan_of(make(**{name: timedelta(minutes=2)})).options
        assert {"timeout": options.timeout, "expires_in": options.expires_in}.get(
            name, options.policy.retry_for
        ) == 120

    def test_options_are_inherited_and_changed_one_by_one(self) -> None:
        class Parent(Job, queue="low", priority=5, retry=3):
            def perform(self) -> None: ...

        class Child(Parent, priority=1):
            pass

        payload = stored_form(Child)
        assert (payload.queue, payload.priority, payload.retry) == ("low", 1, 3)
        assert stored_form(Parent).priority == 5

    @pytest.mark.parametrize(
        ("wrong", "right"),
        [
            ("queues", "queue"),
            ("retri", "retry"),
            ("time_out", "timeout"),
            ("prioritty", "priority"),
        ],
    )
    def test_an_unknown_option_is_a_type_error_that_names_the_nearest(
        self, wrong: str, right: str
    ) -> None:
        with pytest.raises(TypeError, match=f"Made: unknown option '{wrong}'.*'{right}'"):
            make(**{wrong: 1})

    def test_an_option_like_no_other_is_a_type_error_that_names_them_all(self) -> None:
        with pytest.raises(TypeError, match="'xyz'; there are name, queue, priority"):
            make(xyz=1)

    @pytest.mark.behaviour("A10")
    @pytest.mark.parametrize(
        ("options", "error"),
        [
            ({"queue": 5}, TypeError),
            ({"queue": ""}, ValueError),
            ({"queue": "a b"}, ValueError),
            ({"queue": "a\x00"}, ValueError),
            ({"queue": "x" * 129}, ValueError),
            ({"priority": "1"}, TypeError),
            ({"priority": True}, TypeError),
            ({"priority": 1.0}, TypeError),
            ({"retry": -1}, ValueError),
            ({"retry": "5"}, ValueError),
            ({"retry": None}, ValueError),
            ({"timeout": 0}, ValueError),
            ({"timeout": -1}, ValueError),
            ({"timeout": "60"}, TypeError),
            ({"timeout": True}, TypeError),
            ({"timeout": math.nan}, ValueError),
            ({"timeout": math.inf}, ValueError),
            ({"timeout": 10**400}, ValueError),
            ({"expires_in": timedelta(0)}, ValueError),
            ({"retry_for": "1h"}, TypeError),
            ({"retry_in": 5}, TypeError),
            ({"backend": 5}, TypeError),
            ({"dead": 3}, TypeError),
            ({"log_arguments": "no"}, TypeError),
            ({"encrypt": None}, TypeError),
            ({"tags": "a"}, TypeError),
            ({"tags": [5]}, ValueError),
            ({"tags": ["\x00"]}, ValueError),
            ({"aliases": "Old"}, TypeError),
            ({"redact": "password"}, TypeError),
            ({"version": "2"}, TypeError),
            ({"name": ""}, ValueError),
            ({"name": "a\nb"}, ValueError),
            ({"name": "x" * 256}, ValueError),
        ],
        ids=str,
    )
    def test_a_wrong_value_is_refused_when_the_class_is_made(
        self, options: dict[str, Any], error: type[Exception]
    ) -> None:
        with pytest.raises(error, match=next(iter(options)).split("_")[0]):
            make(**options)

    def test_a_duration_may_be_taken_back_by_a_subclass(self) -> None:
        class Parent(Job, timeout=5, retry_for=5):
            def perform(self) -> None: ...

        class Child(Parent, timeout=None, retry_for=None):
            pass

        assert stored_form(Child).timeout is None
        assert plan_of(Child).options.policy.retry_for is None

    @pytest.mark.behaviour("A9")
    def test_a_queue_may_be_chosen_for_each_job(self) -> None:
        class Sized(Job, queue=lambda job: "large" if job.args[0] > 10 else "small"):
            def perform(self, size: int) -> None: ...

        assert [stored_form(Sized, size).queue for size in (5, 50)] == ["small", "large"]

    @pytest.mark.behaviour("A9")
    def test_a_queue_chosen_for_the_call_comes_before_one_chosen_in_code(self) -> None:
        class Sized(Job, queue=lambda job: "large"):
            def perform(self) -> None: ...

        assert Sized.set(queue="low").new().queue == "low"

    @pytest.mark.parametrize(("answer", "error"), [(5, TypeError), ("a b", ValueError)])
    def test_a_queue_that_is_none_is_refused_when_it_is_chosen(
        self, answer: Any, error: type[Exception]
    ) -> None:
        with pytest.raises(error, match="queue"):
            make(queue=lambda job: answer).new()

    def test_the_constant_queues_are_those_that_classes_name(self) -> None:
        make(queue="zebra", name="A")
        make(queue="apple", name="B")
        make(queue=lambda job: "computed", name="C")
        queues = constant_queues()
        assert queues[0] == "default"
        assert queues[1:] == sorted(queues[1:])
        assert {"apple", "zebra"} < set(queues)
        assert "computed" not in queues


class TestNames:
    def test_a_class_is_known_by_module_and_qualified_name(self) -> None:
        assert stored_form(make()).job_class == f"{__name__}.make.<locals>.Made"

    def test_a_name_may_be_given_and_is_not_inherited(self) -> None:
        class Parent(Job, name="parent"):
            def perform(self) -> None: ...

        class Child(Parent):
            pass

        assert stored_form(Parent).job_class == "parent"
        assert stored_form(Child).job_class != "parent"

    def test_a_payload_may_use_a_former_name(self, clock: ManualClock) -> None:
        made = make(name="new.Name", aliases=["old.Name", "older.Name"])
        for name in ("new.Name", "old.Name", "older.Name"):
            assert registry.lookup(name) is made

    @pytest.mark.behaviour("B5")
    def test_a_name_that_nobody_has_is_an_error_with_the_remedy(self) -> None:
        with pytest.raises(UnknownJob, match="import the module that defines it"):
            registry.lookup("no.Such")

    def test_a_class_of_the_started_module_has_its_importable_name(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        main = ModuleType("__main__")
        monkeypatch.setitem(sys.modules, "__main__", main)
        monkeypatch.setattr(main, "__spec__", SimpleNamespace(name="app.jobs"), raising=False)
        assert registry.importable_name("__main__", "Send") == "app.jobs.Send"
        monkeypatch.setattr(main, "__spec__", SimpleNamespace(name="app.__main__"))
        assert registry.importable_name("__main__", "Send") == "app.Send"

    def test_a_class_of_a_started_script_is_named_by_its_file(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        main = ModuleType("__main__")
        main.__file__ = "/srv/app/tasks.py"
        monkeypatch.setitem(sys.modules, "__main__", main)
        assert registry.importable_name("__main__", "Send") == "tasks.Send"

    @pytest.mark.parametrize("file", [None, "<stdin>", "/srv/my-script.py"])
    def test_a_class_that_no_worker_could_find_is_refused_at_enqueue(
        self, store: Store, monkeypatch: pytest.MonkeyPatch, file: str | None
    ) -> None:
        main = ModuleType("__main__")
        main.__file__ = file
        monkeypatch.setitem(sys.modules, "__main__", main)

        class Interactive(Job):
            __module__ = "__main__"
            __qualname__ = "Interactive"

            def perform(self) -> str:
                return "done"

        for enqueue in (
            Interactive.perform_later,
            lambda: Interactive.perform_bulk([()]),
        ):
            with pytest.raises(ConfigurationError, match="interactive session, where no worker"):
                enqueue()
        assert not store.stored
        assert Interactive.perform_now() == "done"

    def test_with_a_name_of_its_own_it_is_taken(self, store: Store) -> None:
        class Interactive(Job, name="app.Interactive"):
            __module__ = "__main__"

            def perform(self) -> None: ...

        Interactive.perform_later()
        assert store.only.job_class == "app.Interactive"


class TestRules:
    def test_rules_go_over_jobs_only(self) -> None:
        class Plain:
            pass

        with pytest.raises(TypeError, match="Plain is not a subclass of Job"):
            retry_on(KeyError)(Plain)

    @pytest.mark.parametrize("rule", [retry_on(KeyError), discard_on(KeyError)])
    def test_a_rule_over_a_method_is_refused_where_it_would_change_nothing(self, rule: Any) -> None:
        with pytest.raises(TypeError, match=r"Wrong\.perform: .* go over the class"):

            class Wrong(Job):
                @rule  # type: ignore[untyped-decorator] # any rule
                def perform(self) -> None: ...

    @pytest.mark.behaviour("C5")
    @pytest.mark.parametrize(
        ("rule", "errors", "options", "error"),
        [
            (retry_on, [], {}, TypeError),
            (retry_on, ["KeyError"], {}, TypeError),
            (retry_on, [KeyError("x")], {}, TypeError),
            (retry_on, [int], {}, TypeError),
            (discard_on, [], {}, TypeError),
            (discard_on, [KeyError, "x"], {}, TypeError),
            (retry_on, [KeyError], {"wait": "soon"}, ValueError),
            (retry_on, [KeyError], {"wait": None}, TypeError),
            (retry_on, [KeyError], {"wait": True}, TypeError),
            (retry_on, [KeyError], {"wait": [1, 2]}, TypeError),
            (retry_on, [KeyError], {"wait": math.inf}, ValueError),
            (retry_on, [KeyError], {"wait": math.nan}, ValueError),
            (retry_on, [KeyError], {"jitter": "0.5"}, TypeError),
            (retry_on, [KeyError], {"jitter": math.nan}, ValueError),
            (retry_on, [KeyError], {"attempts": 0}, ValueError),
            (retry_on, [KeyError], {"attempts": True}, ValueError),
            (retry_on, [KeyError], {"attempts": "5"}, ValueError),
            (retry_on, [KeyError], {"attempts": 2.5}, ValueError),
            (retry_on, [KeyError], {"queue": "a b"}, ValueError),
            (retry_on, [KeyError], {"priority": "high"}, TypeError),
        ],
    )
    def test_a_wrong_declaration_fails_where_it_stands(
        self, rule: Any, errors: list[Any], options: dict[str, Any], error: type[Exception]
    ) -> None:
        with pytest.raises(error):
            rule(*errors, **options)


class TestFunctions:
    def test_a_function_stays_callable_and_has_the_verbs(self, store: Store) -> None:
        @job(queue="low", priority=2)
        def double(number: int, *, times: int = 1) -> int:
            """Twice."""
            return number * 2 * times

        assert double(2, times=3) == 12
        assert double.perform_now(2) == 4
        assert (vars(double)["__name__"], double.__doc__) == ("double", "Twice.")
        made = double.perform_later(2, times=3)
        payload = store.only
        assert (payload.args, payload.kwargs) == ([2], {"times": 3})
        assert (payload.queue, payload.priority, payload.id) == ("low", 2, made.id)
        assert payload.job_class.endswith("double")

    def test_it_may_stand_bare(self, store: Store) -> None:
        @job
        def bare() -> None: ...

        @job()
        def called() -> None: ...

        bare.perform_later()
        called.set(queue="low").perform_later()
        assert [payload.queue for payload in store.stored] == ["default", "low"]

    def test_its_parameters_are_checked_like_those_of_perform(self) -> None:
        @job
        def take(number: int) -> None: ...

        with pytest.raises(TypeError, match=r"take.perform\(\) missing a required argument"):
            take.new()  # type: ignore[call-arg]

    def test_a_wrong_option_fails_where_it_stands(self) -> None:
        with pytest.raises(TypeError, match="take: unknown option 'queues'"):

            @job(queues="low")  # type: ignore[call-overload, untyped-decorator] # that is the test
            def take() -> None: ...

    def test_only_functions_can_be_decorated(self) -> None:
        with pytest.raises(TypeError, match="@job goes over a function"):
            job(SimpleNamespace())  # type: ignore[call-overload]

    def test_rules_hold_above_and_below_it(self, clock: ManualClock, no_jitter: None) -> None:
        @retry_on(KeyError, wait=5)
        @job
        @retry_on(ValueError, wait=7)
        @discard_on(LookupError)
        def fail(error: str) -> None:
            raise {"key": KeyError, "value": ValueError, "lookup": LookupError}[error]

        for error, delays in [("key", [5]), ("value", [7]), ("lookup", [])]:
            life = Life(clock, fail, error)
            life.run()
            assert life.delays == delays

    def test_rules_below_it_are_read_top_down_too(
        self, clock: ManualClock, no_jitter: None
    ) -> None:
        @job
        @retry_on(LookupError, wait=1)
        @retry_on(KeyError, wait=2)
        def fail() -> None:
            raise KeyError

        life = Life(clock, fail)
        life.run()
        assert life.delays == [1]

    def test_it_is_found_by_its_name(self) -> None:
        @job(name="app.send")
        def send() -> None: ...

        assert registry.lookup("app.send") is send.job_class
        assert stored_form(send).job_class == "app.send"


class TestMistakes:
    @pytest.mark.parametrize("name", ["queue", "priority", "tags"])
    def test_an_option_as_an_attribute_is_refused_with_how_to_write_it(self, name: str) -> None:
        with pytest.raises(TypeError, match=rf"write class Made\(Job, {name}=\.\.\.\)"):
            type("Made", (Job,), {name: "mailers", "perform": lambda _: None})

    @pytest.mark.parametrize(
        ("declare", "said"),
        [
            (lambda: jobkit.retry_on(ValueError)(NONE), "retry_on goes over a job class"),
            (lambda: jobkit.retry_on(ValueError, on_exhausted=NONE), "on_exhausted is 3"),
            (lambda: jobkit.discard_on(ValueError, handler=NONE), "handler is 3"),
            (lambda: jobkit.before_perform(NONE), "before_perform goes over a method"),
            (lambda: jobkit.on_death(NONE), "the handler of on_death is 3"),
            (lambda: jobkit.on_error(NONE), "the handler of on_error is 3"),
            (lambda: jobkit.events.subscribe(NONE), "the subscriber is 3"),
            (lambda: jobkit.propagate(NONE), "takes a contextvars.ContextVar"),
            (
                lambda: jobkit.register_serializer(NONE, dump=str, load=str),
                "register_serializer takes a class, not 3",
            ),
            (
                lambda: jobkit.register_serializer(int, dump=NONE, load=str),
                "dump is 3",
            ),
            (lambda: jobkit.chain(JOB), "a job of the chain is .*made by new"),
        ],
    )
    def test_what_cannot_be_called_or_declared_is_refused_where_it_stands(
        self, declare: Callable[[], object], said: str
    ) -> None:
        with pytest.raises(TypeError, match=said):
            declare()

    def test_an_instance_that_new_did_not_make_can_be_printed(self) -> None:
        assert repr(make()()).startswith("<")

    def test_a_step_of_a_job_that_does_not_run_is_refused(self) -> None:
        with pytest.raises(jobkit.InvalidStep, match="this one does not run"):
            make().new().step("one", lambda: None)
