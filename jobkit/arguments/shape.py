"""Which calls a signature takes, told by their number and names alone where that is enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import Parameter, Signature
from typing import Any

__all__ = ["Shape"]

_BY_POSITION = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_BY_NAME = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)


class Shape:
    """A signature, read once: binding a call to it costs more than most of what else a job does."""

    def __init__(self, signature: Signature) -> None:
        parameters = list(signature.parameters.values())
        required = [each for each in parameters if _is_required(each)]
        only_named = [each for each in required if each.kind not in _BY_POSITION]
        rest = any(each.kind is Parameter.VAR_POSITIONAL for each in parameters)
        self._positional = tuple(each.name for each in parameters if each.kind in _BY_POSITION)
        self._named = frozenset(each.name for each in parameters if each.kind in _BY_NAME)
        self._required = frozenset(each.name for each in required)
        self.most = float("inf") if rest else len(self._positional)
        self.least = float("inf") if only_named else len(required)
        """How many arguments fit where all are positional: none, if `least` is above `most`."""

    def surely_takes(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
        """True if the call fits; False if it does not, or if only the signature itself can tell."""
        count = len(args)
        if not kwargs:
            return self.least <= count <= self.most
        taken, names = self._positional[:count], kwargs.keys()
        return (
            count <= self.most
            and names <= self._named
            and names.isdisjoint(taken)
            and self._required <= names | frozenset(taken)
        )


def _is_required(parameter: Parameter) -> bool:
    has_value = parameter.default is not Parameter.empty
    return not has_value and parameter.kind in (*_BY_POSITION, Parameter.KEYWORD_ONLY)
