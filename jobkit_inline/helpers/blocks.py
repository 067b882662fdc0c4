"""Helpers that act at once as a call, and around a block as a context manager.

    assert_enqueued(WelcomeEmail)           # what is there now

    with assert_enqueued(WelcomeEmail):     # what the block enqueues
        sign_up("ada@example.org")

A call must know which of the two it is before it acts: the first form may fail where the second
may not. Python tells by the instruction that waits for the call's result.
"""

from __future__ import annotations

import dis
import functools
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from itertools import islice
from types import FrameType
from typing import Any, Generic, ParamSpec, TypeVar

__all__ = ["Block", "either_way"]

P = ParamSpec("P")
T = TypeVar("T")


class Block(ABC, Generic[T]):
    """What a helper does: now, or around a block."""

    @abstractmethod
    def now(self) -> T:
        """Act at once."""

    @abstractmethod
    def __enter__(self) -> Any: ...

    @abstractmethod
    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None: ...


def either_way(helper: Callable[P, Block[T]]) -> Callable[P, T]:
    """Have `helper(...)` act at once, and `with helper(...):` around its block.

    A function of one's own may return a helper's result and be used in both ways, too. What
    hands it on as an argument (`ExitStack.enter_context`) is a call that acts at once.
    """

    @functools.wraps(helper)
    def called(*args: P.args, **kwargs: P.kwargs) -> Any:
        __tracebackhide__ = True
        block = helper(*args, **kwargs)
        return block if _is_entered(sys._getframe(1)) else block.now()  # pyright: ignore[reportPrivateUsage]

    return called


def _is_entered(frame: FrameType | None) -> bool:
    """True when a `with` statement enters what the frame's current call is about to return."""
    while frame is not None:
        following = _following(frame)
        if following[:1] != ["RETURN_VALUE"]:
            # Python 3.11 to 3.13 have one instruction for it, since 3.14 `__exit__` is looked up.
            return following[:1] == ["BEFORE_WITH"] or following == ["COPY", "LOAD_SPECIAL"]
        frame = frame.f_back
    return False


def _following(frame: FrameType) -> list[str]:
    """The names of the two instructions behind the current one."""
    instructions = dis.get_instructions(frame.f_code)
    behind = (each.opname for each in instructions if each.offset > frame.f_lasti)
    return list(islice(behind, 2))
