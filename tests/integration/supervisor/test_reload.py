"""`--reload`: a change of the code brings fresh processes."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from tests.integration.worker.site import Site, until

CHANGED = """

    class Fresh(Job):
        def perform(self, number):
            note("F", number + 100)
"""


def test_a_change_of_the_code_replaces_the_processes(site: Site) -> None:
    worker = site.start("--reload", "--log-level", "info")
    until(lambda: site.store.stats().workers == 1 and watches(worker))
    before = site.processes(worker)
    (site.folder / "data.txt").write_text("no code")
    site.add(CHANGED)
    site.enqueue("Fresh", range(1))
    until(lambda: site.finished() == [100])
    until(lambda: len(site.processes(worker)) == 1)
    assert not before & site.processes(worker)
    assert worker.poll() is None
    worker.terminate()
    assert worker.wait(45) == 0


def test_code_that_cannot_be_imported_leaves_the_old_processes_at_work(site: Site) -> None:
    worker = site.start("--reload")
    until(lambda: site.store.stats().workers == 1 and watches(worker))
    site.add("this is no Python")
    until(lambda: "a worker process could not start: the import of 'app' failed" in site.said())
    site.enqueue("Count", range(1))
    until(lambda: site.finished() == [0])
    worker.terminate()
    assert worker.wait(45) == 0


def watches(worker: subprocess.Popen[bytes]) -> bool:
    """True when the system tells it of changes: of one before that nobody would."""
    described = Path(f"/proc/{worker.pid}/fdinfo")
    for each in described.iterdir():
        with suppress(FileNotFoundError):  # closed just now
            if "inotify wd:" in each.read_text():
                return True
    return False


def test_without_watchfiles_it_says_what_to_install(site: Site, tmp_path: Path) -> None:
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "watchfiles.py").write_text("raise ImportError")
    path = os.pathsep.join([str(tmp_path / "hidden"), *sys.path])
    worker = site.start("--reload", PYTHONPATH=path)
    assert worker.wait(45) == 1
    assert site.said() == (
        'Error: --reload needs watchfiles; install it with: pip install "jobkit[reload]"\n'
    )
