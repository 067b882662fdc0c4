"""Arguments to JSON and back.

A parameter without annotation takes exact JSON values. An annotated one is dumped and restored
through its annotation by pydantic: strictly when the job is enqueued, so that a misfit is refused
where it was made, leniently when the job runs. What would not come back equal is refused.
"""

from __future__ import annotations

import functools
import inspect
import math
import operator
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace, UnionType
from typing import Annotated, Any, Final, get_args, get_origin

from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError, PydanticUndefinedAnnotation
from pydantic_core import PydanticSerializationError, core_schema

from jobkit.errors import DeserializationError, SerializationError
from jobkit.payload import dumps

__all__ = ["Arguments", "check_json", "register_serializer", "shown"]

DEEPEST: Final = 64
"""Levels of nesting an argument may have."""

_MOST_BITS = 14_000  # just below the 4,300 digits that Python's own decoder stops at
_SHOWN = 200
_IDENTITY: Any = object.__eq__
_CONFIG = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64", ser_json_inf_nan="constants")


class _Unstorable(Exception):
    """Why a value cannot be stored, as the end of a sentence about it."""


@dataclass(frozen=True, slots=True)
class _Serializer:
    """An application's way to store a type of its own."""

    type: type
    dump: Callable[[Any], Any]
    load: Callable[[Any], Any]
    name: str

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        del source, handler
        return core_schema.json_or_python_schema(
            json_schema=core_schema.no_info_plain_validator_function(self.load),
            python_schema=core_schema.is_instance_schema(self.type),
            serialization=core_schema.plain_serializer_function_ser_schema(self.dump),
        )


_serializers: dict[type, _Serializer] = {}


def register_serializer(
    type: type[Any],  # noqa: A002 - the public name
    *,
    dump: Callable[[Any], Any],
    load: Callable[[Any], Any],
    name: str | None = None,
) -> None:
    """Store values of `type` in annotated parameters as what `dump` makes of them.

    `dump` answers with JSON values (a record's key, say), `load` takes them back and may raise
    `RecordNotFound`. The latest registration of a type wins; `name` is what errors call it.
    """
    _serializers[type] = _Serializer(type, dump, load, name or type.__qualname__)


