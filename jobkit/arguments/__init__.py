"""Arguments to JSON and back.

A parameter without annotation takes exact JSON values. An annotated one is dumped and restored
through its annotation by pydantic: strictly when the job is enqueued, so that a misfit is refused
where it was made, leniently when the job runs. What would not come back equal is refused.
"""

from __future__ import annotations

from jobkit.arguments.exact import shown
from jobkit.arguments.parameters import Arguments
from jobkit.arguments.privacy import REDACTED
from jobkit.arguments.serializers import register_serializer

__all__ = ["REDACTED", "Arguments", "register_serializer", "shown"]
