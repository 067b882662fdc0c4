"""The event loop that a worker's `async def` jobs share."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final

from jobkit.adapter import Claim
from jobkit.holding import current

__all__ = ["EventLoop"]

_ENDS_WITHIN: Final = 1.0
"""Seconds; a coroutine that was left behind may hold the loop for ever."""


class EventLoop:
    """One loop on a thread of its own, started when the first coroutine comes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._abandoned = threading.Event()
        self._tasks: dict[str, asyncio.Task[Any] | None] = {}
        """By the receipts of their claims; touched on the loop only."""
        self.waiting: set[int] = set()
        """The idents of the threads that wait for a coroutine."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """The coroutine's result; many threads may wait here at once."""
        job = current.get()
        claim: Claim | None = None if job is None else job._claim
        if claim is not None:
            coroutine = self._noted(claim.receipt, coroutine)
        result = asyncio.run_coroutine_threadsafe(coroutine, self._started())
        ident = threading.get_ident()
        self.waiting.add(ident)
        try:
            return result.result()
        finally:
            self.waiting.discard(ident)
            del result  # which has the error that has this frame

    def cancel(self, claim: Claim) -> None:
        """Cancel the coroutine of the claim's job, if that is what runs."""
        with self._lock:
            loop = self._loop
        if loop is not None:
            loop.call_soon_threadsafe(self._cancel, claim.receipt)

    async def _noted(self, receipt: str, coroutine: Coroutine[Any, Any, Any]) -> Any:
        self._tasks[receipt] = asyncio.current_task()
        try:
            return await coroutine
        finally:
            del self._tasks[receipt]

    def _cancel(self, receipt: str) -> None:
        task = self._tasks.get(receipt)
        if task is not None:
            task.cancel()

    def abandon(self) -> None:
        """Cancel what runs, and end the loop when that has ended; does not wait for it."""
        with self._lock:
            loop, self._loop, self._thread = self._loop, None, None
        if loop is not None:
            self._abandoned.set()
            asyncio.run_coroutine_threadsafe(self._wind_up(), loop)

    async def _wind_up(self) -> None:
        tasks = [task for task in self._tasks.values() if task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        asyncio.get_running_loop().stop()

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

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        _run(loop)
        if self._abandoned.is_set():
            loop.close()  # nobody waits for its end, who would otherwise do that

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=self._run, args=(self._loop,), name="jobkit-event-loop", daemon=True
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
