"""A worker inside somebody else's program: no supervisor, no signals, no process to end."""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from importlib import import_module
from types import TracebackType
from typing import Any, Final, Self

from jobkit import backends, jobs, settings
from jobkit.adapter import Adapter
from jobkit.clock import as_seconds
from jobkit.entries import own_entries
from jobkit.errors import AdapterError, ConfigurationError
from jobkit.settings import Queues, Settings
from jobkit.worker.desk import Broken, Message
from jobkit.worker.options import WorkerOptions
from jobkit.worker.process import Worker

__all__ = ["EmbeddedWorker", "run_worker"]

_RESTART: Final = 1.0
"""Seconds before a worker whose part broke is followed by a new one."""

_log = logging.getLogger("jobkit.worker")


def run_worker(
    *,
    backend: str = "default",
    url: str | None = None,
    queues: Queues | Sequence[str] | Mapping[str, int] | None = None,
    concurrency: int | None = None,
    shutdown_timeout: float | timedelta | None = None,
    lease: float | timedelta | None = None,
    boot_timeout: float | timedelta | None = None,
    burst: bool = False,
) -> EmbeddedWorker:
    """A worker for the program that calls this, to be used by `with` or `async with`.

        with jobkit.run_worker(queues=["mailers"], concurrency=4):
            serve()

    What is not given is as configured. `url` names another store than the backend's. With `burst`
    the end of the block waits until there is nothing left to do. Jobs that are coroutines run on
    the worker's own event loop, not on the program's.
    """
    given = {
        "url": url,
        "queues": queues,
        "concurrency": concurrency,
        "shutdown_timeout": shutdown_timeout,
        "lease": lease,
        "boot_timeout": boot_timeout,
    }
    return EmbeddedWorker(backend, given, burst=burst)