class Arguments:
    """How one job's `perform` takes its arguments. Built once a class, resolved at first use."""

    def __init__(
        self,
        job: str,
        perform: Callable[..., Any],
        *,
        localns: Mapping[str, Any] | None = None,
        redact: frozenset[str] = frozenset(),
        bound: bool = True,
    ) -> None:
        """`bound`: the first parameter is the job itself and not among the arguments."""
        self._job = job
        self._perform = inspect.unwrap(perform)
        self._localns = localns
        self._redact = redact
        self._signature = _signature(self._perform, skip_first=bound)
        self._codecs: _Codecs | None = None

    def dump(
        self, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[list[Any], dict[str, Any]]:
        """The arguments as JSON values.

        Raises TypeError when `perform` could not be called like that, SerializationError when a
        value cannot be stored.
        """
        self.bind(args, kwargs)
        codecs = self._resolved()
        return (
            [
                self._dump_one(name, codec, value)
                for (name, codec), value in zip(codecs.positional(len(args)), args, strict=True)
            ],
            {name: self._dump_one(name, codecs.named(name), kwargs[name]) for name in kwargs},
        )

    def load(
        self, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[list[Any], dict[str, Any]]:
        """The values for `perform`, from JSON; DeserializationError where they do not fit."""
        try:
            self.bind(args, kwargs)
        except TypeError as error:
            raise DeserializationError(f"the stored arguments do not fit: {error}") from error
        codecs = self._resolved()
        return (
            [
                self._load_one(name, codec, value)
                for (name, codec), value in zip(codecs.positional(len(args)), args, strict=True)
            ],
            {name: self._load_one(name, codecs.named(name), kwargs[name]) for name in kwargs},
        )

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Raise TypeError, as the call itself would, when `perform` takes no such arguments."""
        try:
            self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{self._job}.perform() {error}") from None

    def check(self) -> None:
        """Raise SerializationError when an annotation cannot be used, with the remedy."""
        self._resolved()

    def _resolved(self) -> _Codecs:
        if self._codecs is None or self._codecs.stale():
            self._codecs = _Codecs(self._signature, self._annotations())
        return self._codecs

    def _annotations(self) -> dict[str, Any]:
        return {
            name: self._resolve(name, parameter.annotation)
            for name, parameter in self._signature.parameters.items()
        }

    def _resolve(self, name: str, annotation: Any) -> Any:
        holder = SimpleNamespace(__annotations__={name: annotation})
        try:
            hints = typing.get_type_hints(
                holder, self._perform.__globals__, dict(self._localns or {}), include_extras=True
            )
            resolved = hints[name]
            if not _is_plain(resolved):
                _Typed(resolved)
        except (NameError, SyntaxError, PydanticUndefinedAnnotation) as error:
            raise SerializationError(
                f"{self._job}: the annotation of parameter {name!r} cannot be resolved ({error}): "
                "import the type where the job is defined, outside `if TYPE_CHECKING:`"
            ) from error
        except (PydanticSchemaGenerationError, PydanticUserError, TypeError) as error:
            raise SerializationError(
                f"{self._job}: parameter {name!r} is annotated {shown(annotation)}, which cannot "
                "be stored: register it with jobkit.register_serializer or pass its key instead"
            ) from error
        return resolved

    def _dump_one(self, name: str, codec: _Codec, value: Any) -> Any:
        try:
            return codec.dump(value)
        except _Unstorable as reason:
            raise SerializationError(
                f"{self._job}: argument {name!r} cannot be stored: {self._show(name, value)} "
                f"({_type_name(value)}) {reason}"
            ) from None

    def _load_one(self, name: str, codec: _Codec, value: Any) -> Any:
        try:
            return codec.load(value)
        except ValidationError as error:
            raise DeserializationError(
                f"{self._job}: argument {name!r} cannot be loaded from "
                f"{self._show(name, value)}: {_first_reason(error)}"
            ) from error

    def _show(self, name: str, value: Any) -> str:
        return "[redacted]" if name in self._redact else shown(value)


class _Plain:
    """The codec of a parameter without annotation: exact JSON values, both ways."""

    def dump(self, value: Any) -> Any:
        check_json(value, "annotate the parameter with its type, or pass plain values")
        return value

    def load(self, value: Any) -> Any:
        return value


class _Typed:
    """The codec of an annotated parameter."""

    def __init__(self, annotation: Any) -> None:
        wire = _with_serializers(annotation)
        self._name = _annotation_name(annotation)
        self._exact = annotation if annotation in (int, str, bool) else None
        self._own = wire is not annotation
        # Within a tuple, because pydantic takes no configuration beside a dataclass or a model.
        self._adapter: TypeAdapter[tuple[Any]] = TypeAdapter(_tuple_of(wire), config=_CONFIG)

    def dump(self, value: Any) -> Any:
        if self._exact is None or type(value) is not self._exact:
            return self._dump_checked(value)
        if self._exact is not bool:
            check_json(value)
        return value

    def load(self, value: Any) -> Any:
        if type(value) is self._exact:
            return value
        return self._adapter.validate_json(dumps([value]))[0]

    def _dump_checked(self, value: Any) -> Any:
        try:
            valid = self._adapter.validate_python((value,), strict=True)
            [stored] = self._adapter.dump_python(valid, mode="json", warnings="error")
        except ValidationError as error:
            raise _Unstorable(f"does not fit {self._name}: {_first_reason(error)}") from error
        except (PydanticSerializationError, ValueError) as error:
            raise _Unstorable(f"cannot be dumped as {self._name}: {error}") from error
        check_json(stored)
        if not self._comes_back(valid[0], stored):
            raise _Unstorable(
                f"would come back different when loaded as {self._name}: narrow the annotation"
            )
        return stored

    def _comes_back(self, value: Any, stored: Any) -> bool:
        try:
            loaded = self._adapter.validate_json(dumps([stored]))
        except ValidationError:
            return False
        if type(loaded[0]) is not type(value):
            return False
        # Records have no equality of their own: they are compared by what is stored of them.
        own = self._own or type(value).__eq__ is _IDENTITY
        return bool(loaded[0] == value) or (
            own and self._adapter.dump_python(loaded, mode="json") == [stored]
        )


_Codec = _Plain | _Typed
_PLAIN = _Plain()


class _Codecs:
    """The codec of each parameter of one signature."""

    def __init__(self, signature: inspect.Signature, annotations: Mapping[str, Any]) -> None:
        self._serializers = dict(_serializers)
        self._positional: list[tuple[str, _Codec]] = []
        self._rest: tuple[str, _Codec] = ("args", _PLAIN)
        self._named: dict[str, _Codec] = {}
        self._others: _Codec = _PLAIN
        for name, parameter in signature.parameters.items():
            self._add(
                parameter, _PLAIN if _is_plain(annotations[name]) else _Typed(annotations[name])
            )

    def stale(self) -> bool:
        """True when a serializer was registered since."""
        return self._serializers != _serializers

    def positional(self, count: int) -> list[tuple[str, _Codec]]:
        """Names and codecs of the first `count` positional arguments."""
        missing = count - len(self._positional)
        return self._positional[:count] + [self._rest] * missing

    def named(self, name: str) -> _Codec:
        return self._named.get(name, self._others)

    def _add(self, parameter: inspect.Parameter, codec: _Codec) -> None:
        if parameter.kind is parameter.VAR_POSITIONAL:
            self._rest = (parameter.name, codec)
        elif parameter.kind is parameter.VAR_KEYWORD:
            self._others = codec
        else:
            if parameter.kind is not parameter.KEYWORD_ONLY:
                self._positional.append((parameter.name, codec))
            self._named[parameter.name] = codec


def check_json(value: Any, remedy: str = "", depth: int = DEEPEST) -> None:
    """Raise unless the value is exactly what JSON has and every store keeps."""
    kind = type(value)
    if value is None or kind is bool:
        return
    if kind is str:
        _check_text(value)
    elif kind is int:
        if value.bit_length() > _MOST_BITS:
            raise _Unstorable("has too many digits")
    elif kind is float:
        if not math.isfinite(value):
            raise _Unstorable("is no number that JSON has")
    elif kind is list or kind is dict:
        _check_container(value, remedy, depth)
    else:
        raise _Unstorable(f"is no JSON value{': ' if remedy else ''}{remedy}")


def _check_container(value: list[Any] | dict[Any, Any], remedy: str, depth: int) -> None:
    if not depth:
        raise _Unstorable(f"is nested deeper than {DEEPEST} levels")
    if isinstance(value, list):
        for item in value:
            check_json(item, remedy, depth - 1)
        return
    for key, item in value.items():
        if type(key) is not str:
            raise _Unstorable(f"has the key {shown(key)}, which is not text")
        _check_text(key)
        check_json(item, remedy, depth - 1)


def _check_text(text: str) -> None:
    if "\x00" in text:
        raise _Unstorable("holds a NUL character, which not every store keeps")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise _Unstorable("holds a lone surrogate, which is not valid text") from None


def _tuple_of(annotation: Any) -> Any:
    return tuple[annotation]


def shown(value: object) -> str:
    """The value for an error text: plain ASCII, cut short, whatever its `repr` does."""
    try:
        text = ascii(value)
    except Exception:  # noqa: BLE001 - any repr may do anything
        return f"<{type(value).__name__} whose repr fails>"
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def _signature(function: Callable[..., Any], *, skip_first: bool) -> inspect.Signature:
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())
    return signature.replace(parameters=parameters[1:] if skip_first else parameters)


def _is_plain(annotation: Any) -> bool:
    return annotation in (inspect.Parameter.empty, Any, object)


def _with_serializers(annotation: Any) -> Any:
    """The annotation with every registered type, nested ones too, stored by its serializer."""
    if isinstance(annotation, type) and annotation in _serializers:
        return Annotated[annotation, _serializers[annotation]]
    inner = get_args(annotation)
    if not inner or not _serializers or get_origin(annotation) in (typing.Literal, Callable):
        return annotation
    swapped = tuple(_with_serializers(part) for part in inner)
    return annotation if swapped == inner else _rebuilt(annotation, swapped)


def _rebuilt(annotation: Any, inner: tuple[Any, ...]) -> Any:
    origin: Any = get_origin(annotation)
    if origin is Annotated:
        return Annotated[(inner[0], *annotation.__metadata__)]
    if hasattr(annotation, "copy_with"):
        return annotation.copy_with(inner)
    if origin is UnionType:
        return functools.reduce(operator.or_, inner)
    return origin[inner]


def _annotation_name(annotation: Any) -> str:
    return annotation.__qualname__ if isinstance(annotation, type) else str(annotation)


def _type_name(value: object) -> str:
    kind = type(value)
    bare = kind.__module__ == "builtins"
    return kind.__qualname__ if bare else f"{kind.__module__}.{kind.__qualname__}"


def _first_reason(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"][1:])
    return f"{where}: {first['msg']}" if where else first["msg"]
