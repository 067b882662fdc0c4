"""A part of the worker that runs beside the others."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Iterator

from jobkit import events
from jobkit.outcome import Abandoned
from jobkit.worker.desk import Broken, Desk

__all__ = ["Part", "Patience", "Relieved"]

_log = logging.getLogger("jobkit.worker")


class Relieved(BaseException):
    """Another thread does this part meanwhile: the one that it ran on does no more of it."""


class Part:
    """Runs `work` until it returns; an error it does not expect ends the worker, not just it.

    On a thread of its own, if it does not say otherwise.
    """

    name = "part"

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.ending = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, on a new thread."""
        self._thread = threading.Thread(target=self._run, name=f"jobkit-{self.name}", daemon=True)
        self._thread.start()

    def end(self, timeout: float | None = None) -> bool:
        """Ask the part to end and wait; False when it has not within `timeout` seconds."""
        self.ending.set()
        self.wake()
        return self.ended(timeout)

    def ended(self, timeout: float | None = None) -> bool:
        """Wait for the end of a part that was asked to end; as `end`."""
        thread = self._thread
        if thread is None or thread.ident is None:  # it has not begun
            return True
        thread.join(timeout)
        return not thread.is_alive()

    def wake(self) -> None:
        """Interrupt a wait of the part's own, where it has one."""

    def work(self) -> None:
        """What the part does."""
        raise NotImplementedError

    def _run(self) -> None:
        """Work; what breaks is told."""
        try:
            self.work()
        except (Abandoned, Relieved):
            raise  # it is the thread's end here, not the part's
        except BaseException as error:  # noqa: BLE001 - handed to the main thread, which leaves
            self.desk.inbox.put(Broken(self.name, error))


class Patience:
    """Growing waits while the store is away, said once a time it fails; jittered, at most 4 s."""

    def __init__(self, part: str) -> None:
        self._part = part
        self._delays = self._growing()
        self.failing = False

    def failed(self, error: Exception) -> float:
        """Note a failure; the seconds to wait before the next try."""
        delay = next(self._delays)
        self.failing = True
        _log.warning("%s: the store failed, next try in %.1f s: %s", self._part, delay, error)
        events.emit("store_error", error=error, part=self._part, wait=delay)
        return delay

    def worked(self) -> None:
        """Note that the store answers."""
        if not self.failing:
            return
        self.failing = False
        self._delays = self._growing()
        _log.info("%s: the store answers again", self._part)
        events.emit("store_back", part=self._part)

    @staticmethod
    def _growing() -> Iterator[float]:
        delay = 0.1
        while True:
            yield delay * random.uniform(0.75, 1.25)
            delay = min(delay * 2, 3.2)  # who waits is back within 5 s of the store