class EmbeddedWorker:
    """Runs jobs on threads of this process from `start` to `stop`; may be started again then.

    It stops by itself when the interpreter exits. It is not stopped from outside: an order to
    stop is for worker processes. What a fork's child inherits of it does nothing.
    """

    def __init__(self, backend: str, given: Mapping[str, Any], *, burst: bool) -> None:
        """To be made by `run_worker`."""
        self._backend = backend
        self._given = given
        self._burst = burst
        self._lock = threading.Lock()
        self._life: _Life | None = None

    @property
    def id(self) -> str | None:
        """Its identity in the store, which changes when its lease was lost; None: not running."""
        life = self._alive()
        return None if life is None else life.identity

    @property
    def running(self) -> bool:
        """True from `start` until it has ended."""
        return self._alive() is not None

    def start(self) -> Self:
        """Begin. While the store is away the worker goes on trying, and this does not wait for it.

        Raises ConfigurationError for a setting that is wrong, Unsupported for an adapter without
        workers, RuntimeError when it runs already; and AdapterError when a `boot_timeout` is set
        and the store did not answer within it.
        """
        self._begun(self._begin())
        return self

    def quiet(self) -> None:
        """Take no more jobs until it is started again; what runs goes on."""
        life = self._alive()
        if life is not None:
            life.quiet()

    def stop(self, timeout: float | timedelta | None = None) -> bool:
        """End. Running jobs get `timeout` seconds, `shutdown_timeout` if it is not given.

        What has not ended then is given back, to the head of its queue and uncharged. True when
        everything had ended, or the worker was not running at all.
        """
        life = self._alive()
        if life is None:
            return True
        life.ask_to_stop(None if timeout is None else as_seconds(timeout))
        return life.awaited()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it has ended, as a burst does by itself; False after `timeout` seconds."""
        life = self._alive()
        return life is None or life.joined(timeout)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._burst and error is None:
            self.wait()
        self.stop()

    async def __aenter__(self) -> Self:
        from asyncio import to_thread  # noqa: PLC0415 - most programs have no loop

        await to_thread(self._begun, self._begin())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        from asyncio import to_thread  # noqa: PLC0415 - as above

        await to_thread(self.__exit__, kind, error, trace)

    def _begin(self) -> _Life:
        with self._lock:
            if self._alive() is not None:
                raise RuntimeError("the worker runs already: one block, or start, at a time")
            configured = _configured(self._given)
            own = self._given["url"] is not None
            adapter = (
                backends.opened(configured.url) if own else backends.get_adapter(self._backend)
            )
            own_entries(self._backend)  # a mistake in one is better noticed now
            url = configured.url if own else backends.shared_url(self._backend)
            options = replace(_options(configured, self._backend, burst=self._burst), url=url)
            self._life = _Life(adapter, options, own=own)
            self._life.begin()
            return self._life

    @staticmethod
    def _begun(life: _Life) -> None:
        try:
            life.await_start()
        except BaseException:
            life.ask_to_stop(0)
            raise

    def _alive(self) -> _Life | None:
        life = self._life
        return life if life is not None and life.alive else None


class _Life:
    """One life of an embedded worker, from its start to its end, on a thread of its own."""

    def __init__(self, adapter: Adapter, options: WorkerOptions, *, own: bool) -> None:
        """`own`: the adapter is nobody else's, and is closed at the end."""
        self._adapter = adapter
        self._options = options
        self._own = own
        self._pid = os.getpid()
        self._tried = threading.Event()
        self._over = threading.Event()
        self._asked = threading.Event()
        self._quiet = False
        self._timeout = options.shutdown_timeout
        self._worker: Worker | None = None
        self._away: AdapterError | None = None
        self._error: Exception | None = None
        self._ended = True
        self._thread = threading.Thread(target=self._run, name="jobkit-worker", daemon=True)

    @property
    def alive(self) -> bool:
        """True while it lasts; never in a fork's child, where its threads are not."""
        return self._pid == os.getpid() and not self._over.is_set()

    @property
    def identity(self) -> str | None:
        return None if self._worker is None else self._worker.id

    def begin(self) -> None:
        _running.add(self)
        self._thread.start()

    def await_start(self) -> None:
        """Wait for the first try to register, or for all of the boot time-out. Raises its error."""
        self._tried.wait()
        if self._error is not None:
            raise self._error

    def quiet(self) -> None:
        self._quiet = True
        if self._worker is not None:
            self._worker.quiet()

    def ask_to_stop(self, timeout: float | None) -> None:
        """Have it end; only the first to ask says how long jobs get."""
        if not self._asked.is_set() and timeout is not None:
            self._timeout = timeout
        self._asked.set()
        if self._worker is not None:
            self._worker.desk.inbox.put("stop")

    def awaited(self) -> bool:
        """Wait for the end that was asked for; True when all jobs had ended in time."""
        try:
            self.joined(None)
        except BaseException:  # Ctrl-C, once more: nobody wants to wait
            if self._worker is not None:
                self._worker.desk.hurried = True
            self.joined(None)
            raise
        return self._ended

    def joined(self, timeout: float | None) -> bool:
        # Not by the thread alone: before Python 3.13 a join that Ctrl-C interrupts takes it for
        # ended.
        if not self._over.wait(timeout):
            return False
        self._thread.join()
        return True

    def _run(self) -> None:
        try:
            while self._lived() and not self._asked.wait(_RESTART):
                _log.info("a new worker takes the place of the one that broke")
        except Exception as error:  # noqa: BLE001 - whoever started it is told, or the log
            self._error = error
            if self._tried.is_set():
                _log.exception("the embedded worker could not go on")
        finally:
            _running.discard(self)
            if self._own:
                self._adapter.close()
            self._over.set()
            self._tried.set()

    def _lived(self) -> bool:
        """One worker from its start to its end; True when it broke and another should follow."""
        self._worker = worker = Worker(self._adapter, self._options)
        if self._asked.is_set():
            return False  # before there was anybody to tell
        if not worker.start(failed=self._start_failed):
            return self._not_started()
        self._tried.set()
        if self._quiet:
            worker.quiet()
        queues = ", ".join(self._options.queues.names)
        _log.info("%s serves %s with %d threads", worker.id, queues, self._options.concurrency)
        broken = self._obeyed(worker)
        self._ended = worker.stop(self._timeout)
        if not self._ended:
            _log.warning("some jobs did not end in time and were given back")
            worker.interrupt()
        return broken

    def _start_failed(self, error: AdapterError) -> None:
        if self._options.boot_timeout is None:
            self._tried.set()  # the program goes on without its worker, which goes on trying
        self._away = error

    def _not_started(self) -> bool:
        if self._asked.is_set():
            return False
        raise AdapterError("the store did not answer within the boot time-out") from self._away

    def _obeyed(self, worker: Worker) -> bool:
        """Do as messages say until one means the end; True when a part of the worker broke."""
        while True:
            match worker.next_message():
                case Broken(part, error):
                    _log.error("the %s broke", part, exc_info=error)
                    return True
                case "quiet":
                    self.quiet()
                case message if self._ends(message):
                    return False
                case _:
                    _log.warning("%s is embedded: only its program can stop it", worker.id)

    def _ends(self, message: Message) -> bool:
        return message == "done" or self._asked.is_set()


def _configured(given: Mapping[str, Any]) -> Settings:
    """The settings in force, the application's modules imported. Raises ConfigurationError."""
    for module in settings.current().imports:
        import_module(module)
    configured = settings.overlaid("run_worker", given)  # the application may have configured more
    if configured.queues is not None:
        try:
            configured.queues.check_threads(configured.concurrency)
        except ValueError as error:
            raise ConfigurationError(f"run_worker: {error}") from None
    return configured


def _options(configured: Settings, backend: str, *, burst: bool) -> WorkerOptions:
    return WorkerOptions(
        queues=configured.queues or Queues(tuple(jobs.constant_queues())),
        concurrency=configured.concurrency,
        lease=configured.lease,
        shutdown_timeout=configured.shutdown_timeout,
        boot_timeout=configured.boot_timeout,
        burst=burst,
        backend=backend,
        application=" ".join(configured.imports) or "code",
        embedded=True,
    )


_running: set[_Life] = set()


def _stop_all() -> None:
    """The interpreter exits: what still runs gets its shutdown time-out, all at once."""
    lives = [life for life in _running if life.alive]
    for life in lives:
        life.ask_to_stop(None)
    for life in lives:
        life.awaited()


atexit.register(_stop_all)
