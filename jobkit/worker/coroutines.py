"""The event loop that a worker's `async def` jobs share."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final

__all__ = ["EventLoop"]

_ENDS_WITHIN: Final = 1.0
"""Seconds; a coroutine that was left behind may hold the loop for ever."""


class EventLoop:
    """One loop on a thread of its own, started when the first coroutine comes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """The coroutine's result; many threads may wait here at once."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._started()).result()

    def stop(self) -> None:
        """End the loop. What still runs on it is abandoned."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None:
            return
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_ENDS_WITHIN)
        if not thread.is_alive():
            loop.close()

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=_run, args=(self._loop,), name="jobkit-event-loop", daemon=True
                )
                self._thread.start()
            return self._loop


def _run(loop: asyncio.AbstractEventLoop) -> None:
    """Run it until it is stopped, whatever a job raises.

    A SystemExit leaves the loop, too, beside being its task's result, which fails the job.
    """
    stopped = False
    while not stopped:
        with suppress(BaseException):
            loop.run_forever()
            stopped = True
