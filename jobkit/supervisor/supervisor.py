"""The parent process: one thread that waits for signals, for children's words and their deaths."""

from __future__ import annotations

import logging
import selectors
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from jobkit.clock import SYSTEM, Clock
from jobkit.errors import ConfigurationError
from jobkit.supervisor.child import Child, Command
from jobkit.supervisor.condition import Condition, Observer, silent
from jobkit.supervisor.crew import Crew
from jobkit.supervisor.medic import Gone, Medic
from jobkit.supervisor.rules import GIVE_UP_AFTER, Stops, Unready, exit_code, how_it_died
from jobkit.supervisor.signals import STOPS, Signals
from jobkit.worker.wire import Hello, Joining, Stuck

__all__ = ["Plan", "Supervisor"]

GAVE_UP: Final = 70
"""The exit code when children do not come up: EX_SOFTWARE."""

LINGER: Final = 3.0
"""Seconds that a child may take to leave beyond what its jobs get, before it is killed."""

_TURN: Final = 0.2
"""Seconds between looks at the children, beside what wakes the supervisor."""

_log = logging.getLogger("jobkit.supervisor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is known before a child has said what the application configured. Times in seconds.

    `tether` is a file descriptor: when its other end is closed the supervisor stops, as by TERM.
    `observers` are told at every turn how the supervisor is.
    """

    processes: int = 1
    stall_timeout: float = 600.0
    burst: bool = False
    tether: int | None = None
    observers: tuple[Observer, ...] = ()


class _Readable(Protocol):
    def fileno(self) -> int: ...


class _Tether:
    def __init__(self, fd: int) -> None:
        self._fd = fd

    def fileno(self) -> int:
        return self._fd


class Supervisor:
    """Runs worker processes until a signal, an order or the end of a burst; to be run once.

    TERM and INT stop them, a second INT (or a TERM a second later) without waiting; TSTP quiets
    them for good; HUP replaces them one by one; USR1 and TTIN have them write their stacks.
    """

    def __init__(self, command: Command, plan: Plan, *, clock: Clock = SYSTEM) -> None:
        self._command = command
        self._plan = plan
        self._clock = clock
        self._crew = Crew(self._start, self._retire, clock)
        self._medic = Medic(clock)
        self._stops = Stops()
        self._unready = Unready()
        self._tether = None if plan.tether is None else _Tether(plan.tether)
        self._quiet = self._stopping = False
        self._settled = False
        """A child has been ready: from now on it is not the configuration that is wrong."""
        self._code = 0
        self._refusal: str | None = None

    def run(self) -> int:
        """Live; the exit code. Raises ConfigurationError when the first child could not work.

        For the main thread: signals are the supervisor's until it returns.
        """
        with Signals() as signals:
            self._crew.grow(self._plan.processes)
            self._crew.fill()
            self._medic.start()
            while not self._crew.over:
                self._turn(signals)
            self._medic.end(LINGER)
        if self._refusal is not None:
            raise ConfigurationError(self._refusal)
        return self._code

    def _turn(self, signals: Signals) -> None:
        """Wait for something to happen, and do what it asks for."""
        woken = self._wait(signals)
        for number in signals.received():
            self._obey(number)
        if self._tether in woken:
            self._tether = None
            self._stop(hurry=False)
        for child in list(self._crew):
            self._hear(child)
            if (code := child.died()) is not None:
                self._hear(child)  # its last words
                self._bury(child, code)
            elif child.watch(self._plan.stall_timeout):
                _log.error("the worker process %d stands still: it is killed", child.pid)
            elif child.joined:
                child.beaten_for(self._medic.beaten.get(child.joined[-1].worker, 0.0))
        self._crew.fill()
        self._tell_observers()

    def _tell_observers(self) -> None:
        if self._plan.observers:
            condition = Condition(self._clock.monotonic(), tuple(self._problems()), self._stopping)
            for observer in self._plan.observers:
                observer(condition)

    def _problems(self) -> list[str]:
        """Why the worker is not ready, for people, a line each."""
        if self._stopping:
            return ["stopping"]
        problems = ["quiet: no more jobs are taken"] if self._quiet else []
        if unready := self._crew.unready:
            problems.append(f"worker processes that start, or wait for the store: {unready}")
        problems += self._medic.troubles()
        return problems + silent(self._crew, self._medic.beaten, self._clock.monotonic())

    def _wait(self, signals: Signals) -> Sequence[object]:
        watched: list[_Readable] = [child for child in self._crew if not child.deaf]
        if self._tether is not None:
            watched.append(self._tether)
        due = self._crew.next_due
        timeout = _TURN if due is None else min(_TURN, max(0.0, due - self._clock.monotonic()))
        with selectors.DefaultSelector() as selector:
            for each in (signals, *watched):
                selector.register(each.fileno(), selectors.EVENT_READ, each)
            return [key.data for key, _ in selector.select(timeout)]

    def _obey(self, number: int) -> None:
        if number in STOPS:
            self._stop(hurry=self._stops.hurry(number, self._clock.monotonic()))
        elif number == signal.SIGTSTP:
            self._be_quiet()
        elif number == signal.SIGHUP:
            self._roll()
        elif number in (signal.SIGUSR1, signal.SIGTTIN):
            for child in self._crew:
                child.tell("dump")

    def _stop(self, *, hurry: bool) -> None:
        self._stopping = True
        self._crew.close()
        for child in self._crew:
            if hurry or not child.told_to_stop:
                self._retire(child, hurry=hurry)

    def _be_quiet(self) -> None:
        self._quiet = True
        for child in self._crew:
            child.tell("quiet")

    def _roll(self) -> None:
        if not self._replacing:
            _log.warning("worker processes are not replaced any more: HUP is ignored")
            return
        _log.info("replacing the worker processes")
        self._crew.roll()

    @property
    def _replacing(self) -> bool:
        return not (self._stopping or self._quiet or self._plan.burst)

    def _start(self) -> Child:
        return Child(self._command, self._clock, again=self._settled)

    def _retire(self, child: Child, *, hurry: bool = False) -> None:
        hello = child.hello
        # Before it is ready it has nothing in hand to wait for.
        wait = 0.0 if hurry or hello is None else hello.shutdown_timeout
        child.stop(wait + LINGER, hurry=hurry)

    def _hear(self, child: Child) -> None:
        for report in child.heard():
            match report:
                case Joining():
                    self._medic.tell(report)
                case Hello(processes=processes):
                    self._welcome(child, processes)
                case Stuck():
                    self._relieve(child)
                case _:
                    pass  # its end will show what it meant

    def _welcome(self, child: Child, processes: int) -> None:
        self._settled = True
        self._unready.became_ready()
        self._crew.ready(child)
        if self._replacing or self._plan.burst:
            self._crew.grow(processes)

    def _relieve(self, child: Child) -> None:
        """It has lost a thread to a job, and leaves: what that thread does must end in time."""
        child.expect_gone(0.0 if child.hello is None else child.hello.shutdown_timeout)
        if self._replacing:
            self._crew.relieve(child)

    def _bury(self, child: Child, code: int) -> None:
        """Reaped: what it held runs nowhere any more, and its slot may be filled again."""
        reason = None if child.in_order else child.killed_because or how_it_died(child.pid, code)
        self._medic.tell(Gone(tuple(child.joined), child.started(), reason, child.overrun))
        child.close()
        if reason is not None:
            _log.error("%s", reason)
            self._note_crash(code)
        self._replace(child, code)

    def _note_crash(self, code: int) -> None:
        if self._plan.burst and not self._stopping:
            self._code = self._code or exit_code(code)

    def _replace(self, child: Child, code: int) -> None:
        newcomer = self._crew.is_newcomer(child)
        wanted = child.leaving is None or child.leaving.why in ("recycled", "broken")
        self._crew.lost(child, replace=self._replacing and wanted)
        if child.refused is not None:
            self._heed(child.refused.reason)
        if child.hello is None and not child.told_to_stop and not newcomer:
            self._give_up_after(code)

    def _heed(self, refusal: str) -> None:
        if refusal == self._refusal:
            return  # those beside it say the same, and one line is enough
        if self._settled or self._refusal is not None:
            _log.error("a worker process could not start: %s", refusal)
            return
        self._refusal = refusal
        self._stop(hurry=True)

    def _give_up_after(self, code: int) -> None:
        """Count a child that died before it was ready; end when that happens again and again."""
        if self._unready.died(code) and not self._stopping:
            _log.error("%d worker processes in a row died before they were ready", GIVE_UP_AFTER)
            self._code = GAVE_UP
            self._stop(hurry=False)
