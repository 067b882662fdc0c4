"""The configuration: read once, lazily, from code, a file, the environment and flags.

What reads and checks it is loaded at first use: building its model costs more than the rest of
`import jobkit` that is not pydantic, and a program that only defines jobs needs none of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobkit.lazy import lazily
from jobkit.settings.queues import Queues, check_queue_name
from jobkit.settings.urls import safe_url, url_scheme
from jobkit.settings.words import nearest

if TYPE_CHECKING:
    from jobkit.settings.model import Backend, Settings
    from jobkit.settings.reading import (
        configure,
        current,
        handed_on,
        overlaid,
        override,
        reset,
        where,
    )
else:
    __getattr__, __dir__ = lazily(
        __name__,
        {
            "model": ("Backend", "Settings"),
            "reading": (
                "configure",
                "current",
                "handed_on",
                "overlaid",
                "override",
                "reset",
                "where",
            ),
        },
    )

__all__ = [
    "Backend",
    "Queues",
    "Settings",
    "check_queue_name",
    "configure",
    "current",
    "handed_on",
    "nearest",
    "overlaid",
    "override",
    "reset",
    "safe_url",
    "url_scheme",
    "where",
]
