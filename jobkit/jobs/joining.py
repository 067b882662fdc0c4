"""The open block of a batch, which takes the jobs that are enqueued inside of it."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any, Final, Protocol

from jobkit.adapter import Enqueues
from jobkit.payload import Payload

__all__ = ["Block", "current_block", "open_block"]


class Block(Protocol):
    """What takes jobs instead of a store."""

    @property
    def id(self) -> str:
        """The batch's."""
        ...

    def take(self, adapter: Enqueues, jobs: Sequence[tuple[Any, Payload]]) -> None:
        """Have these jobs stored when the block is left."""
        ...


open_block: ContextVar[Block | None] = ContextVar("jobkit_batch", default=None)
"""The innermost open block of this thread or task."""

current_block: Final = open_block.get
