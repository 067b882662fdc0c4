"""The worker processes of a run, replaced as they die."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from tests.chaos.application import JOURNAL, MUTATION, QUEUE
from tests.chaos.journal import Journal
from tests.chaos.plain import SHUTDOWN
from tests.chaos.processes import Guard, children

__all__ = ["ROOT", "Fleet", "Form", "Unit"]

ROOT: Final = Path(__file__).parents[2]
_SUPERVISORS: Final = 2
"""One alone could be a zombie for ever: nobody else would be there to take its jobs."""


class Form(StrEnum):
    """How the workers are run."""

    PLAIN = "plain"
    """Each a process of its own, with nobody above it."""
    COMMAND = "command"
    """Two times `jobkit worker`, each a supervisor over half of the processes."""


@dataclass(eq=False)
class Unit:
    """What was started: a worker process, or a supervisor over several."""

    process: subprocess.Popen[bytes]
    leaving: bool = False

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def supervises(self) -> bool:
        return bool(children(self.pid))

    def workers(self) -> list[int]:
        """The processes that run jobs."""
        return children(self.pid) or [self.pid]

    def everyone(self) -> list[int]:
        """All its processes, the one above first."""
        return [self.pid, *children(self.pid)]


@dataclass
class Fleet:
    """`size` worker processes with `threads` each; `lease` in seconds."""

    url: str
    guard: Guard
    journal: Journal
    folder: Path
    form: Form = Form.PLAIN
    size: int = 4
    threads: int = 4
    lease: float = 1.0
    mutation: str = ""
    units: list[Unit] = field(default_factory=list)

    def tend(self) -> None:
        """Replace what has ended."""
        for unit in tuple(self.units):
            if unit.process.poll() is not None:
                self.journal.write("gone", unit.process.returncode, pid=unit.pid)
                self.units.remove(unit)
        wanted = _SUPERVISORS if self.form is Form.COMMAND else self.size
        while sum(not unit.leaving for unit in self.units) < wanted:
            self.units.append(self._started())

    def is_all(self, registered: set[int]) -> bool:
        """True when these processes are its workers, all of them, and nobody is about to leave."""
        if any(unit.leaving for unit in self.units):
            return False
        return registered == {pid for unit in self.units for pid in unit.workers()}

    def stop(self, seconds: float) -> list[int | None]:
        """Ask everybody to leave; the exit codes, `seconds` at most for all."""
        deadline = time.monotonic() + seconds
        for unit in self.units:
            unit.process.send_signal(signal.SIGTERM)
        for unit in self.units:
            with suppress(subprocess.TimeoutExpired):  # the code None tells
                unit.process.wait(max(0.0, deadline - time.monotonic()))
        return [unit.process.poll() for unit in self.units]

    def _started(self) -> Unit:
        with (self.folder / "workers.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *self._command()],
                cwd=ROOT,
                env={
                    **self.guard.environment,
                    JOURNAL: str(self.journal.path),
                    MUTATION: self.mutation,
                    "JOBKIT_URL": self.url,
                    "JOBKIT_LEASE": str(self.lease),
                    "JOBKIT_SHUTDOWN_TIMEOUT": str(SHUTDOWN),
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.journal.write("born", self.form.value, pid=process.pid)
        return Unit(process)

    def _command(self) -> list[str]:
        if self.form is Form.PLAIN:
            return ["tests.chaos.plain", str(self.threads), str(self.lease)]
        processes = ["-p", str(max(1, self.size // _SUPERVISORS))]
        threads = ["-c", str(self.threads)]
        return ["jobkit", "worker", "-A", "tests.chaos.application", "-q", QUEUE,
                *threads, *processes]  # fmt: skip
