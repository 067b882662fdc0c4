"""How annotations are found, and types that the application stores in its own way."""

from __future__ import annotations

import inspect
import sys
from dataclasses import dataclass
from datetime import date
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, TypeVar

import pytest

from jobkit import (
    DeserializationError,
    DiscardJob,
    Job,
    RecordNotFound,
    SerializationError,
    job,
    register_serializer,
)
from jobkit.jobs import check_classes
from tests.unit.core.support import arguments_for, round_trip, stored_form

if TYPE_CHECKING:
    from decimal import Decimal

T = TypeVar("T")


class User:
    """A record: no equality of its own, a key, and a table to be found in."""

    table: ClassVar[dict[int, User]] = {}
    loads = 0

    def __init__(self, key: int) -> None:
        self.key = key
        self.table[key] = self

    @classmethod
    def find(cls, key: int) -> User:
        cls.loads += 1
        try:
            return cls.table[key]
        except KeyError:
            raise RecordNotFound(f"no user {key}") from None


class Admin(User):
    pass


class Team(User):
    table: ClassVar[dict[int, User]] = {}


@pytest.fixture
def users() -> None:
    User.table, Team.table, User.loads = {}, {}, 0
    register_serializer(User, dump=lambda user: user.key, load=User.find)


class Unstorable:
    pass


class OnlyForCheckers(Job):
    def perform(self, first: int, amount: Decimal) -> None: ...


class OfUnknownType(Job):
    def perform(self, thing: Unstorable) -> None: ...


class TestResolution:
    def test_a_type_imported_for_checkers_only_is_an_error_with_the_remedy(self) -> None:
        with pytest.raises(SerializationError) as caught:
            stored_form(OnlyForCheckers, 1, 2)
        assert str(caught.value) == (
            "OnlyForCheckers: the annotation of parameter 'amount' cannot be resolved "
            "(name 'Decimal' is not defined): import the type where the job is defined, outside "
            "`if TYPE_CHECKING:`"
        )

    def test_a_type_that_nobody_knows_to_store_is_an_error_with_the_remedy(self) -> None:
        with pytest.raises(SerializationError) as caught:
            stored_form(OfUnknownType, Unstorable())
        assert "parameter 'thing' is annotated" in str(caught.value)
        assert "jobkit.register_serializer or pass its key" in str(caught.value)

    @pytest.mark.parametrize("annotation", ["datetime.Missing", "1 / 0", "int |", "sys.nothing"])
    def test_an_annotation_that_is_nonsense_is_an_error_that_names_the_parameter(
        self, annotation: str
    ) -> None:
        with pytest.raises(SerializationError, match="annotation of parameter 'value' cannot"):
            arguments_for(annotation).dump([1], {})

    def test_the_class_is_made_all_the_same_and_the_check_tells_of_it(self) -> None:
        problems = [line for line in check_classes() if "OnlyForCheckers" in line]
        assert problems
        assert "'amount'" in problems[0]

    def test_a_sound_class_has_no_problems(self) -> None:
        class Sound(Job):
            def perform(self, day: date) -> None: ...

        assert not [line for line in check_classes() if "Sound" in line]

    def test_locals_of_the_defining_function_are_found(self) -> None:
        @dataclass
        class Local:
            number: int

        class Uses(Job):
            def perform(self, local: Local, *, more: list[Local]) -> None: ...

        payload = stored_form(Uses, Local(1), more=[Local(2)])
        assert payload.args == [{"number": 1}]
        assert payload.kwargs == {"more": [{"number": 2}]}

    def test_locals_are_found_for_functions_too(self) -> None:
        @dataclass
        class Local:
            number: int

        @job
        def uses(local: Local) -> None: ...

        assert stored_form(uses, Local(1)).args == [{"number": 1}]

    def test_locals_are_those_of_the_class_that_defines_perform(self) -> None:
        def parent() -> type[Job]:
            @dataclass
            class Local:
                number: int

            class Parent(Job):
                made = Local

                def perform(self, local: Local) -> None: ...

            return Parent

        base: Any = parent()

        class Child(base):  # type: ignore[misc] # a class made at run time
            pass

        assert stored_form(Child, base.made(1)).args == [{"number": 1}]

    def test_locals_serve_a_perform_from_elsewhere(self) -> None:
        @dataclass
        class Local:
            number: int

        class Mixin:
            def perform(self, local: Local) -> None: ...

        class Mixed(Mixin, Job):
            pass

        assert stored_form(Mixed, Local(1)).args == [{"number": 1}]

    def test_a_type_parameter_is_no_annotation_to_go_by(self) -> None:
        class Base(Job, Generic[T]):
            def perform(self, value: T) -> None: ...

        class OfDate(Base[date]):
            pass

        assert stored_form(OfDate, 5).args == [5]

    def test_static_and_class_methods_take_what_they_declare(self) -> None:
        class Static(Job):
            @staticmethod
            def perform(day: date) -> None: ...

        class OfClass(Job):
            @classmethod
            def perform(cls, day: date) -> None: ...

        assert stored_form(Static, date(2024, 1, 2)).args == ["2024-01-02"]
        assert stored_form(OfClass, date(2024, 1, 2)).args == ["2024-01-02"]

    def test_annotations_are_resolved_in_the_module_of_perform(self) -> None:
        module = ModuleType("elsewhere")
        module.__dict__["Day"] = date
        exec("def perform(self, day: 'Day') -> None: ...", module.__dict__)

        class Borrowed(Job):
            perform = module.perform

        assert stored_form(Borrowed, date(2024, 1, 2)).args == ["2024-01-02"]


