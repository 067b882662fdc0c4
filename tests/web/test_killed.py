"""The dashboard's process killed in the middle of an action on all jobs."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import pytest

from jobkit.adapter import State
from jobkit.capabilities import StoredJob
from tests.web.conftest import SAME_ORIGIN, Store, payload

ROOT: Final = Path(__file__).parents[2]
JOBS: Final = 1_000
APPLICATION: Final = """
import os, time
from jobkit.dashboard import create_app
from jobkit.inspection import inspector

inspector._SLICE = 20  # fifty slices, so that there is a middle
slices = inspector.Inspector._slices

def halting(self, *where):
    for number, jobs in enumerate(slices(self, *where)):
        if number == int(os.environ["HALTS_AT"]):
            time.sleep(600)  # it is killed by then
        yield jobs

inspector.Inspector._slices = halting
app = create_app(auth=None)
"""
EVERYTHING: Final = {"all": "1", "state": "dead"}


@contextmanager
def dashboard(
    url: str, folder: Path, *, halts_at: int = -1
) -> Generator[tuple[subprocess.Popen[str], int]]:
    """A dashboard in a process of its own, and its port; it may stand still at some slice."""
    file = folder / "dashboard.py"
    file.write_text(APPLICATION)
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.web.served", str(file), "asgi"],
        cwd=ROOT,
        env={**os.environ, "JOBKIT_URL": url, "HALTS_AT": str(halts_at)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    try:
        yield server, int(server.stdout.readline())
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def ask(port: int, method: str, path: str, form: dict[str, str] | None = None) -> str:
    headers = {**SAME_ORIGIN, "Content-Type": "application/x-www-form-urlencoded"}
    with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request(method, path, urlencode(form or {}), headers)
        return connection.getresponse().read().decode()


def press(port: int) -> None:
    """Retry all, as a browser that is cut off while it waits."""
    with suppress(OSError, HTTPException):
        ask(port, "POST", "/jobs/run", EVERYTHING)


def all_ids(store: Store, state: State) -> list[str]:
    found: list[str] = []
    page = store.jobs(state, limit=1_000)
    found += [each.payload.id for each in page.items]
    while page.next is not None:
        page = store.jobs(state, limit=1_000, after=page.next)
        found += [each.payload.id for each in page.items]
    return found


@pytest.mark.behaviour("L2")
def test_what_was_retried_stays_so_and_the_rest_is_retried_by_pressing_again(
    store: Store, url: str, tmp_path: Path
) -> None:
    jobs = [payload("app.Dead", "q", args=[nth]) for nth in range(JOBS)]
    store.restore([StoredJob(each, State.DEAD, "", 1.7e9) for each in jobs])
    expected = sorted(each.id for each in jobs)

    with dashboard(url, tmp_path, halts_at=45) as (server, port):
        browser = threading.Thread(target=press, args=(port,))
        browser.start()
        deadline = time.monotonic() + 60
        while store.stats().enqueued < 100 and time.monotonic() < deadline:
            time.sleep(0.001)
        server.kill()
        server.wait()
        browser.join()
    retried, left = all_ids(store, State.ENQUEUED), all_ids(store, State.DEAD)
    assert len(retried) >= 100
    assert left, "it was killed too late"
    assert sorted(retried + left) == expected, "each job is in one place"

    with dashboard(url, tmp_path) as (_, port):
        assert f"{len(left):,} jobs" in ask(port, "GET", "/dead")
        press(port)
        deadline = time.monotonic() + 60
        while store.stats().dead and time.monotonic() < deadline:
            time.sleep(0.01)
    assert sorted(all_ids(store, State.ENQUEUED)) == expected
    assert all_ids(store, State.DEAD) == []
