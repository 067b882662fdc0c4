"""Commands in a real terminal, with rich and without."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from jobkit.adapter import State
from jobkit.capabilities import StoredJob
from jobkit.measures import Measure
from jobkit_sql import SqlAdapter
from tests.integration.cli.conftest import Put, payload

WITHOUT_RICH = (
    "import sys; from jobkit.cli import progress, screen;"
    "progress.has_rich = screen.has_rich = lambda: False;"
    "from jobkit.__main__ import main; main(sys.argv[1:])"
)
ESCAPES = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|\].*?\x07|[()][A-Z0-9])")


class Terminal:
    """A command in a terminal of 100 by 30."""

    def __init__(self, *arguments: str, rich: bool) -> None:
        self._leader, follower = pty.openpty()
        command = ["-m", "jobkit"] if rich else ["-c", WITHOUT_RICH]
        self.process = subprocess.Popen(
            [sys.executable, *command, *arguments],
            stdin=follower,
            stdout=follower,
            stderr=follower,
            env={**os.environ, "COLUMNS": "100", "LINES": "30", "TERM": "xterm-256color"},
            start_new_session=True,
        )
        os.close(follower)
        self.seen = ""

    def until(self, there: Callable[[str], object], seconds: float = 45.0) -> str:
        """What was written, without its colours, once that is there."""
        deadline = time.monotonic() + seconds
        while not there(self.text):
            assert time.monotonic() < deadline, self.text
            self._read()
        return self.text

    @property
    def text(self) -> str:
        return ESCAPES.sub("", self.seen)

    def type(self, text: str) -> None:
        os.write(self._leader, text.encode())

    def end(self) -> int:
        """Wait for the command's end; its exit code."""
        while self._read():
            pass
        return self.process.wait(45)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._leader)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._leader], [], [], 1.0)
        if not ready:
            return self.process.poll() is None
        try:
            read = os.read(self._leader, 65_536)
        except OSError:  # the last to have it open has closed it
            return False
        self.seen += read.decode(errors="replace")
        return bool(read)


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def start(*arguments: str, rich: bool = True) -> Terminal:
        opened.append(Terminal(*arguments, rich=rich))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


Start = Callable[..., Terminal]


@pytest.mark.parametrize("rich", [True, False], ids=["rich", "plain"])
def test_the_screen_is_live(terminal: Start, store: SqlAdapter, put: Put, rich: bool) -> None:
    put.enqueued("a")
    store.pause("low")
    store.record([Measure("app.Job", 0, 40, 0.2)])
    shown = terminal("stats", "--watch", "--interval", "0.2", rich=rich)
    wanted = ("host:1:abc", "default", "paused", "\u2588")  # at last the graph's highest
    shown.until(lambda text: all(each in text for each in wanted))
    for nth in range(41):
        put.enqueued(f"more{nth}")
    shown.until(lambda text: re.search(r"default\s+42\b", text))
    shown.process.send_signal(signal.SIGINT)
    assert shown.end() == 130


@pytest.mark.parametrize("rich", [True, False], ids=["rich", "plain"])
def test_all_that_meet_a_filter_are_changed_when_it_was_confirmed(
    terminal: Start, store: SqlAdapter, rich: bool
) -> None:
    jobs = [StoredJob(payload(f"j{nth}"), State.DEAD, "", 1e9 + nth) for nth in range(3_000)]
    store.restore(jobs)
    refused = terminal("jobs", "retry", "--state", "dead", rich=rich)
    refused.until(lambda text: "3,000 dead jobs will be enqueued. Go on? [y/N]" in text)
    refused.type("n\n")
    assert refused.end() == 1
    assert store.stats().dead == 3_000
    done = terminal("jobs", "retry", "--state", "dead", rich=rich)
    done.until(lambda text: "[y/N]" in text)
    done.type("y\n")
    assert done.end() == 0
    assert "3,000 enqueued" in done.text
    assert ("3000/3000" if rich else "3,000 of 3,000 (100 %)") in done.text
    assert store.stats().dead == 0
