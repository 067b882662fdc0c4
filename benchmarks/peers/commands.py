"""What starts the workers of each queue: ten threads, or ten at once, in each process."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Final

__all__ = ["MANY", "command_of"]

Command = tuple[list[str], dict[str, str]]

MANY: Final = frozenset({"jobkit", "celery", "dramatiq", "taskiq"})
"""Those whose one command starts as many processes as it is told; of the others it starts one."""

_APPS: Final = "benchmarks.peers.apps"
_THREADS: Final = "10"


def command_of(app: str, url: str, processes: int, *, logs: bool) -> Command:
    """The command line, and the variables of its environment. Without `logs` it tells errors."""
    arguments, variables = _COMMANDS[app](url, processes, logs)
    return [sys.executable, "-m", *arguments], {"BENCH_URL": url, **variables}


def _jobkit(url: str, processes: int, logs: bool) -> Command:
    quiet = [] if logs else ["--log-level", "error"]
    app = ["-A", f"{_APPS}.jobkit_app", "-c", _THREADS, "-p", str(processes)]
    return ["jobkit", "worker", *app, *quiet], {"JOBKIT_URL": url}


def _celery(url: str, processes: int, logs: bool) -> Command:
    few = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    threads = ["-P", "threads", "-c", str(int(_THREADS) * processes)]
    level = ["-l", "INFO" if logs else "ERROR"]
    return ["celery", "-A", f"{_APPS}.celery_app", "worker", *threads, *level, *few], {}


def _dramatiq(url: str, processes: int, logs: bool) -> Command:
    size = ["-p", str(processes), "-t", _THREADS]
    return ["dramatiq", f"{_APPS}.dramatiq_app", *size], {"BENCH_QUIET": "" if logs else "1"}


def _rq(url: str, processes: int, logs: bool) -> Command:
    quiet = [] if logs else ["--quiet"]
    return ["rq.cli", "worker", "-w", "rq.worker.SimpleWorker", "--url", url, *quiet], {}


def _huey(url: str, processes: int, logs: bool) -> Command:
    quiet = [] if logs else ["-q"]
    app = f"{_APPS}.huey_app.huey"
    return ["huey.bin.huey_consumer", app, "-w", _THREADS, "-k", "thread", *quiet], {}


def _taskiq(url: str, processes: int, logs: bool) -> Command:
    size = ["-w", str(processes), "--max-async-tasks", _THREADS]
    level = ["--log-level", "INFO" if logs else "ERROR"]
    return ["taskiq", "worker", f"{_APPS}.taskiq_app:broker", *size, *level], {}


def _procrastinate(url: str, processes: int, logs: bool) -> Command:
    loud = ["-v"] if logs else []
    app = ["--app", f"{_APPS}.procrastinate_app.app"]
    return ["procrastinate", *loud, *app, "worker", "--concurrency", _THREADS], {}


def _pgqueuer(url: str, processes: int, logs: bool) -> Command:
    # Its own command line does not start with Typer of today.
    return [f"{_APPS}.pgqueuer_app"], {"BENCH_LOGS": "1" if logs else ""}


_COMMANDS: Final[Mapping[str, Callable[[str, int, bool], Command]]] = {
    "jobkit": _jobkit,
    "celery": _celery,
    "dramatiq": _dramatiq,
    "rq": _rq,
    "huey": _huey,
    "taskiq": _taskiq,
    "procrastinate": _procrastinate,
    "pgqueuer": _pgqueuer,
}
