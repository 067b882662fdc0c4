"""One run in a process of its own, as that process does it."""

from __future__ import annotations

import inspect
import os
import socket
import sys
import threading
from collections.abc import Coroutine
from typing import Any, Final

from jobkit import backends
from jobkit.adapter import Claim, Enqueues
from jobkit.callbacks import Callbacks
from jobkit.clock import SYSTEM
from jobkit.execution import execute, stop_signal
from jobkit.handlers import Policy, Rule
from jobkit.holding import holder, with_progress
from jobkit.jobs import run_of
from jobkit.jobs.performing import settled
from jobkit.jobs.running import Run
from jobkit.outcome import SUCCEEDED
from jobkit.payload import Payload
from jobkit.transactions import Completion
from jobkit.worker.carried import (
    CANCEL,
    STOP,
    Began,
    BodyEnded,
    Completed,
    Ended,
    Kept,
    Task,
    Word,
    encoded,
)
from jobkit.worker.wire import Lines

__all__ = ["Line", "die_with_parent", "performed"]

_PR_SET_PDEATHSIG: Final = 1
_SIGKILL: Final = 9


class Line:
    """The process's line to its worker. When that is gone the process goes, too, at once.

    The job is another worker's then, or will be: it must not run on here.
    """

    def __init__(self, fd: int) -> None:
        os.set_inheritable(fd, False)
        self._socket = socket.socket(fileno=fd)
        self._lines = Lines()
        self._heard: set[bytes] = set()

    def task(self) -> Task:
        """Wait for the task, which comes first, and listen from then on."""
        while not (lines := self._lines.fed(self._received())):
            pass
        self._heard.update(line + b"\n" for line in lines[1:])
        threading.Thread(target=self._listen, name="jobkit-line", daemon=True).start()
        return Task.of_line(lines[0])

    def tell(self, word: Word) -> None:
        self._socket.sendall(encoded(word))

    def is_stopping(self) -> bool:
        return STOP in self._heard

    # As the holder of the job, see `jobkit.holding.Holder`: the worker is.

    def monotonic(self) -> float:
        return SYSTEM.monotonic()

    def holds(self, claim: Claim) -> bool:
        del claim  # the worker kills who is lost
        return True

    def is_cancelled(self, claim: Claim) -> bool:
        del claim
        return CANCEL in self._heard

    def save(self, claim: Claim, payload: Payload) -> None:
        del claim
        self.tell(Kept(payload.text))

    def _listen(self) -> None:
        while True:
            self._heard.update(line + b"\n" for line in self._lines.fed(self._received()))

    def _received(self) -> bytes:
        try:
            piece = self._socket.recv(65_536)
        except OSError:
            piece = b""
        if not piece:
            os._exit(1)
        return piece


def performed(task: Task, line: Line) -> Word:
    """Run the job, in this thread; the last word."""
    stop_signal.set(line.is_stopping)
    claim = task.claim
    run = run_of(claim.payload)
    store = _store(task.url)
    completion = Completion(store, lambda: settled(run, claim, SUCCEEDED, store, SYSTEM.time()))
    run.job._completion = completion
    run.job._claim = claim
    holder.set(line)
    outcome = execute(_Told(run, line), clock=SYSTEM, wait_for=_never)
    if completion.end():
        return Completed()
    became = with_progress(claim, run.job).payload.text
    return Ended(outcome, None if became == task.text else became)


class _Told:
    """A run that tells when its body begins and ends; see `jobkit.execution.Runnable`."""

    def __init__(self, run: Run, line: Line) -> None:
        self.job: Any = run.job
        self.payload: Payload = run.payload
        self.executions = run.executions
        self.rules: tuple[Rule, ...] = run.rules
        self.callbacks: Callbacks = run.callbacks
        self._run = run
        self._line = line

    @property
    def policy(self) -> Policy:
        return self._run.policy

    def call(self) -> Any:
        """The body's result, of an `async def` too, which has a loop of its own."""
        self._line.tell(Began())
        try:
            result = self._run.call()
            if inspect.iscoroutine(result):
                import asyncio  # noqa: PLC0415 - heavy, and not needed by all

                return asyncio.run(result)
            return result
        finally:
            self._line.tell(BodyEnded())


def die_with_parent() -> None:
    """Where the system can (Linux), have it kill this process with the worker's thread.

    The line's end does it everywhere else, but not while the job holds the GIL.
    """
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415 - for this

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, _SIGKILL)


def _never(coroutine: Coroutine[Any, Any, Any]) -> Any:
    raise AssertionError(coroutine)  # `call` has waited for it


def _store(url: str) -> Enqueues:
    """The worker's store: the application's own adapter where it is one of its backends."""
    for name in backends.names():
        if backends.shared_url(name) == url:
            return backends.get(name)
    return backends.opened(url)
