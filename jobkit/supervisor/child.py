"""One worker process, as its parent sees it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Protocol

from jobkit.clock import Clock
from jobkit.supervisor.rules import StallWatch, stalled
from jobkit.supervisor.signals import blocked
from jobkit.worker.board import (
    GRACE,
    new_board,
    read_overrun,
    read_started,
    read_turns,
    write_beaten,
)
from jobkit.worker.wire import (
    Hello,
    Joining,
    Leaving,
    Lines,
    Order,
    Refused,
    Report,
    Stuck,
    decoded,
)

__all__ = ["Child", "Command"]


class Command(Protocol):
    """Makes the command line of a child."""

    def __call__(self, line: int, board: int, *, again: bool) -> Sequence[str]:
        """It finds its line and its board under these descriptors; `again`: others were ready."""
        ...


_DUMP_TAKES: Final = 1.0
"""Seconds that a child gets to write its stacks before it is killed."""


class Child:
    """Started by exec, with a line and a board; what it told stands in its attributes."""

    def __init__(self, command: Command, clock: Clock, *, again: bool) -> None:
        """Start it. Raises OSError when the system has no room for one more process."""
        self._clock = clock
        self._lines = Lines()
        self._line, theirs = socket.socketpair()
        self._line.setblocking(False)
        self._board = new_board()
        with theirs:
            self._process = self._started(command, theirs.fileno(), again=again)
        self._stall = StallWatch(clock.monotonic())
        self._kill_at: float | None = None
        self._beaten = 0.0
        self.deaf = False
        """True when its line is closed."""
        self.joined: list[Joining] = []
        """The workers it is or was, the current one last."""
        self.hello: Hello | None = None
        self.ready_at = 0.0
        self.refused: Refused | None = None
        self.leaving: Leaving | None = None
        self.told_to_stop = False
        self.killed_because: str | None = None
        self.overrun: frozenset[bytes] = frozenset()
        """The notes of the jobs for whose time limit it was killed: the others did nothing."""

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ready_for(self) -> float | None:
        """Seconds since it said hello; None if it never did."""
        return None if self.hello is None else self._clock.monotonic() - self.ready_at

    @property
    def in_order(self) -> bool:
        """True when its end is no crash: it said so, or was told to leave and had to be killed."""
        if self.leaving is not None or self.refused is not None:
            return True
        return self.told_to_stop and (self.killed_because is not None or self.hello is None)

    def fileno(self) -> int:
        return self._line.fileno()

    def tell(self, order: Order) -> None:
        """Give it an order; one that it cannot hear any more is lost."""
        with suppress(OSError):
            self._line.send(order.encode() + b"\n")

    def stop(self, within: float, *, hurry: bool) -> None:
        """Have it leave; it is killed if it has not within so many seconds."""
        self.tell("hurry" if hurry else "stop")
        self.expect_gone(within)

    def expect_gone(self, within: float) -> None:
        """It is about to leave: it is killed if it has not within so many seconds."""
        self.told_to_stop = True
        at = self._clock.monotonic() + within
        self._kill_at = at if self._kill_at is None else min(at, self._kill_at)

    def heard(self) -> list[Report]:
        """What it said since the last call."""
        reports: list[Report] = []
        with suppress(OSError):
            while piece := self._line.recv(65_536):
                reports += [decoded(line) for line in self._lines.fed(piece)]
            self.deaf = True
        for report in reports:
            self._note(report)
        return reports

    def died(self) -> int | None:
        """Its exit code, or minus the signal that killed it; None while it lives."""
        return self._process.poll()

    def started(self) -> frozenset[bytes]:
        """The notes of the jobs that its threads started last; see `jobkit.worker.board`."""
        return read_started(self._board)

    def beaten_for(self, sent: float) -> None:
        """Let it know when the last beat for it was sent that came through."""
        if sent != self._beaten:
            self._beaten = sent
            write_beaten(self._board, sent)

    def watch(self, stall_timeout: float) -> bool:
        """Kill it if it is late, or has stood still for too long; True when it is found still.

        That is for a time-out, or a while beyond the limit of a job that lets nothing turn.
        """
        now = self._clock.monotonic()
        if self._kill_at is not None:
            if now >= self._kill_at:
                self._kill()
            return False
        if self.killed_because is not None:
            return False  # it dies, for whatever reason that was
        self.killed_because = self._why_stuck(stall_timeout, now)
        if self.killed_because is None:
            return False
        # It writes its stacks at that, by faulthandler: no thread of it need turn for this.
        self._process.send_signal(signal.SIGABRT)
        self._kill_at = now + _DUMP_TAKES
        return True

    def close(self) -> None:
        """Let go of what belongs to a process that is dead."""
        self._line.close()
        os.close(self._board)

    def _started(self, command: Command, line: int, *, again: bool) -> subprocess.Popen[bytes]:
        words = command(line, self._board, again=again)
        try:
            with blocked():
                return subprocess.Popen(words, pass_fds=(line, self._board))
        except OSError:
            self.close()
            raise

    def _why_stuck(self, stall_timeout: float, now: float) -> str | None:
        """Why it must be killed; None while it turns, or has not stood still for long."""
        still = self._stall.still_for(read_turns(self._board), now)
        if still >= GRACE and (overrun := read_overrun(self._board, now - GRACE)):
            self.overrun = overrun
            return (
                f"the job ran longer than its time limit and let nothing else run: "
                f"the worker process {self.pid} was killed"
            )
        timeout = stall_timeout if self.hello is None else self.hello.stall_timeout
        if stalled(still, timeout, ready=self.hello is not None):
            return (
                f"the worker process {self.pid} stood still for {timeout:g} s and was killed "
                "while the job ran"
            )
        return None

    def _kill(self) -> None:
        self.killed_because = self.killed_because or "it did not leave in time"
        self._process.kill()
        self._kill_at = None

    def _note(self, report: Report) -> None:
        match report:
            case Joining():
                self.joined.append(report)
            case Hello():
                self.hello = report
                self.ready_at = self._clock.monotonic()
            case Refused():
                self.refused = report
            case Leaving():
                self.leaving = report
            case Stuck():
                pass  # the supervisor's business
