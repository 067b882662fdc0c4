"""Names of a package that are loaded when they are first used.

    if TYPE_CHECKING:
        from jobkit.worker.embedded import run_worker
        from jobkit.worker.process import Worker
    else:
        __getattr__, __dir__ = lazily(
            __name__, {"embedded": ("run_worker",), "process": ("Worker",)}
        )

A program pays for what it uses. And a package that loads none of its modules is one that two
threads may enter by different doors: Python lends a lock to whoever loads a module, the package
itself is loaded under the lock of its module, and where the package in turn wants that module, one
of the two threads is given what is half there, for Python sees that they wait for each other.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["lazily"]


def lazily(
    package: str, homes: Mapping[str, Iterable[str]], *, modules: Collection[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and `__dir__` of a package.

    `homes` has the names of each module, written as after `import`: `name`, or `name as other`.
    `modules` are to be reached as attributes of the package, too, without having been imported.
    A name must not be that of a module: who imports the module makes it the attribute.
    """
    known = {called: (module, name) for module, name, called in _read(homes)}

    def load(name: str) -> Any:
        if name in modules:
            return import_module(f"{package}.{name}")  # which makes it an attribute
        if name not in known:
            raise AttributeError(
                f"module {package!r} has no attribute {name!r}", name=name, obj=sys.modules[package]
            )
        home, there = known[name]
        value = getattr(import_module(f"{package}.{home}"), there)
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *known, *modules})

    return load, names


def _read(homes: Mapping[str, Iterable[str]]) -> Iterable[tuple[str, str, str]]:
    for module, names in homes.items():
        for each in names:
            name, _, called = each.partition(" as ")
            yield module, name, called or name
