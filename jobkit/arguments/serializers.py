"""The application's own ways to store types of its own."""

from __future__ import annotations

import functools
import operator
import typing
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, get_args, get_origin

from pydantic_core import PydanticSerializationUnexpectedValue, core_schema

from jobkit.arguments.exact import check_json
from jobkit.payload import dumps

__all__ = [
    "NotDumpedHere",
    "Serializer",
    "register_serializer",
    "registered",
    "remembering",
    "with_serializers",
]

_Memory = dict[tuple[type, str], Any]

_memory: ContextVar[_Memory | None] = ContextVar("jobkit_dumped", default=None)


class NotDumpedHere(Exception):
    """What is about to be loaded is no value of that serializer's type."""


@dataclass(frozen=True, slots=True)
class Serializer:
    """How values of `type` are stored, and what errors call them."""

    type: type
    dump: Callable[[Any], Any]
    load: Callable[[Any], Any]
    name: str

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        del source, handler
        return core_schema.json_or_python_schema(
            json_schema=core_schema.no_info_plain_validator_function(self._load),
            python_schema=core_schema.is_instance_schema(self.type, cls_repr=self.name),
            serialization=core_schema.plain_serializer_function_ser_schema(self._dump),
        )

    def _dump(self, value: Any) -> Any:
        if not isinstance(value, self.type):  # another member of a union
            raise PydanticSerializationUnexpectedValue(f"no {self.name}")
        stored = self.dump(value)
        check_json(stored)
        memory = _memory.get()
        if memory is not None:
            memory[self.type, dumps(stored)] = value
        return stored

    def _load(self, stored: Any) -> Any:
        memory = _memory.get()
        if memory is None:
            return self.load(stored)
        try:
            return memory[self.type, dumps(stored)]
        except KeyError:
            raise NotDumpedHere from None


_serializers: Mapping[type, Serializer] = {}


def register_serializer(
    type: type[Any],  # noqa: A002 - the public name
    *,
    dump: Callable[[Any], Any],
    load: Callable[[Any], Any],
    name: str | None = None,
) -> None:
    """Store values of `type` in annotated parameters as what `dump` makes of them.

    `dump` answers with JSON values (a record's key, say), `load` takes them back and may raise
    `RecordNotFound`; it is called when the job runs, never when it is enqueued. The latest
    registration of a type wins; `name` is what errors call it. Raises TypeError for what is no
    class, and for a `dump` or `load` that cannot be called.
    """
    global _serializers  # noqa: PLW0603 - replaced whole, so that a change is seen by identity
    if not hasattr(type, "__qualname__"):
        raise TypeError(f"register_serializer takes a class, not {ascii(type)[:200]}")
    for what, function in (("dump", dump), ("load", load)):
        if not callable(function):
            raise TypeError(f"{what} is {ascii(function)[:200]}: give a function of one value")
    serializer = Serializer(type, dump, load, name or type.__qualname__)
    _serializers = {**_serializers, type: serializer}


def registered() -> Mapping[type, Serializer]:
    """The serializers of now, by type; another object after each registration."""
    return _serializers


@contextmanager
def remembering() -> Generator[None]:
    """Inside the block, load what was dumped in it from memory, without asking `load`.

    Whether a value would come back is seen by that alone: a record that is not committed yet
    could not be loaded here, and loading each would cost a query.
    """
    token = _memory.set({})
    try:
        yield
    finally:
        _memory.reset(token)


def with_serializers(annotation: Any) -> Any:
    """The annotation with every registered type, nested ones too, stored by its serializer."""
    if isinstance(annotation, type) and annotation in _serializers:
        return Annotated[annotation, _serializers[annotation]]
    inner = get_args(annotation)
    if not inner or not _serializers or get_origin(annotation) in (typing.Literal, Callable):
        return annotation
    swapped = tuple(with_serializers(part) for part in inner)
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
