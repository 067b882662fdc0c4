"""From the synchronous inside of an asynchronous session, without blocking its event loop."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy.util import concurrency

__all__ = ["beside_the_loop", "is_beside_the_loop"]

T = TypeVar("T")


def is_beside_the_loop() -> bool:
    """True inside of `run_sync` and the like, where an event loop can be awaited."""
    # No greenlet without the library: then nothing asynchronous of SQLAlchemy's runs either.
    return sys.modules.get("greenlet") is not None and bool(concurrency.in_greenlet())


def beside_the_loop(call: Callable[..., T], *args: Any) -> T:
    """What the call returns; inside an asynchronous session it is made in a thread and awaited."""
    if not is_beside_the_loop():
        return call(*args)
    result: T = concurrency.await_only(asyncio.to_thread(call, *args))
    return result
