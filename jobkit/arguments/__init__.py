"""Arguments to JSON and back.

A parameter without annotation takes exact JSON values. An annotated one is dumped and restored
through its annotation by pydantic: strictly when the job is enqueued, so that a misfit is refused
where it was made, leniently when the job runs. What would not come back equal is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobkit.lazy import lazily

if TYPE_CHECKING:
    from jobkit.arguments.exact import shown
    from jobkit.arguments.parameters import Arguments
    from jobkit.arguments.privacy import REDACTED
    from jobkit.arguments.serializers import register_serializer
else:
    # Who only shows a value, as the settings' errors do, needs no pydantic.
    __getattr__, __dir__ = lazily(
        __name__,
        {
            "exact": ("shown",),
            "parameters": ("Arguments",),
            "privacy": ("REDACTED",),
            "serializers": ("register_serializer",),
        },
    )

__all__ = ["REDACTED", "Arguments", "register_serializer", "shown"]
