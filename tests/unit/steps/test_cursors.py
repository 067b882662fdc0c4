"""Cursors come back as they were, or are the job's own failure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobkit import (
    DeserializationError,
    Job,
    RecordNotFound,
    SerializationError,
    Step,
    configure,
    discard_on,
    register_serializer,
)
from jobkit.payload import dumps
from jobkit.steps.cursors import ByType
from tests.unit.steps.conftest import Fake, Stop

seen: list[Any] = []


@pytest.fixture(autouse=True)
def _fresh() -> None:
    seen.clear()


class Keeps(Job):
    """Moves its cursor to what the test wants, is interrupted, and looks what came back."""

    value: Any = None

    def perform(self) -> None:
        self.step("only", self.only)

    def only(self, step: Step[Any]) -> None:
        if step.cursor is None:
            step.advance(Keeps.value)
        seen.append(step.cursor)


def kept(fake: Fake, stop: Stop, value: Any) -> Any:
    """The cursor as the next run sees it."""
    Keeps.value = value
    Keeps.perform_later()
    stop.at(0)
    fake.run()
    stop.never()
    fake.run()
    return seen.pop()


@dataclass
class Point:
    x: int
    y: int


AWARE = datetime(2026, 3, 4, 5, 6, 7, 8, tzinfo=UTC)


@pytest.mark.behaviour("I8")
@pytest.mark.parametrize(
    "value",
    [
        7,
        "text",
        1.5,
        True,
        [1, [2]],
        {"a": {"b": None}},
        (1, "two"),
        AWARE,
        datetime(2026, 3, 4, 5, 6),  # noqa: DTZ001 - naive on purpose
        date(2026, 3, 4),
        time(5, 6),
        timedelta(days=1, microseconds=5),
        Decimal("1.10"),
        UUID(int=5),
        b"\x00\xff",
        Path("a/b"),
        (AWARE, UUID(int=5), [Decimal(1)]),
        {"$type": "datetime", "value": "no", "more": (1,)},
    ],
    ids=repr,
)
def test_a_cursor_comes_back_as_it_was(fake: Fake, stop: Stop, value: Any) -> None:
    back = kept(fake, stop, value)
    assert (back, type(back)) == (value, type(value))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.sampled_from(["$type", "value", "a", "$"]), inner, max_size=3)
    ),
    max_leaves=8,
)  # fmt: skip


@pytest.mark.behaviour("I8")
@given(json_values)
def test_whatever_it_holds(value: Any) -> None:
    codec = ByType("step")
    stored = codec.dump(value)
    assert dumps(stored)
    assert codec.load(stored) == value


@pytest.mark.behaviour("I8")
def test_a_registered_type_is_stored_by_its_serializer(fake: Fake, stop: Stop) -> None:
    register_serializer(Point, dump=lambda at: [at.x, at.y], load=lambda at: Point(*at))
    assert kept(fake, stop, (Point(1, 2), 3)) == (Point(1, 2), 3)


@pytest.mark.behaviour("I8")
def test_a_step_may_say_what_its_cursors_are(fake: Fake, stop: Stop) -> None:
    class Annotated(Job):
        def perform(self) -> None:
            self.step("only", self.only, start=Point(0, 0))

        def only(self, step: Step[Point]) -> None:
            seen.append(step.cursor)
            if step.cursor.x < 1:
                step.advance(Point(1, 2))

    Annotated.perform_later()
    stop.at(0)
    fake.run()
    assert fake.steps["cursor"] == {"x": 1, "y": 2}
    stop.never()
    fake.run()
    assert seen == [Point(0, 0), Point(1, 2)]


@pytest.mark.behaviour("I8")
@pytest.mark.parametrize("value", [object(), float("nan"), "\x00", {1: 2}, {1}, Point(1, 2)])
def test_what_cannot_be_stored_is_refused_where_it_is_given(fake: Fake, value: Any) -> None:
    Keeps.value = value
    Keeps.perform_later()
    with pytest.raises(SerializationError, match="the cursor of step 'only' cannot be stored"):
        fake.run()


@pytest.mark.behaviour("I8")
@pytest.mark.parametrize("error", [RecordNotFound("gone"), ValueError("odd")])
def test_a_cursor_that_cannot_be_loaded_is_met_by_the_jobs_own_rules(
    fake: Fake, stop: Stop, error: Exception
) -> None:
    def load(stored: Any) -> Point:
        raise error

    register_serializer(Point, dump=lambda at: at.x, load=load)

    @discard_on(DeserializationError, handler=lambda job, error: seen.append(error))
    class Lost(Keeps):
        pass

    Keeps.value = Point(1, 2)
    Lost.perform_later()
    stop.at(0)
    fake.run()
    fake.run()
    [met] = seen
    assert isinstance(met, DeserializationError)
    assert fake.waiting() == []


def test_a_type_that_is_known_no_more_is_such_an_error(fake: Fake) -> None:
    with pytest.raises(DeserializationError, match="unknown here"):
        ByType("step").load({"$type": "Nowhere", "value": 1})


def test_each_counts_and_says_so(fake: Fake) -> None:
    class Odd(Job, retry=0):
        def perform(self) -> None:
            self.step("items", lambda step: [*step.each("abc")], start="b")

    Odd.perform_later()
    with pytest.raises(TypeError, match="each\\(\\) counts items"):
        fake.run()


def test_the_cursor_of_an_encrypted_job_is_encrypted(fake: Fake, stop: Stop) -> None:
    configure(encryption_keys=["MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="])

    class Private(Keeps, encrypt=True):
        pass

    Keeps.value = "secret"
    Private.perform_later()
    stop.at(0)
    fake.run()
    assert "secret" not in fake.only.text
    stop.never()
    fake.run()
    assert seen == ["secret"]
