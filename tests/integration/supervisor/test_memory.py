"""What a supervisor and its processes take of a machine's memory while there is nothing to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.integration.worker.site import Site, at_once, until

SUPERVISOR = {"sqlite": 52, "postgres": 65, "redis": 45}
PROCESS = {"sqlite": 80, "postgres": 80, "redis": 60}
"""Megabytes (10^6 bytes), by store."""

OF_PYTHON = 1.15 if sys.version_info >= (3, 14) else 1.0
"""With the store's library alone Python 3.14 takes 5 to 9 MB more than those before it."""


def test_an_idle_worker_takes_little_memory(everywhere: list[Site]) -> None:
    def is_small(site: Site) -> None:
        worker = site.start()
        is_idle(site, worker)
        assert above(site, worker) == []

    at_once(everywhere, is_small)


def is_idle(site: Site, worker: subprocess.Popen[bytes]) -> None:
    """Wait until the supervisor and its process have beaten."""
    until(site.store.workers)
    pids = {each.pid for each in site.store.workers()} | {worker.pid}
    until(lambda: {pid for pid, beats in beaten(site) if beats >= 2} >= pids)


def beaten(site: Site) -> list[tuple[int, int]]:
    """The process and the beats of each identity at the store."""
    workers = site.store.maintain(limit=1).workers
    return [(int(identity.split(":")[1]), pulse.beat) for identity, pulse in workers.items()]


def above(site: Site, worker: subprocess.Popen[bytes]) -> list[str]:
    """Whoever takes more than it may, with how much that is."""
    store = site.folder.name
    bounds = {worker.pid: SUPERVISOR[store]} | dict.fromkeys(site.processes(worker), PROCESS[store])
    taken = {pid: resident(pid) / 1e6 for pid in bounds}
    return [
        f"{store}: {'supervisor' if pid == worker.pid else 'process'}: {taken[pid]:.1f} MB"
        for pid, most in bounds.items()
        if taken[pid] > most * OF_PYTHON
    ]


def resident(pid: int) -> int:
    """Bytes of a process's memory that are in the machine's."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))
