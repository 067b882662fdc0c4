"""Nothing that a run started outlives it, even when the run itself is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

from tests.chaos.fleet import ROOT
from tests.chaos.processes import TOKEN, Guard, children, members

RUN = """
import subprocess, sys
from tests.chaos.processes import Guard
guard = Guard()
sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
child = subprocess.Popen(sleep, env=guard.environment, start_new_session=True)
adopted = subprocess.Popen(sleep, start_new_session=True)
guard.adopt(adopted.pid)
print(guard.token, child.pid, adopted.pid, flush=True)
child.wait()
"""


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Not even as a dead one that nobody has waited for."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:  # noqa: PTH123 - /proc
        return file.read().rpartition(")")[2].split()[0] != "Z"


def test_a_run_that_is_killed_leaves_nobody_behind() -> None:
    run = subprocess.Popen([sys.executable, "-c", RUN], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    token, child, adopted = run.stdout.readline().split()
    assert members(token) == [int(child)]
    os.kill(int(child), signal.SIGSTOP)
    run.kill()
    run.wait()
    run.stdout.close()
    until(lambda: not members(token) and not is_alive(int(adopted)))


def test_a_run_that_ends_leaves_nobody_behind_and_harms_nobody_else() -> None:
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    stranger = subprocess.Popen(sleep, env={**os.environ, TOKEN: "another"})
    try:
        with Guard() as guard:
            own = subprocess.Popen(sleep, env=guard.environment)
            until(lambda: members(guard.token) == [own.pid])
            assert {own.pid, stranger.pid} <= set(children(os.getpid()))
        assert own.wait(10) == -signal.SIGKILL
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
