"""The demo's worker: a process of its own, as a user would start one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click

from jobkit.inspection import Inspector
from jobkit.worker.command import module_command

__all__ = ["DemoWorker", "started_worker"]

_BOOT: Final = 20.0
_STOP: Final = 15.0
_HURRY: Final = 3.0
_LOOK: Final = 0.02
_CONFIG: Final = """\
url = {}
queues = [{}]
imports = ["jobkit.cli.demo.jobs"]
log_level = "warning"
"""


class DemoWorker:
    """`jobkit worker` on one queue; `log` is the file with its log."""

    def __init__(self, url: str, queue: str, folder: Path) -> None:
        self._queue = queue
        self.log = folder / "worker.log"
        # A file, because the command line and its passwords can be read by everybody.
        config = folder / "jobkit.toml"
        config.write_text(_CONFIG.format(json.dumps(url), json.dumps(queue)), "utf-8")
        # When the demo is gone, killed even, its end of the pipe is, and the worker stops.
        theirs, self._tether = os.pipe()
        words = [str(theirs), "worker", "--config", str(config)]
        with self.log.open("wb") as log:
            # A group of its own: Ctrl-C is for the demo, which then stops the worker in good order.
            self._process = subprocess.Popen(
                [*module_command("jobkit.cli.tethered"), *words],
                env=_plain_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=[theirs],
            )
        os.close(theirs)

    def wait_until_ready(self, inspector: Inspector) -> None:
        """Return when the worker is registered. Raises ClickException if it does not come up."""
        deadline = time.monotonic() + _BOOT
        while not any(self._queue in worker.queues for worker in inspector.workers()):
            self.check()
            if time.monotonic() > deadline:
                raise click.ClickException(f"the worker did not start: see {self.log}")
            time.sleep(_LOOK)

    def check(self) -> None:
        """Raise ClickException, with the worker's last words, if it has left."""
        if self._process.poll() is not None:
            raise click.ClickException(f"the worker left: {self._last_words()}")

    def stop(self) -> None:
        """Have it finish by TERM; raise ClickException if it does not in good order."""
        self._process.terminate()
        try:
            code = self._process.wait(_STOP)
        except subprocess.TimeoutExpired:
            raise click.ClickException(f"the worker did not stop: see {self.log}") from None
        if code:
            raise click.ClickException(f"the worker left with {code}: {self._last_words()}")

    def end(self) -> None:
        """Have it gone: by TERM if it still obeys, by force if it does not or somebody hurries."""
        try:
            if self._process.poll() is None:
                self._process.terminate()
                self._process.wait(_HURRY)
        except subprocess.TimeoutExpired:
            pass
        finally:
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
            os.close(self._tether)

    def _last_words(self) -> str:
        lines = self.log.read_text("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


@contextmanager
def started_worker(url: str, queue: str, folder: Path) -> Generator[DemoWorker]:
    """A worker that is gone behind the block, however the block ends."""
    worker = DemoWorker(url, queue, folder)
    try:
        yield worker
        worker.stop()
    finally:
        worker.end()


def _plain_environment() -> dict[str, str]:
    """Without the settings of whoever runs the demo: they are for their own workers."""
    return {name: value for name, value in os.environ.items() if not name.startswith("JOBKIT_")}
