"""Which queues a worker serves, and in which order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

__all__ = ["Queues", "check_queue_name"]

_NAME: Final = re.compile(r"[A-Za-z0-9_.:-]{1,128}", re.ASCII)
_SPEC: Final = re.compile(r"(?P<name>[^,@]+)(@(?P<threads>[0-9]{1,9}))?(,(?P<weight>[0-9]{1,9}))?")
_NONE: Final[Mapping[str, int]] = MappingProxyType({})


def check_queue_name(name: str) -> str:
    """The name itself. Raises ValueError for what no store could hold as a queue."""
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{name[:200]!a} is no queue name: 1 to 128 letters, digits and any of _ . : -"
        )
    return name


@dataclass(frozen=True, slots=True)
class Queues:
    """Queue names in strict order or, with `weights`, each served in proportion to its weight.

    `reserved` holds the threads that a queue has for itself. Raises ValueError for a wrong name, a
    name given twice, no name at all, or a number below 1.
    """

    names: tuple[str, ...]
    weights: Mapping[str, int] | None = None
    reserved: Mapping[str, int] = field(default_factory=lambda: _NONE)

    def __post_init__(self) -> None:
        if not self.names:
            raise ValueError("at least one queue must be named")
        for name in self.names:
            check_queue_name(name)
            if self.names.count(name) > 1:
                raise ValueError(f"the queue {name!r} is named twice")
        for name, number in [*(self.weights or _NONE).items(), *self.reserved.items()]:
            if type(number) is not int or number < 1:
                raise ValueError(f"the number of the queue {name!r} must be 1 or more")

    def check_threads(self, concurrency: int) -> None:
        """Raise ValueError when there are too few threads for what is reserved and for the rest."""
        own = sum(self.reserved.values())
        needed = own + any(name not in self.reserved for name in self.names)
        if concurrency < needed:
            rest = " and one for the other queues" if needed > own else ""
            raise ValueError(
                f"{own} threads are reserved{rest}, and there are {concurrency}: raise the "
                "concurrency, or reserve fewer"
            )

    @classmethod
    def parse(cls, specs: Iterable[str]) -> Queues:
        """The queues as written for `-q`: `NAME`, `NAME,WEIGHT` or `NAME@THREADS`.

        Any weight makes all of them weighted; a missing one is 1.
        """
        parsed = [_parse(spec) for spec in specs]
        weights = {name: weight for name, weight, _ in parsed if weight is not None}
        names = tuple(name for name, _, _ in parsed)
        return cls(
            names=names,
            weights=_frozen(dict.fromkeys(names, 1) | weights) if weights else None,
            reserved=_frozen({name: threads for name, _, threads in parsed if threads is not None}),
        )

    @classmethod
    def of(cls, value: object) -> Queues:
        """The queues from a setting: a list of specs, text of specs, or a table of weights."""
        match value:
            case Queues():
                return value
            case str():
                return cls.parse(value.split())
            case list() | tuple() if all(isinstance(spec, str) for spec in value):
                return cls.parse(value)
            case Mapping() if all(isinstance(name, str) for name in value):
                return cls(names=tuple(value), weights=_frozen(value))
            case _:
                raise ValueError("neither names nor weights")


def _parse(spec: str) -> tuple[str, int | None, int | None]:
    found = _SPEC.fullmatch(spec)
    if found is None:
        raise ValueError(f"{spec[:200]!a} is not NAME, NAME,WEIGHT or NAME@THREADS")
    return found["name"], _number(found["weight"]), _number(found["threads"])


def _number(digits: str | None) -> int | None:
    return None if digits is None else int(digits)


def _frozen(numbers: Mapping[str, int]) -> Mapping[str, int]:
    return MappingProxyType(dict(numbers))
