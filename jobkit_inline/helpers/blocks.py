"""Helpers that act at once as a call, and around a block as a context manager.

    assert_enqueued(WelcomeEmail)           # what is there now

    with assert_enqueued(WelcomeEmail):     # what the block enqueues
        sign_up("ada@example.org")

A call must know which of the two it is before it acts: the first form may fail where the second
may not. Python tells by the instructions that wait for the call's result. They differ from version
to version, so what a `with` statement looks like is learned here from two of them.
"""

from __future__ import annotations

import dis
import functools
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from itertools import islice, takewhile
from types import FrameType
from typing import Any, Final, Generic, ParamSpec, TypeVar

__all__ = ["Block", "either_way"]

_LOOKED_AT: Final = 4
"""Instructions behind a call: more than a `with` statement needs before it goes its own way."""

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
        if following[: len(_ENTERED)] == _ENTERED:
            return True
        if following[: len(_RETURNED)] != _RETURNED:
            return False
        frame = frame.f_back
    return False


def _following(frame: FrameType) -> list[str]:
    """The names of the instructions behind the current one."""
    instructions = dis.get_instructions(frame.f_code)
    behind = (each.opname for each in instructions if each.offset > frame.f_lasti)
    return list(islice(behind, _LOOKED_AT))


def _learned() -> tuple[list[str], list[str]]:
    """What follows a call whose result is entered, and one whose result is returned."""
    seen: list[list[str]] = []

    def note() -> AbstractContextManager[None]:
        seen.append(_following(sys._getframe(1)))  # pyright: ignore[reportPrivateUsage]
        return nullcontext()

    def returned() -> AbstractContextManager[None]:
        return note()

    with note():
        pass
    with note() as _:
        pass
    returned()
    plain, named, given_back = seen
    common = takewhile(lambda pair: pair[0] == pair[1], zip(plain, named, strict=True))
    return [name for name, _ in common], given_back[:1]


_ENTERED, _RETURNED = _learned()
if not _ENTERED:
    raise RuntimeError("this Python does not tell a call from a `with` statement")
