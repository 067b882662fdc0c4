"""Arguments to JSON and back.

A parameter without annotation takes exact JSON values. An annotated one is dumped and restored
through its annotation by pydantic: strictly when the job is enqueued, so that a misfit is refused
where it was made, leniently when the job runs. What would not come back equal is refused.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from jobkit.arguments.exact import shown

if TYPE_CHECKING:
    from jobkit.arguments.parameters import Arguments
    from jobkit.arguments.privacy import REDACTED
    from jobkit.arguments.serializers import register_serializer

__all__ = ["REDACTED", "Arguments", "register_serializer", "shown"]

_LATER: Final = {
    "Arguments": "jobkit.arguments.parameters",
    "REDACTED": "jobkit.arguments.privacy",
    "register_serializer": "jobkit.arguments.serializers",
}
"""Loaded at first use: who only shows a value, as the settings' errors do, needs no pydantic."""


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_LATER[name]), name)
    return value
