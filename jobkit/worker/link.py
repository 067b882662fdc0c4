"""A worker process's line to its supervisor."""

from __future__ import annotations

import faulthandler
import os
import signal
import socket
import tempfile
import threading
from contextlib import suppress
from types import FrameType
from typing import Final

from jobkit.worker.board import SharedBoard
from jobkit.worker.desk import Desk
from jobkit.worker.wire import Lines, Report, encoded

__all__ = ["Link", "ignore_signals", "leave_signals_to_the_supervisor"]

_STDERR: Final = 2

_IGNORED: Final = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGTSTP,
    signal.SIGUSR1,
    signal.SIGTTIN,
)


class Link:
    """Hears the supervisor's orders, and that it is gone; tells it what it must know.

    Without a supervisor a worker stops by itself: nobody could tell it to any more.
    """

    def __init__(self, line: int, board: int) -> None:
        """`line` is a connected socket, `board` shared memory; jobs' own processes get neither."""
        for fd in (line, board):
            os.set_inheritable(fd, False)
        self._socket = socket.socket(fileno=line)
        self._board = board
        self._lock = threading.Lock()
        self._desk: Desk | None = None
        self._quiet = False
        self.orphaned = False
        """True when the supervisor is gone."""
        self._thread = threading.Thread(target=self._listen, name="jobkit-link", daemon=True)

    def listen(self) -> None:
        """Begin to hear orders. Until there is a worker, a stop ends the process at once."""
        self._thread.start()

    def board(self, slots: int) -> SharedBoard:
        """The board, with room for that many threads. To be asked for once."""
        return SharedBoard(self._board, slots)

    def serve(self, desk: Desk) -> None:
        """From now on orders are for the worker at this desk."""
        with self._lock:
            self._desk = desk
            if self._quiet:
                desk.inbox.put("quiet")

    def tell(self, report: Report) -> None:
        """Tell the supervisor, if it still listens."""
        with suppress(OSError):
            self._socket.sendall(encoded(report))

    def _listen(self) -> None:
        lines = Lines()
        with suppress(OSError):
            while piece := self._socket.recv(4096):
                for line in lines.fed(piece):
                    self._obey(line.decode())
        self.orphaned = True
        self._obey("stop")

    def _obey(self, order: str) -> None:
        if order == "dump":
            _write_stacks()
            return
        with self._lock:
            if self._desk is not None:
                _pass_on(order, self._desk)
            elif order == "quiet":
                self._quiet = True
            else:
                os._exit(0)  # still importing: nothing was claimed


def _pass_on(order: str, desk: Desk) -> None:
    if order == "hurry":
        desk.hurried = True
    desk.inbox.put("quiet" if order == "quiet" else "stop")


def ignore_signals() -> None:
    """Obey the line only: a terminal or service manager signals the whole group.

    By handlers that do nothing: signals that are ignored outright would stay so in every program
    that a job starts.
    """
    for number in _IGNORED:
        signal.signal(number, _nothing)


def leave_signals_to_the_supervisor() -> None:
    """Begin to ignore signals, first of all that a worker process does.

    A job's fork without exec gets the usual behaviour back.
    """
    ignore_signals()
    # What brings the process down leaves its stack, the ABRT that ends a stall too.
    faulthandler.enable(_STDERR)
    # Blocked since before the exec, so that none could strike until here.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {*_IGNORED, signal.SIGCHLD})
    os.register_at_fork(after_in_child=_as_usual)


def _write_stacks() -> None:
    """The stacks of all threads to stderr, in one piece, since others write there too.

    Not by a handler of faulthandler's, which reads the frames of threads that run on meanwhile,
    and can crash the process so.
    """
    with tempfile.TemporaryFile() as file:
        file.write(f"The threads of process {os.getpid()}:\n".encode())
        file.flush()
        faulthandler.dump_traceback(file, all_threads=True)
        file.seek(0)
        with suppress(OSError):
            os.write(_STDERR, file.read())


def _nothing(number: int, frame: FrameType | None) -> None:
    pass


def _as_usual() -> None:
    for number in _IGNORED:
        if signal.getsignal(number) is _nothing:
            signal.signal(number, signal.SIG_DFL)
