"""The job classes of this process by the names that payloads carry.

A payload can never name a module to import: a class is run only if the application defined it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jobkit.errors import UnknownJob

__all__ = ["classes", "importable_name", "lookup", "register"]

_classes: dict[str, Any] = {}


def register(cls: Any, name: str, aliases: Iterable[str] = ()) -> None:
    """Make the class known under its name and former names; the latest of a name wins."""
    for known in (name, *aliases):
        _classes[known] = cls


def lookup(name: str) -> Any:
    """The class of that name. Raises UnknownJob."""
    try:
        return _classes[name]
    except KeyError:
        raise UnknownJob(
            f"no job is registered as {name!r}: import the module that defines it "
            "(-A, `imports`), or name the former name in `aliases`"
        ) from None


def classes() -> list[Any]:
    """Every registered class once, by name."""
    found = {id(cls): cls for _, cls in sorted(_classes.items())}
    return list(found.values())


def importable_name(module: str, qualname: str) -> str:
    """The name under which another process would find the class.

    A class of `__main__` is named by the module or script that was started; one of an interactive
    session keeps `__main__`, which enqueueing refuses.
    """
    return f"{_main_module() if module == '__main__' else module}.{qualname}"


def _main_module() -> str:
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return str(spec.name).removesuffix(".__main__")
    stem = Path(getattr(main, "__file__", None) or "").stem
    return stem if stem.isidentifier() else "__main__"
