"""A module with a fault in it: what an import gives once the fault is planted."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType

from tests.behaviours.faults import Fault

__all__ = ["plant", "spoiled"]


def plant(fault: Fault) -> None:
    """Have the fault's module imported with the fault. Raises ValueError if it is there already."""
    if fault.module in sys.modules:
        raise ValueError(f"{fault.module} has been imported already")
    sys.meta_path.insert(0, _Gardener(fault))


def spoiled(fault: Fault, source: str) -> str:
    """The module's source with the fault. Raises ValueError unless it fits in one place."""
    if source.count(fault.right) != 1:
        raise ValueError(f"{fault.name!r} no longer fits {fault.module}")
    return source.replace(fault.right, fault.wrong)


class _Gardener(MetaPathFinder):
    """Finds the fault's module before anybody else does."""

    def __init__(self, fault: Fault) -> None:
        self._fault = fault

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._fault.module:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.origin is not None:
            spec.loader = _Spoiler(self._fault, spec.origin)
        return spec


class _Spoiler(SourceFileLoader):
    """Compiles the module from its changed source, past every cache."""

    def __init__(self, fault: Fault, path: str) -> None:
        super().__init__(fault.module, path)
        self._fault = fault

    def get_code(self, fullname: str) -> CodeType | None:
        source = spoiled(self._fault, self.get_data(self.path).decode())
        code: CodeType = compile(source, self.path, "exec", dont_inherit=True)
        return code
