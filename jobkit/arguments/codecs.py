"""One parameter's way to JSON and back."""

from __future__ import annotations

from math import isfinite
from typing import Any

# pydantic loads what it names at first use, and in circles: threads that enter it by different
# doors get half of it, so that all of ours go through here.
from pydantic import ConfigDict, PydanticUndefinedAnnotation, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from jobkit.arguments.exact import Unstorable, ascii_cut, check_json, shown
from jobkit.arguments.serializers import NotDumpedHere, remembering, with_serializers
from jobkit.payload import dumps

__all__ = ["PLAIN", "Codec", "PydanticUndefinedAnnotation", "Typed", "reason_of"]

_IDENTITY: Any = object.__eq__
_CONFIG = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64", ser_json_inf_nan="constants")


class Plain:
    """The codec of a parameter without annotation: exact JSON values, both ways."""

    def dump(self, value: Any) -> Any:
        """The value itself. Raises Unstorable."""
        check_json(value, "annotate the parameter with its type, or pass plain values")
        return value

    def load(self, value: Any) -> Any:
        """The value itself."""
        return value


class Typed:
    """The codec of an annotated parameter."""

    def __init__(self, annotation: Any) -> None:
        """Raises what pydantic raises for an annotation that it does not know."""
        wire = with_serializers(annotation)
        self._name = annotation.__qualname__ if isinstance(annotation, type) else str(annotation)
        self._exact = annotation if wire in (int, str, bool, float) else None
        # Within a tuple, because pydantic takes no configuration beside a dataclass or a model.
        self._adapter: TypeAdapter[tuple[Any]] = TypeAdapter(_tuple_of(wire), config=_CONFIG)

    def dump(self, value: Any) -> Any:
        """What JSON has for the value. Raises Unstorable, also when it would come back unequal."""
        if self._exact is None or type(value) is not self._exact:
            return self._dump_checked(value)
        if self._exact is not bool:
            check_json(value)
        return value

    def load(self, value: Any) -> Any:
        """The value of what JSON has. Raises ValidationError, or what a serializer raises."""
        if type(value) is self._exact and (type(value) is not float or isfinite(value)):
            return value
        return self._adapter.validate_json(dumps([value]))[0]

    def _dump_checked(self, value: Any) -> Any:
        try:
            with remembering():
                return self._dumped(value)
        except Unstorable:
            raise
        except ValidationError as error:
            raise Unstorable(f"does not fit {self._name}", reason_of(error)) from error
        except Exception as error:
            raise Unstorable(f"cannot be dumped as {self._name}", reason_of(error)) from error

    def _dumped(self, value: Any) -> Any:
        valid = self._adapter.validate_python((value,), strict=True)
        if not _is_kept(value, valid[0]):
            raise Unstorable(f"does not fit {self._name}")
        [stored] = self._adapter.dump_python(valid, mode="json", warnings="error")
        check_json(stored)
        if not self._comes_back(value, valid[0], stored):
            raise Unstorable(
                f"would come back different when loaded as {self._name}: narrow the annotation"
            )
        return stored

    def _comes_back(self, value: Any, valid: Any, stored: Any) -> bool:
        try:
            loaded = self._adapter.validate_json(dumps([stored]))
        except (ValidationError, NotDumpedHere):
            return False
        if loaded[0] is value:
            return True
        if type(loaded[0]) is not type(valid):
            return False
        # What has no equality of its own is compared by what is stored of it.
        return bool(loaded[0] == value) or (
            type(value).__eq__ is _IDENTITY
            and self._adapter.dump_python(loaded, mode="json") == [stored]
        )


Codec = Plain | Typed
PLAIN = Plain()


def reason_of(error: Exception) -> str:
    """What an error says, for a text that shows it: plain ASCII, cut short."""
    if isinstance(error, PydanticSerializationError):
        return ascii_cut(str(error))
    if not isinstance(error, ValidationError):
        return shown(error)
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"][1:])
    return ascii_cut(f"{where}: {first['msg']}" if where else first["msg"])


def _is_kept(value: Any, valid: Any) -> bool:
    """False when even strict validation made something else of the value.

    Of a Fraction a float, of a dict a model. A whole number for a float is the one widening.
    """
    return isinstance(value, type(valid)) or (type(value) is int and type(valid) is float)


def _tuple_of(annotation: Any) -> Any:
    return tuple[annotation]
