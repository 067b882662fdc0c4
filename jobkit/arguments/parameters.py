"""The parameters of one job's `perform`, and the arguments that they take."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, NoReturn

from jobkit.arguments.codecs import PLAIN, Codec, PydanticUndefinedAnnotation, Typed, reason_of
from jobkit.arguments.exact import Unstorable, ascii_cut, shown
from jobkit.arguments.privacy import REDACTED, Privacy
from jobkit.arguments.serializers import registered
from jobkit.arguments.shape import Shape
from jobkit.errors import DeserializationError, JobkitError, SerializationError

__all__ = ["Arguments"]


class Arguments:
    """How one job's `perform` takes its arguments. Built once a class, resolved at first use."""

    def __init__(
        self,
        job: str,
        perform: Callable[..., Any],
        *,
        localns: Mapping[str, Any] | None = None,
        redact: frozenset[str] = frozenset(),
        secret: bool = False,
        bound: bool = True,
    ) -> None:
        """`redact` names arguments whose values no text may show, `secret` stands for all.

        `bound`: the first parameter is the job itself and not among the arguments.
        """
        self._job = job
        self._perform = inspect.unwrap(perform)
        self._localns = localns
        self._signature = _signature(self._perform, skip_first=bound)
        self._shape = Shape(self._signature)
        self._privacy = Privacy(self._signature, redact, secret=secret)
        self.private = self._privacy.any
        """Whether there are arguments that must not be shown."""
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
        positional: list[Any] = []
        named: dict[str, Any] = {}
        name, value = "", None
        try:
            known = codecs.positional(len(args))
            for (name, codec), value in zip(known, args, strict=False):  # noqa: B007 - told below
                positional.append(codec.dump(value))
            for name, value in kwargs.items():
                named[name] = codecs.named(name).dump(value)
        except Unstorable as refusal:
            raise SerializationError(
                f"{self._job}: argument {name!r} cannot be stored: {self._show(name, value)} "
                f"({_type_name(value)}) {refusal.why}{self._told(name, refusal.told)}"
            ) from None
        return positional, named

    def load(
        self, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[list[Any], dict[str, Any]]:
        """The values for `perform`, from JSON.

        Raises DeserializationError where they do not fit; errors of jobkit's own that a
        serializer raises, such as RecordNotFound, as they are.
        """
        try:
            self.bind(args, kwargs)
        except TypeError as error:
            raise DeserializationError(f"the stored arguments do not fit: {error}") from error
        codecs = self._resolved()
        positional: list[Any] = []
        named: dict[str, Any] = {}
        name, value = "", None
        try:
            known = codecs.positional(len(args))
            for (name, codec), value in zip(known, args, strict=False):  # noqa: B007 - told below
                positional.append(codec.load(value))
            for name, value in kwargs.items():
                named[name] = codecs.named(name).load(value)
        except JobkitError:
            raise
        except Exception as error:  # noqa: BLE001 - a serializer may raise anything
            self._refuse(name, value, error)
        return positional, named

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Raise TypeError, as the call itself would, when `perform` takes no such arguments."""
        shape = self._shape
        if not kwargs and shape.least <= len(args) <= shape.most:
            return  # as nearly all: without a call, which is one of two for each job
        if shape.surely_takes(args, kwargs):
            return
        try:
            self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{self._job}.perform() {ascii_cut(str(error))}") from None

    def by_name(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of a call by the parameters that take them; defaults are left out."""
        return dict(self._signature.bind(*args, **kwargs).arguments)

    @property
    def names(self) -> list[str]:
        """The names of the parameters."""
        return list(self._signature.parameters)

    def hidden(self, positional: int, names: Iterable[str]) -> bool | list[int | str]:
        """Which of so many positional and these named arguments must not be shown.

        True for all of them, else their positions and names; empty for none.
        """
        return self._privacy.hidden(positional, names) if self.private else []

    def check(self) -> None:
        """Raise SerializationError when an annotation cannot be used, with the remedy."""
        self._resolved()

    def _resolved(self) -> _Codecs:
        codecs = self._codecs
        if codecs is None or codecs.serializers is not registered():
            codecs = self._codecs = _Codecs(self._signature, self._codec)
        return codecs

    def _codec(self, parameter: inspect.Parameter) -> Codec:
        annotation = self._hint(parameter)
        if annotation in (inspect.Parameter.empty, Any, object):
            return PLAIN
        try:
            return Typed(annotation)
        except PydanticUndefinedAnnotation as error:
            raise self._unresolved(parameter.name, error) from error
        except Exception as error:
            raise SerializationError(
                f"{self._job}: parameter {parameter.name!r} is annotated {shown(annotation)}, "
                "which cannot be stored: register it with jobkit.register_serializer or pass its "
                f"key instead ({_first_line(error)})"
            ) from error

    def _hint(self, parameter: inspect.Parameter) -> Any:
        holder = SimpleNamespace(__annotations__={parameter.name: parameter.annotation})
        namespace = getattr(self._perform, "__globals__", {})
        try:
            hints = typing.get_type_hints(
                holder, namespace, dict(self._localns or {}), include_extras=True
            )
        except Exception as error:
            raise self._unresolved(parameter.name, error) from error
        return hints[parameter.name]

    def _unresolved(self, name: str, error: Exception) -> SerializationError:
        return SerializationError(
            f"{self._job}: the annotation of parameter {name!r} cannot be resolved "
            f"({_first_line(error)}): import the type where the job is defined, outside "
            "`if TYPE_CHECKING:`"
        )

    def _refuse(self, name: str, value: Any, error: Exception) -> NoReturn:
        problem = DeserializationError(
            f"{self._job}: argument {name!r} cannot be loaded from "
            f"{self._show(name, value)}{self._told(name, reason_of(error))}"
        )
        if self._privacy.hides(name):
            raise problem from None  # pydantic's own text shows the value
        raise problem from error

    def _show(self, name: str, value: Any) -> str:
        return REDACTED if self._privacy.hides(name) else shown(value)

    def _told(self, name: str, told: str) -> str:
        return f": {told}" if told and not self._privacy.hides(name) else ""


class _Codecs:
    """The codec of each parameter of one signature."""

    def __init__(
        self, signature: inspect.Signature, codec_of: Callable[[inspect.Parameter], Codec]
    ) -> None:
        self.serializers = registered()
        """Those there were. When one is registered there are others."""
        self._positional: list[tuple[str, Codec]] = []
        self._rest: tuple[str, Codec] = ("args", PLAIN)
        self._named: dict[str, Codec] = {}
        self._others: Codec = PLAIN
        for parameter in signature.parameters.values():
            self._add(parameter, codec_of(parameter))

    def positional(self, count: int) -> list[tuple[str, Codec]]:
        """Names and codecs of the positional arguments, of at least the first `count`."""
        missing = count - len(self._positional)
        return self._positional + [self._rest] * missing if missing > 0 else self._positional

    def named(self, name: str) -> Codec:
        return self._named.get(name, self._others)

    def _add(self, parameter: inspect.Parameter, codec: Codec) -> None:
        if parameter.kind is parameter.VAR_POSITIONAL:
            self._rest = (parameter.name, codec)
        elif parameter.kind is parameter.VAR_KEYWORD:
            self._others = codec
        else:
            if parameter.kind is not parameter.KEYWORD_ONLY:
                self._positional.append((parameter.name, codec))
            self._named[parameter.name] = codec


def _signature(function: Callable[..., Any], *, skip_first: bool) -> inspect.Signature:
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())
    if skip_first and parameters and parameters[0].kind is not inspect.Parameter.VAR_POSITIONAL:
        del parameters[0]
    return signature.replace(parameters=parameters)


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return ascii_cut(lines[0]) if lines else type(error).__name__


def _type_name(value: object) -> str:
    kind = type(value)
    bare = kind.__module__ == "builtins"
    return kind.__qualname__ if bare else f"{kind.__module__}.{kind.__qualname__}"