@pytest.mark.usefixtures("users")
class TestOwnSerializers:
    @pytest.mark.behaviour("B7")
    def test_a_record_travels_as_its_key(self) -> None:
        assert arguments_for(User).dump([User(5)], {}) == ([5], {})
        user = User(6)
        assert round_trip(User, user) is user

    @pytest.mark.parametrize(
        ("annotation", "wrap"),
        [
            (list[User], lambda user: [user, user]),
            (User | None, lambda user: user),
            (dict[str, User], lambda user: {"a": user}),
            (dict[str, list[User | None]], lambda user: {"a": [user, None]}),
            (tuple[User, int], lambda user: (user, 1)),
            (set[User], lambda user: {user}),
            (Annotated[User, "note"], lambda user: user),
            (User | int | None, lambda user: user),
        ],
        ids=lambda value: str(value) if not inspect.isfunction(value) else "",
    )
    def test_a_record_is_found_wherever_it_is_nested(self, annotation: Any, wrap: Any) -> None:
        value = wrap(User(5))
        assert round_trip(annotation, value) == value

    def test_none_needs_no_record(self) -> None:
        assert round_trip(User | None, None) is None
        assert User.loads == 0

    def test_nothing_is_loaded_when_a_job_is_enqueued(self) -> None:
        user = User(5)
        User.table.clear()  # not committed yet, as others see it
        assert arguments_for(list[User]).dump([[user]], {}) == ([[5]], {})
        assert User.loads == 0

    @pytest.mark.behaviour("B4")
    def test_a_record_that_is_gone_raises_what_the_serializer_raises(self) -> None:
        with pytest.raises(RecordNotFound, match="no user 7"):
            arguments_for(User | None).load([7], {})

    def test_a_control_error_of_the_serializer_is_obeyed(self) -> None:
        def refuse(key: int) -> User:
            raise DiscardJob("not any more")

        register_serializer(User, dump=lambda user: user.key, load=refuse)
        with pytest.raises(DiscardJob):
            arguments_for(User).load([7], {})

    @pytest.mark.behaviour("B4")
    def test_any_other_error_is_a_deserialization_error_with_its_cause(self) -> None:
        def fail(key: int) -> User:
            raise ConnectionError("no database")

        register_serializer(User, dump=lambda user: user.key, load=fail)
        with pytest.raises(DeserializationError, match="no database") as caught:
            arguments_for(User).load([7], {})
        assert isinstance(caught.value.__cause__, ConnectionError)
        assert not isinstance(caught.value, RecordNotFound)

    def test_an_error_of_dump_is_a_serialization_error(self) -> None:
        def fail(user: User) -> int:
            raise KeyError("no key")

        register_serializer(User, dump=fail, load=User.find)
        with pytest.raises(SerializationError, match="cannot be dumped as User"):
            arguments_for(User).dump([User(1)], {})

    @pytest.mark.parametrize("stored", [float("nan"), "\x00", {1: 2}, (1,), User])
    def test_what_dump_makes_is_checked(self, stored: object) -> None:
        register_serializer(User, dump=lambda user: stored, load=User.find)
        with pytest.raises(SerializationError):
            arguments_for(User).dump([User(1)], {})

    def test_another_value_is_refused_by_the_serializers_name(self) -> None:
        register_serializer(User, dump=lambda user: user.key, load=User.find, name="a user")
        with pytest.raises(SerializationError, match="instance of a user"):
            arguments_for(User).dump([5], {})

    def test_a_subclass_is_stored_by_its_bases_serializer(self) -> None:
        assert arguments_for(User).dump([Admin(5)], {}) == ([5], {})

    @pytest.mark.behaviour("B7")
    def test_in_a_union_each_type_has_its_own(self) -> None:
        register_serializer(Team, dump=lambda team: {"team": team.key}, load=Team.find)
        assert arguments_for(User | Team).dump([User(5)], {}) == ([5], {})

    def test_a_value_that_another_types_serializer_would_load_is_refused(self) -> None:
        class Group:
            key = 5

        register_serializer(Group, dump=lambda group: group.key, load=lambda key: Group())
        for annotation, value in [(User | Group, Group()), (User | int, 5), (int | User, User(5))]:
            with pytest.raises(SerializationError, match="would come back different"):
                arguments_for(annotation).dump([value], {})

    @pytest.mark.behaviour("B7")
    def test_the_latest_registration_wins_also_over_one_in_use(self) -> None:
        arguments = arguments_for(User)
        arguments.dump([User(5)], {})
        register_serializer(User, dump=lambda user: f"u{user.key}", load=lambda key: User(0))
        assert arguments.dump([User(5)], {}) == (["u5"], {})

    @pytest.mark.behaviour("B7")
    def test_a_builtin_type_may_be_stored_in_an_own_way(self) -> None:
        register_serializer(str, dump=lambda text: text[::-1], load=lambda text: text[::-1])
        assert arguments_for(str).dump(["abc"], {}) == (["cba"], {})
        assert round_trip(str, "abc") == "abc"
        assert arguments_for(Any).dump(["abc"], {}) == (["abc"], {})


def test_this_module_has_what_the_tests_above_name() -> None:
    assert "Decimal" not in vars(sys.modules[__name__])
