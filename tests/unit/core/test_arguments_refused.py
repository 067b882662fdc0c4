"""What cannot be stored, or called like that, is refused with a text that helps."""

from __future__ import annotations

import enum
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from jobkit import DeserializationError, Job, SerializationError, register_serializer
from jobkit.arguments import Arguments, shown
from tests.unit.core.support import arguments_for

LONE = "\ud800"


class Text(str):
    __slots__ = ()


class Number(int):
    pass


class Items(list[Any]):
    pass


class Level(enum.IntEnum):
    LOW = 1


class Thing:
    def __repr__(self) -> str:
        return "<thing>"


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class Model(BaseModel):
    number: float


class Lossy(BaseModel, ser_json_inf_nan="null"):
    number: float | None


@dataclass
class Record:
    either: str | datetime


class Welcome(Job):
    def perform(self, user_id: int, *, locale: str = "en") -> None: ...


def refusal(annotation: Any, value: object, **options: Any) -> str:
    with pytest.raises(SerializationError) as caught:
        arguments_for(annotation, **options).dump([value], {})
    return str(caught.value)


def nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


class TestWithoutAnnotation:
    """Where `Any` stands there is no annotation to go by."""

    @pytest.mark.behaviour("B3", "B8")
    @pytest.mark.parametrize(
        "value",
        [
            (1, 2),
            {1, 2},
            b"bytes",
            Text("a"),
            Number(1),
            Items(),
            OrderedDict(a=1),
            Level.LOW,
            date.min,
            Decimal(1),
            Thing(),
            1j,
            print,
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_only_what_json_has_is_taken(self, value: object) -> None:
        assert "is no JSON value: annotate the parameter" in refusal(Any, value)
        assert "is no JSON value" in refusal(Any, [{"key": value}])

    @pytest.mark.behaviour("B2", "B8")
    @pytest.mark.parametrize("key", [1, None, (1,), 1.5, True, Text("a")])
    def test_keys_are_text(self, key: object) -> None:
        assert f"has a key that is not text: {key!r}" in refusal(Any, {key: 1})

    def test_a_cycle_is_too_deep(self) -> None:
        cycle: list[Any] = []
        cycle.append(cycle)
        assert "nested deeper than 64 levels" in refusal(Any, cycle)

    def test_64_levels_are_not_too_deep(self) -> None:
        arguments_for(Any).dump([nested(64)], {})
        assert "nested deeper than 64 levels" in refusal(Any, nested(65))


class TestAnywhere:
    @pytest.mark.parametrize(
        "annotation", [Any, float, float | None, list[float], dict[str, float]]
    )
    @pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
    def test_a_number_that_json_has_not_is_refused(self, annotation: Any, number: float) -> None:
        value: Any = number
        if annotation == list[float]:
            value = [number]
        elif annotation == dict[str, float]:
            value = {"a": number}
        assert "is no number that JSON has" in refusal(annotation, value)

    def test_an_infinity_in_a_model_is_refused_though_pydantic_would_drop_it(self) -> None:
        for model in (Model, Lossy):
            assert "is no number that JSON has" in refusal(model, model(number=float("inf")))

    @pytest.mark.parametrize("annotation", [Any, str, str | None, object])
    def test_nul_and_lone_surrogates_are_refused(self, annotation: Any) -> None:
        assert "holds a NUL character" in refusal(annotation, "a\x00b")
        assert "holds a lone surrogate" in refusal(annotation, f"a{LONE}")

    def test_keys_are_checked_like_values(self) -> None:
        assert "holds a lone surrogate" in refusal(Any, {LONE: 1})
        for annotation in (Any, dict[str, int]):
            assert "holds a NUL character" in refusal(annotation, {"\x00": 1})

    @pytest.mark.parametrize("annotation", [Any, int, list[int]])
    def test_a_number_of_too_many_digits_is_refused(self, annotation: Any) -> None:
        number = 10**5_000
        value = [number] if annotation == list[int] else number
        assert "has too many digits" in refusal(annotation, value)


class TestMisfits:
    @pytest.mark.parametrize(
        ("annotation", "value"),
        [
            (int, True),
            (int, "5"),
            (int, 5.0),
            (int, None),
            (float, True),
            (float, "1.5"),
            (float, Decimal("1.5")),
            (float, Fraction(1, 3)),
            (bool, 1),
            (bool, "true"),
            (str, 5),
            (str, b"text"),
            (bytes, "text"),
            (datetime, "2024-01-01T00:00:00"),
            (datetime, 0),
            (date, datetime(2024, 1, 1, tzinfo=UTC)),
            (Decimal, 1.5),
            (Literal["a", "b"], "c"),
            (Level, 1),
            (list[int], (1,)),
            (list[int], ["1"]),
            (tuple[int, int], [1, 2]),
            (tuple[int, int], (1, 2, 3)),
            (set[int], [1]),
            (dict[str, int], {"a": "1"}),
            (Model, {"number": 1.0}),
            (int | None, "1"),
        ],
        ids=lambda value: ascii(value)[:40],
    )
    def test_a_value_of_another_type_is_refused(self, annotation: Any, value: object) -> None:
        assert "does not fit" in refusal(annotation, value)

    @pytest.mark.behaviour("B1")
    @pytest.mark.parametrize(
        ("annotation", "value"),
        [
            (str | datetime, datetime(2024, 1, 1, tzinfo=UTC)),
            (str | bytes, b"text"),
            (bytes | str, "text"),
            (str | Decimal, Decimal(1)),
            (list[Any], [(1, 2)]),
            (dict[str, Any], {"a": {1, 2}}),
            (Record, Record(datetime(2024, 1, 1, tzinfo=UTC))),
            (Level | int, Level.LOW),
            (float, 2**60 + 1),
            (list[float], [Fraction(1, 3)]),
            (list[Model], [{"number": 1.0}]),
        ],
        ids=lambda value: ascii(value)[:40],
    )
    def test_a_value_that_would_come_back_different_is_refused(
        self, annotation: Any, value: object
    ) -> None:
        assert "would come back different" in refusal(annotation, value)

    def test_the_member_of_a_union_that_does_come_back_is_taken(self) -> None:
        assert arguments_for(str | datetime).dump(["text"], {}) == (["text"], {})

    def test_a_value_that_no_member_of_a_record_explains_is_named(self) -> None:
        assert "friends.1: Input should be a valid integer" in refusal(
            dict[str, list[int]], {"friends": [1, "x"]}
        )


class TestTexts:
    @pytest.mark.behaviour("B3")
    def test_a_refusal_names_job_argument_value_and_type(self) -> None:
        assert refusal(int, "five") == (
            "Sample: argument 'value' cannot be stored: 'five' (str) does not fit int: "
            "Input should be a valid integer"
        )

    @pytest.mark.behaviour("B3")
    def test_a_type_is_named_with_its_module(self) -> None:
        assert f"<thing> ({__name__}.Thing)" in refusal(Any, Thing())

    @pytest.mark.parametrize("annotation", [Any, int, bytes, Model, dict[str, int]])
    def test_a_text_is_plain_ascii_and_short_whatever_the_value(self, annotation: Any) -> None:
        for value in ["é" * 100_000 + LONE, {"ü" * 100_000: LONE}, [LONE], Unprintable()]:
            text = refusal(annotation, value)
            assert text.isascii()
            assert len(text) < 900

    def test_a_value_that_cannot_be_shown_is_named_by_its_type(self) -> None:
        assert "<Unprintable whose repr fails>" in refusal(int, Unprintable())

    def test_what_is_shown_is_cut(self) -> None:
        assert shown("x" * 1_000) == "'" + "x" * 199 + "..."
        assert shown("é") == r"'\xe9'"

    @pytest.mark.parametrize(
        ("annotation", "value"),
        [
            (int, "secret"),
            (Any, {("secret",): 1}),
            (Any, "secret\x00"),
            (dict[str, int], {"secret": "x"}),
            (bytes, "secret"),
        ],
        ids=ascii,
    )
    def test_a_redacted_argument_shows_nothing_of_its_value(
        self, annotation: Any, value: object
    ) -> None:
        text = refusal(annotation, value, redact=frozenset({"value"}))
        assert "[redacted]" in text
        assert "secret" not in text

    def test_what_a_serializer_says_of_a_redacted_argument_is_hidden_too(self) -> None:
        def dump(value: object) -> object:
            raise ValueError("secret")

        register_serializer(Thing, dump=dump, load=str)
        assert "secret" not in refusal(Thing, Thing(), redact=frozenset({"value"}))

    def test_a_redacted_argument_that_cannot_be_loaded_shows_nothing_either(self) -> None:
        arguments = arguments_for(dict[str, int], redact=frozenset({"value"}))
        with pytest.raises(DeserializationError) as caught:
            arguments.load([{"secret": "also secret"}], {})
        assert "secret" not in str(caught.value)


class TestCallShape:
    def test_a_call_that_does_not_fit_is_a_type_error_as_the_call_itself_would_give(self) -> None:
        for args, kwargs, text in [
            ((), {}, "Welcome.perform() missing a required argument: 'user_id'"),
            ((1, 2), {}, "Welcome.perform() too many positional arguments"),
            ((1,), {"local": 1}, "Welcome.perform() got an unexpected keyword argument 'local'"),
            ((1,), {"user_id": 2}, "Welcome.perform() multiple values for argument 'user_id'"),
        ]:
            with pytest.raises(TypeError) as caught:
                Welcome.new(*args, **kwargs)  # type: ignore[arg-type]
            assert str(caught.value) == text
            assert not isinstance(caught.value, SerializationError)

    def test_the_shape_is_checked_before_the_values(self) -> None:
        with pytest.raises(TypeError, match="too many"):
            arguments_for(int).dump(["x", "y"], {})

    def test_parameters_may_have_the_names_of_anything(self) -> None:
        class Named(Job):
            def perform(self, cls: int, /, name: int, args: int, **kwargs: int) -> None: ...

        job = Named.new(1, name=2, args=3, job=4, function=5)
        assert (job.args, job.kwargs) == ([1], {"name": 2, "args": 3, "job": 4, "function": 5})

    def test_a_wrapper_that_says_nothing_of_its_parameters_takes_any(self) -> None:
        def perform(*args: Any, **kwargs: Any) -> None: ...

        assert Arguments("Sample", perform).dump([1, 2], {"a": 3}) == ([1, 2], {"a": 3})

    def test_rest_parameters_go_by_their_annotations(self) -> None:
        class Rest(Job):
            def perform(self, first: int, *rest: date, **more: Decimal) -> None: ...

        arguments = Arguments("Rest", Rest.perform)
        stored = arguments.dump([1, date(2024, 1, 2)], {"x": Decimal("1.5")})
        assert stored == ([1, "2024-01-02"], {"x": "1.5"})
        assert arguments.load(*stored) == ([1, date(2024, 1, 2)], {"x": Decimal("1.5")})
        with pytest.raises(SerializationError, match="argument 'rest'"):
            arguments.dump([1, 5], {})
        with pytest.raises(SerializationError, match="argument 'x'"):
            arguments.dump([1], {"x": 5})


class TestLoading:
    def test_a_signature_that_changed_is_a_deserialization_error(self) -> None:
        for args, kwargs in [((), {}), ((1, 2), {}), ((1,), {"gone": 1})]:
            with pytest.raises(DeserializationError, match="stored arguments do not fit"):
                Arguments("Welcome", Welcome.perform).load(args, kwargs)

    def test_an_annotation_that_changed_is_a_deserialization_error(self) -> None:
        with pytest.raises(DeserializationError) as caught:
            arguments_for(datetime).load(["not a date"], {})
        assert str(caught.value).startswith(
            "Sample: argument 'value' cannot be loaded from 'not a date': "
        )

    @pytest.mark.parametrize("value", [float("inf"), LONE, "x" * 1_000_000, nested(500)], ids=type)
    def test_stored_nonsense_is_a_deserialization_error(self, value: object) -> None:
        with pytest.raises(DeserializationError):
            arguments_for(Model).load([value], {})
