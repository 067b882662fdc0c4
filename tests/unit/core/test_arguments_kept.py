"""What goes in through an annotation comes out equal."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NewType
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter
from typing_extensions import TypedDict

from jobkit.errors import DeserializationError
from tests.unit.core.support import arguments_for, round_trip

LONGEST_INTEGER = 10**4_200
texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"))
integers = st.integers(-LONGEST_INTEGER, LONGEST_INTEGER)
floats = st.floats(allow_nan=False, allow_infinity=False)
zones = st.sampled_from([None, UTC, timezone(timedelta(hours=-3, minutes=30))])
datetimes = st.datetimes(timezones=zones)
decimals = st.decimals(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | integers | floats | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=10,
)


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Size(enum.StrEnum):
    S = "s"
    L = "l"


@dataclass
class Address:
    street: str
    since: date


@dataclass
class Person:
    name: str
    address: Address
    color: Color = Color.RED
    photo: bytes = b""
    tags: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Point:
    x: float
    y: float


@dataclass(eq=False)
class Unequal:
    """Equal to nothing but itself."""

    number: int


class User(BaseModel):
    id: int
    joined: datetime
    friends: list[User] = []


class Row(TypedDict):
    key: UUID
    at: datetime


class Pair(NamedTuple):
    left: int
    right: str


UserId = NewType("UserId", int)

addresses = st.builds(Address, texts, st.dates())
people = st.builds(
    Person, texts, addresses, st.sampled_from(Color), st.binary(), st.sets(texts, max_size=3)
)
users = st.builds(User, id=integers, joined=datetimes, friends=st.just([]))


def check(annotation: Any, value: Any) -> None:
    loaded = round_trip(annotation, value)
    assert loaded == value
    assert type(loaded) is type(value)


@pytest.mark.behaviour("B1")
@given(json_values)
def test_json_values_need_no_annotation(value: Any) -> None:
    check(Any, value)


@pytest.mark.behaviour("B1")
@pytest.mark.parametrize(
    ("annotation", "values"),
    [
        (bool, st.booleans()),
        (int, integers),
        (float, floats),
        (str, texts),
        (bytes, st.binary()),
        (datetime, datetimes),
        (date, st.dates()),
        (time, st.times()),
        (timedelta, st.timedeltas()),
        (Decimal, decimals),
        (UUID, st.uuids()),
        (Path, texts.map(Path)),
        (Color, st.sampled_from(Color)),
        (Level, st.sampled_from(Level)),
        (Size, st.sampled_from(Size)),
        (UserId, integers),
        (Literal["a", 1] | None, st.sampled_from(["a", 1, None])),
        (Annotated[int, "any note"], integers),
    ],
    ids=lambda value: "" if isinstance(value, st.SearchStrategy) else str(value),
)
def test_a_scalar_comes_back(annotation: Any, values: st.SearchStrategy[Any]) -> None:
    @given(values)
    def run(value: Any) -> None:
        check(annotation, value)

    run()


@pytest.mark.behaviour("B1", "B2")
@pytest.mark.parametrize(
    ("annotation", "values"),
    [
        (list[int], st.lists(integers)),
        (list[datetime | None], st.lists(st.none() | datetimes)),
        (dict[str, Decimal], st.dictionaries(texts, decimals)),
        (dict[int, str], st.dictionaries(st.integers(), texts)),
        (dict[UUID, date], st.dictionaries(st.uuids(), st.dates())),
        (tuple[int, str], st.tuples(integers, texts)),
        (tuple[bytes, ...], st.lists(st.binary()).map(tuple)),
        (set[int], st.sets(integers)),
        (frozenset[str], st.frozensets(texts)),
        (int | None, st.none() | integers),
        (int | str, integers | texts),
        (int | float, integers | floats),
        (list[int] | dict[str, int], st.lists(integers) | st.dictionaries(texts, integers)),
        (Sequence[int], st.lists(integers)),
        (Mapping[str, int], st.dictionaries(texts, integers)),
        (Address, addresses),
        (Person, people),
        (list[Person], st.lists(people, max_size=3)),
        (Point, st.builds(Point, floats, floats)),
        (User, users),
        (dict[str, User], st.dictionaries(texts, users, max_size=3)),
        (Row, st.fixed_dictionaries({"key": st.uuids(), "at": datetimes})),
        (Pair, st.builds(Pair, integers, texts)),
    ],
    ids=lambda value: "" if isinstance(value, st.SearchStrategy) else str(value),
)
def test_a_container_or_record_comes_back(annotation: Any, values: st.SearchStrategy[Any]) -> None:
    @given(values)
    def run(value: Any) -> None:
        check(annotation, value)

    run()


@pytest.mark.behaviour("B1")
def test_a_model_in_a_model_comes_back() -> None:
    friend = User(id=2, joined=datetime(2024, 1, 1))  # noqa: DTZ001 - naive ones are kept, too
    check(User, User(id=1, joined=friend.joined, friends=[friend]))


def test_a_record_without_equality_is_compared_by_what_is_stored_of_it() -> None:
    assert round_trip(Unequal, Unequal(5)).number == 5


def test_a_moment_keeps_its_instant_and_offset() -> None:
    summer = datetime(2024, 7, 1, 12, tzinfo=ZoneInfo("Europe/Berlin"))
    loaded = round_trip(datetime, summer)
    assert loaded == summer
    assert loaded.utcoffset() == timedelta(hours=2)


def test_bytes_travel_as_base64() -> None:
    assert arguments_for(bytes).dump([b"\xfb\xff"], {}) == (["-_8="], {})


def test_bytes_in_a_record_travel_as_base64() -> None:
    person = Person("Ada", Address("", date.min), photo=b"\xff")
    [[stored], _] = arguments_for(Person).dump([person], {})
    assert stored["photo"] == "_w=="


def test_a_whole_number_for_a_float_is_widened() -> None:
    assert arguments_for(float).dump([3], {}) == ([3.0], {})
    loaded = round_trip(float, 3)
    assert (loaded, type(loaded)) == (3.0, float)


@pytest.mark.parametrize(
    ("annotation", "value"), [(int, 7), (str, "x"), (bool, True), (float, 2.5)]
)
def test_what_json_has_itself_is_not_for_pydantic(
    monkeypatch: pytest.MonkeyPatch, annotation: Any, value: object
) -> None:
    """It takes longer than all else that is done with the argument of such a job."""
    monkeypatch.setattr(TypeAdapter, "validate_python", None)
    monkeypatch.setattr(TypeAdapter, "validate_json", None)
    arguments = arguments_for(annotation)
    assert arguments.dump([value], {}) == ([value], {})
    assert arguments.load([value], {}) == ([value], {})


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_json_has_not_is_not_loaded(number: float) -> None:
    """Python's decoder takes the words for them, and makes an infinity of 1e999."""
    with pytest.raises(DeserializationError):
        arguments_for(float).load([number], {})


def test_a_float_keeps_its_sign_at_zero() -> None:
    assert str(round_trip(float, -0.0)) == "-0.0"


def test_stored_values_are_loaded_leniently() -> None:
    """So that an annotation may become wider while jobs wait."""
    assert arguments_for(float).load([3], {}) == ([3.0], {})
    assert arguments_for(int).load(["5"], {}) == ([5], {})
    assert arguments_for(datetime).load(["2024-01-01"], {})[0][0].year == 2024
