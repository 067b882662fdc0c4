"""The processes of a run: found through /proc, and none left behind, whatever happens to it.

Every process of a run carries the run's token in its environment, which its children inherit. So
it can be told from anybody else's, and found when its parents are dead.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

__all__ = ["TOKEN", "Guard", "children", "hears", "main", "members", "stands_still"]

TOKEN: Final = "CHAOS_RUN"
_PROC: Final = Path("/proc")


def members(token: str) -> list[int]:
    """The living processes of the run."""
    mark = f"{TOKEN}={token}".encode()
    return [pid for pid in _pids() if mark in _read(pid, "environ").split(b"\0")]


def children(pid: int) -> list[int]:
    """The living children of a process."""
    return [child for child in _pids() if _parent(child) == pid]


def stands_still(pid: int) -> bool:
    """True when all threads of a process are suspended."""
    tasks = _PROC / str(pid) / "task"
    try:
        states = [_state(task / "stat") for task in tasks.iterdir()]
    except OSError:  # gone meanwhile
        return False
    return bool(states) and set(states) == {b"T"}


def hears(pid: int, number: signal.Signals) -> bool:
    """True when the process has a handler for the signal; before that it is ended by it."""
    for line in _read(pid, "status").splitlines():
        if line.startswith(b"SigCgt:"):
            return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    return False


def _state(stat: Path) -> bytes:
    return stat.read_bytes().rpartition(b")")[2].split()[0]


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdecimal())


def _read(pid: int, name: str) -> bytes:
    try:
        return (_PROC / str(pid) / name).read_bytes()
    except OSError:  # gone meanwhile, or not ours to read
        return b""


def _parent(pid: int) -> int | None:
    """None for one that is dead and not yet waited for."""
    fields = _read(pid, "stat").rpartition(b")")[2].split()
    return None if len(fields) < 2 or fields[0] == b"Z" else int(fields[1])


class Guard:
    """Ends what is left of a run: at the end, and by a watchdog when the run itself dies.

    The watchdog is a process that reads from a pipe whose other end closes with this process.
    A server that overwrites its environment is `adopt`ed, by its process id.
    """

    def __init__(self) -> None:
        self.token = secrets.token_hex(8)
        self._watchdog = subprocess.Popen(
            [sys.executable, "-m", __spec__.name, self.token],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def environment(self) -> dict[str, str]:
        """What every process of the run is started with."""
        return {**os.environ, TOKEN: self.token}

    def adopt(self, pid: int) -> None:
        """Have the process, with all its children, ended like the others."""
        pipe = self._watchdog.stdin
        assert pipe is not None
        pipe.write(f"{pid} {_born(pid)}\n".encode())
        pipe.flush()

    def close(self) -> None:
        """End what is left, and the watchdog."""
        pipe = self._watchdog.stdin
        assert pipe is not None
        pipe.close()
        self._watchdog.wait()


def _born(pid: int) -> str:
    """Tells a process from a later one with the same number."""
    fields = _read(pid, "stat").rpartition(b")")[2].split()
    return fields[19].decode() if len(fields) > 19 else ""


def main(token: str) -> None:
    """Wait until nobody holds the pipe any more, and end the run's processes."""
    adopted = [line.split() for line in sys.stdin]
    for pid, born in ((int(pid), born) for pid, born in adopted):
        if _born(pid) == born:
            for one in (*children(pid), pid):
                _kill(one)
    # Again and again: one may have started another meanwhile.
    deadline = time.monotonic() + 10
    while (left := members(token)) and time.monotonic() < deadline:
        for pid in left:
            _kill(pid)
        time.sleep(0.02)


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1])
