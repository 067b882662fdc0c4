"""The job classes of this process by the names that payloads carry.

A payload can never name a module to import: a class is run only if the application defined it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jobkit.errors import UnknownJob

__all__ = ["classes", "importable_module", "importable_name", "lookup", "register"]

_classes: dict[str, Any] = {}
_log = logging.getLogger("jobkit")


def register(cls: Any, name: str, aliases: Iterable[str] = ()) -> None:
    """Make the class known under its name and former names; the latest of a name wins.

    When another class loses a name by that, the log says so: its jobs go to this one now.
    """
    for known in dict.fromkeys((name, *aliases)):
        other = _classes.get(known)
        if other is not None and _definition(other) != _definition(cls):
            _log.warning(
                "jobs named %r go to %s from now on, no more to %s: two classes have that name "
                "(name, aliases)",
                known,
                ".".join(_definition(cls)),
                ".".join(_definition(other)),
            )
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
    return f"{importable_module(module)}.{qualname}"


def importable_module(module: str) -> str:
    """The name under which another process would import the module."""
    return _main_module() if module == "__main__" else module


def _definition(cls: Any) -> tuple[str, str]:
    """Where a class is defined: equal for one that was defined again, as on a reload."""
    return cls.__module__, cls.__qualname__


def _main_module() -> str:
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return str(spec.name).removesuffix(".__main__")
    stem = Path(getattr(main, "__file__", None) or "").stem
    return stem if stem.isidentifier() else "__main__"
