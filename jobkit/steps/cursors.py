"""Cursors to JSON and back.

A step whose function annotates its parameter as `Step[T]` has cursors of type T, stored as an
argument with that annotation would be. Without one a cursor says itself what it is: JSON values
stand as they are, lists, tuples and dicts hold cursors, the usual types of the standard library
and those with a registered serializer stand beside their name.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import Any, Final, Protocol, TypeVar, get_args, get_origin
from uuid import UUID

from jobkit.arguments.codecs import Typed, reason_of
from jobkit.arguments.exact import Unstorable, check_json, shown
from jobkit.arguments.serializers import registered
from jobkit.errors import DeserializationError, JobkitError, SerializationError

__all__ = ["ByAnnotation", "ByType", "CursorCodec", "codec_for"]

_TYPE: Final = "$type"
_VALUE: Final = "value"
_TUPLE: Final = "tuple"
_DICT: Final = "dict"
_PLAIN: Final = frozenset({int, str, float, bool, type(None)})
_USUAL: Final[Mapping[str, Any]] = MappingProxyType(
    {kind.__name__: kind for kind in (datetime, date, time, timedelta, Decimal, UUID, bytes, Path)}
)


class CursorCodec(Protocol):
    """One step's way of keeping its cursor."""

    def dump(self, value: Any) -> Any:
        """What JSON has for the cursor. Raises SerializationError."""
        ...

    def load(self, stored: Any) -> Any:
        """The cursor again. Raises DeserializationError, or what of ours a serializer raises."""
        ...


def codec_for(body: Callable[..., Any], step_type: type, step: str) -> CursorCodec:
    """The codec of the step with that name and function."""
    hint = _hint_of_first(body)
    if get_origin(hint) is step_type:
        [wanted] = get_args(hint)
        if wanted is not Any and not isinstance(wanted, TypeVar):
            return ByAnnotation(wanted, step)
    return ByType(step)


class ByAnnotation:
    """For a step that says what its cursors are."""

    def __init__(self, annotation: Any, step: str) -> None:
        self._step = step
        try:
            self._codec = Typed(annotation)
        except Exception as error:
            raise SerializationError(
                f"the step {step!a} is annotated Step[{shown(annotation)}], which cannot be stored"
            ) from error

    def dump(self, value: Any) -> Any:
        return _stored(self._step, self._codec.dump, value)

    def load(self, stored: Any) -> Any:
        return _loaded(self._step, self._codec.load, stored)


class ByType:
    """For a step that does not say: every value carries what it is."""

    def __init__(self, step: str) -> None:
        self._step = step

    def dump(self, value: Any) -> Any:
        return _stored(self._step, _dumped, value)

    def load(self, stored: Any) -> Any:
        return _loaded(self._step, _read, stored)


def _stored(step: str, dump: Callable[[Any], Any], value: Any) -> Any:
    try:
        return dump(value)
    except Unstorable as refusal:
        told = f": {refusal.told}" if refusal.told else ""
        raise SerializationError(
            f"the cursor of step {step!a} cannot be stored: {shown(value)} "
            f"({type(value).__qualname__}) {refusal.why}{told}"
        ) from None


def _loaded(step: str, load: Callable[[Any], Any], stored: Any) -> Any:
    try:
        return load(stored)
    except JobkitError:
        raise
    except Exception as error:
        raise DeserializationError(
            f"the cursor of step {step!a} cannot be loaded from {shown(stored)}: {reason_of(error)}"
        ) from error


def _dumped(value: Any) -> Any:
    kind = type(value)
    if kind in _PLAIN:
        check_json(value)
        return value
    if kind is list:
        return [_dumped(each) for each in value]
    if kind is tuple:
        return _named(_TUPLE, [_dumped(each) for each in value])
    if kind is dict:
        return _dumped_dict(value)
    name, known = _known(kind)
    return _named(name, _typed(known).dump(value))


def _dumped_dict(value: dict[Any, Any]) -> Any:
    if not all(type(key) is str for key in value):
        raise Unstorable("has a key that is not text")
    check_json(list(value))
    inner = {key: _dumped(each) for key, each in value.items()}
    return _named(_DICT, inner) if _TYPE in inner else inner


def _known(kind: type) -> tuple[str, Any]:
    for each, serializer in registered().items():
        if issubclass(kind, each):
            return serializer.name, each
    if issubclass(kind, PurePath):
        return Path.__name__, Path
    if _USUAL.get(kind.__name__) is kind:
        return kind.__name__, kind
    raise Unstorable(
        "is of no type that a cursor may have: annotate the function's parameter with "
        "jobkit.Step[...], or register_serializer"
    )


def _named(name: str, stored: Any) -> dict[str, Any]:
    return {_TYPE: name, _VALUE: stored}


def _read(stored: Any) -> Any:
    if isinstance(stored, list):
        return [_read(each) for each in stored]
    if not isinstance(stored, dict):
        return stored
    if _TYPE not in stored:
        return {key: _read(each) for key, each in stored.items()}
    name, value = stored[_TYPE], stored[_VALUE]
    if name == _TUPLE:
        return tuple(_read(each) for each in value)
    if name == _DICT:
        return {key: _read(each) for key, each in value.items()}
    return _typed(_type_named(name)).load(value)


def _type_named(name: Any) -> Any:
    for kind, serializer in registered().items():
        if serializer.name == name:
            return kind
    if name not in _USUAL:
        raise DeserializationError(f"a cursor is of the type {ascii(name)[:200]}, unknown here")
    return _USUAL[name]


def _typed(kind: Any) -> Typed:
    return _codec(kind, registered().get(kind))


@cache
def _codec(kind: Any, serializer: Any) -> Typed:
    """The codec of the type as it is stored now; another one after each registration."""
    del serializer
    return Typed(kind)


def _hint_of_first(body: Callable[..., Any]) -> Any:
    """The annotation of the function's first parameter; None if it has none that can be read."""
    try:
        first = next(iter(inspect.signature(body).parameters), None)
        return None if first is None else typing.get_type_hints(_function(body)).get(first)
    except (TypeError, ValueError, NameError, AttributeError):
        return None


def _function(body: Any) -> Any:
    """What of a callable holds the annotations: a bound method's function, an object's call."""
    return body if inspect.isfunction(body) or inspect.ismethod(body) else type(body).__call__
