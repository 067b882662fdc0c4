"""The process of one isolated run, as its worker sees it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Final

from jobkit.worker.carried import CANCEL, STOP, Task, Word, decoded
from jobkit.worker.command import module_command
from jobkit.worker.wire import Lines

__all__ = ["Cell"]

_LEAVES_WITHIN: Final = 5.0
"""Seconds that the process has to leave when it has said how the run ended."""


class Cell:
    """Started by exec, in a process group of its own, so that what the job started dies with it."""

    def __init__(self, task: Task) -> None:
        """Start it. Raises OSError when the system has no room for one more process."""
        self._lines = Lines()
        self._line, theirs = socket.socketpair()
        command = [*module_command("jobkit.cli.isolated"), str(theirs.fileno())]
        with theirs:
            try:
                self._process = subprocess.Popen(
                    command, pass_fds=(theirs.fileno(),), start_new_session=True
                )
            except OSError:
                self._line.close()
                raise
        self._send(task.line())

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        """Tell the job that its worker is about to stop."""
        self._send(STOP)

    def cancel(self) -> None:
        """Tell the job that it was cancelled."""
        self._send(CANCEL)

    def heard(self, timeout: float) -> list[Word] | None:
        """What it said within so many seconds; None when it is dead."""
        self._line.settimeout(timeout)
        try:
            piece = self._line.recv(65_536)
        except TimeoutError:
            return []
        except OSError:
            return None
        return [decoded(line) for line in self._lines.fed(piece)] if piece else None

    def resident_bytes(self) -> int:
        """Its resident memory; 0 where the system does not tell."""
        try:
            pages = Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1]
            return int(pages) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, ValueError, IndexError):
            return 0

    def kill(self) -> None:
        """End it, and what it started."""
        # Not reaped before `ended`: until then the number is no other process's.
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    def ended(self) -> int:
        """Wait for its end; the exit code, or minus the signal that killed it."""
        try:
            return self._process.wait(_LEAVES_WITHIN)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._process.wait()
        finally:
            self._line.close()

    def _send(self, line: bytes) -> None:
        self._line.settimeout(None)
        with suppress(OSError):  # it is dead: the next look will find out
            self._line.sendall(line)
