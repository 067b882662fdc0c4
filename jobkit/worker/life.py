"""A worker's life as a process under a supervisor."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from typing import NoReturn

from jobkit.adapter import Adapter
from jobkit.worker.desk import Broken, Message
from jobkit.worker.link import Link, ignore_signals
from jobkit.worker.options import WorkerOptions
from jobkit.worker.process import Worker
from jobkit.worker.wire import Hello, Joining, Leaving, Refused, Stuck

__all__ = ["leave", "run_supervised", "write_out"]

_log = logging.getLogger("jobkit.worker")


def run_supervised(
    adapter: Adapter, options: WorkerOptions, link: Link, *, url: str | None, hello: Hello
) -> int:
    """Work until the supervisor or an order says stop, or the burst ends; the exit code.

    `url` is where the supervisor finds the store, None if it cannot; `hello` is what it is told
    when the worker is ready.
    """
    ignore_signals()  # the application may have set handlers of its own
    worker = Worker(
        adapter,
        options,
        board=link.board(options.concurrency + 1),
        announce=lambda identity: link.tell(Joining(identity, url, options.lease)),
        stuck=lambda: link.tell(Stuck()),
    )
    link.serve(worker.desk)
    if not worker.start():
        return _not_started(worker, link)
    link.tell(hello)
    queues = ", ".join(options.queues.names)
    _log.info("%s serves %s with %d threads", worker.id, queues, options.concurrency)
    return _Life(worker, link, shared=url is not None).lived()


def _not_started(worker: Worker, link: Link) -> int:
    if not worker.desk.inbox.empty():
        link.tell(Leaving("stopped"))  # before the store answered
        return 0
    link.tell(Refused("the store did not answer within the boot time-out"))
    return 1


class _Life:
    """The main thread of a worker process: obeys messages until it is time to leave."""

    def __init__(self, worker: Worker, link: Link, *, shared: bool) -> None:
        """`shared`: the supervisor can reach the store."""
        self._worker = worker
        self._link = link
        self._shared = shared

    def lived(self) -> int:
        """Wait for the end, and leave in good order; the exit code."""
        while (message := self._worker.next_message()) == "quiet":
            _log.info("quiet: no more jobs are taken")
            self._worker.quiet()
        options = self._worker.desk.options
        leaving = _why(message, burst=options.burst)
        timeout = options.shutdown_timeout
        # The supervisor kills a process that has lost a thread at exactly that time.
        self._wind_down(max(timeout - 1, timeout / 2) if message == "stuck" else timeout)
        self._link.tell(leaving)
        return 1 if leaving.why == "broken" else 0

    def _wind_down(self, timeout: float) -> None:
        _log.info("stopping, running jobs get %.0f s", timeout)
        if not self._worker.wind_down(timeout):
            _log.warning("some jobs did not end in time and are given back")
        if self._shared and not self._link.orphaned:
            self._worker.hand_on()
        else:
            self._worker.retire()


def _why(message: Message, *, burst: bool) -> Leaving:
    match message:
        case Broken(part, error):
            _log.error("the %s broke", part, exc_info=error)
            return Leaving("broken")
        case "stuck":
            return Leaving("recycled")
        case "done":
            return Leaving("done" if burst else "recycled")
        case _:
            return Leaving("stopped")


def leave(code: int) -> NoReturn:
    """End the process without waiting for threads whose jobs have not ended."""
    logging.shutdown()
    write_out()
    os._exit(code)


def write_out() -> None:
    """Have all that was printed leave the process."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
