"""Which adapter a test uses, and which one a helper looks into."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Final, TypeVar

from jobkit import backends
from jobkit.adapter import Enqueues
from jobkit.errors import Unsupported
from jobkit_inline.fake import FakeAdapter
from jobkit_inline.inline import InlineAdapter
from jobkit_inline.stage import Stage

__all__ = ["KINDS", "everywhere", "fake", "is_everywhere", "stage", "use_adapter"]

A = TypeVar("A", bound=Enqueues)

KINDS: Final[Mapping[str, type[Stage]]] = {"fake": FakeAdapter, "inline": InlineAdapter}
"""The adapters that the pytest plugin knows, by name."""

_everywhere: list[Stage] = []


@contextmanager
def use_adapter(adapter: A) -> Generator[A]:
    """Have `adapter` answer for every backend inside the block, in this thread or task only.

    Tasks that are started inside use it too, other threads do not: for the whole process there
    are the fixtures. Afterwards all is as before, also after an error.

        with use_adapter(FakeAdapter()):
            sign_up("ada@example.org")
            assert_enqueued(WelcomeEmail)
    """
    if not isinstance(adapter, Enqueues):
        raise TypeError(f"use_adapter takes an adapter, such as FakeAdapter(), not {adapter!a}")
    with backends.use(adapter):
        yield adapter


@contextmanager
def everywhere(adapter: Stage) -> Generator[Stage]:
    """Have `adapter` answer for every backend in the whole process inside the block."""
    _everywhere.append(adapter)
    try:
        with backends.override(adapter):
            yield adapter
    finally:
        _everywhere.remove(adapter)


def is_everywhere() -> bool:
    """True inside of an `everywhere` block."""
    return bool(_everywhere)


def fake(helper: str) -> FakeAdapter:
    """The fake adapter in use. Raises Unsupported, with the remedy, when it is another."""
    adapter = backends.get()
    if isinstance(adapter, FakeAdapter):
        return adapter
    if isinstance(adapter, InlineAdapter):
        raise Unsupported(
            f"InlineAdapter does not support {helper}(): it runs every job at once and none waits; "
            "use assert_performed(), or the fixture fake_jobs"
        )
    raise _unsupported(adapter, helper)


def stage(helper: str) -> Stage:
    """The fake or inline adapter in use. Raises Unsupported, with the remedy, for another."""
    adapter = backends.get()
    if isinstance(adapter, Stage):
        return adapter
    raise _unsupported(adapter, helper)


def _unsupported(adapter: Enqueues, helper: str) -> Unsupported:
    return Unsupported(
        f"{type(adapter).__name__} does not support {helper}(): have the test use the fixture "
        "fake_jobs, or do it inside `with use_adapter(FakeAdapter()):`"
    )
