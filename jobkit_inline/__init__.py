"""The in-memory adapters and the test kit.

Each name is loaded when it is first used: the pytest plugin costs nothing where no test needs it,
and a worker on `memory://` loads no assertions.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from jobkit_inline.fake import FakeAdapter
    from jobkit_inline.helpers.assertions import (
        assert_enqueued,
        assert_no_enqueued,
        assert_no_performed,
        assert_performed,
    )
    from jobkit_inline.helpers.lists import clear_jobs, enqueued_jobs, performed_jobs
    from jobkit_inline.helpers.mixin import JobAssertions
    from jobkit_inline.helpers.performing import drain, perform_enqueued_jobs
    from jobkit_inline.helpers.using import use_adapter
    from jobkit_inline.inline import InlineAdapter
    from jobkit_inline.memory import MemoryAdapter

__all__ = [
    "FakeAdapter",
    "InlineAdapter",
    "JobAssertions",
    "MemoryAdapter",
    "assert_enqueued",
    "assert_no_enqueued",
    "assert_no_performed",
    "assert_performed",
    "clear_jobs",
    "drain",
    "enqueued_jobs",
    "perform_enqueued_jobs",
    "performed_jobs",
    "use_adapter",
]

_HOMES: Final = {
    "FakeAdapter": "fake",
    "InlineAdapter": "inline",
    "JobAssertions": "helpers.mixin",
    "MemoryAdapter": "memory",
    "assert_enqueued": "helpers.assertions",
    "assert_no_enqueued": "helpers.assertions",
    "assert_no_performed": "helpers.assertions",
    "assert_performed": "helpers.assertions",
    "clear_jobs": "helpers.lists",
    "drain": "helpers.performing",
    "enqueued_jobs": "helpers.lists",
    "perform_enqueued_jobs": "helpers.performing",
    "performed_jobs": "helpers.lists",
    "use_adapter": "helpers.using",
}
"""The module of each name."""

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        # By hand, and not by `jobkit.lazy`: the plugin loads this and is to load no jobkit.
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

    def __dir__() -> list[str]:
        return __all__
