"""Which arguments of a job no text may show."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from itertools import chain, islice, repeat
from typing import Final

__all__ = ["REDACTED", "Privacy"]

REDACTED: Final = "[redacted]"
"""What stands where a value must not be shown."""


class Privacy:
    """The parameters that a class's `redact` names; `secret` stands for all of them.

    A name may be that of a parameter, `*args` and `**kwargs` included, or a key of the latter.
    """

    def __init__(
        self, signature: inspect.Signature, redact: frozenset[str], *, secret: bool
    ) -> None:
        self._redact = redact
        self._secret = secret
        self.any = secret or bool(redact)
        """False when nothing is hidden."""
        self._positional: list[str] = []
        self._named: set[str] = set()
        self._rest, self._others = "args", "kwargs"
        for parameter in signature.parameters.values():
            self._add(parameter)

    def hides(self, name: str) -> bool:
        """True if the value of the argument of that name must not be shown."""
        if self._secret or not self.any:
            return self._secret
        known = name in self._named or name == self._rest
        return name in self._redact or (not known and self._others in self._redact)

    def hidden(self, positional: int, names: Iterable[str]) -> bool | list[int | str]:
        """See `Arguments.hidden`."""
        if self._secret:
            return True
        given = islice(chain(self._positional, repeat(self._rest)), positional)
        return [
            *(at for at, name in enumerate(given) if self.hides(name)),
            *(name for name in names if self.hides(name)),
        ]

    def _add(self, parameter: inspect.Parameter) -> None:
        if parameter.kind is parameter.VAR_POSITIONAL:
            self._rest = parameter.name
        elif parameter.kind is parameter.VAR_KEYWORD:
            self._others = parameter.name
        else:
            self._named.add(parameter.name)
            if parameter.kind is not parameter.KEYWORD_ONLY:
                self._positional.append(parameter.name)
